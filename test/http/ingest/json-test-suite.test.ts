/** JSONTestSuite, through the reader of an upload and over HTTP: what must be accepted is stored without a
 *  loss, what must be refused is refused with a reason. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readJson } from '../../../src/domain/json-text.ts';
import { PROJECT_ROOT } from '../../support/project-files.ts';
import { ingestRig, type Answer } from './rig.ts';

const FOLDER = join(PROJECT_ROOT, '../shared/corpora/json-test-suite/test_parsing');
const isThere = existsSync(FOLDER);
if (!isThere)
  process.stdout.write('JSONTestSuite is not there (../shared/corpora): its tests are left out\n');

const filesOf = (kind: 'y' | 'n' | 'i') =>
  isThere
    ? readdirSync(FOLDER)
        .filter((name) => name.startsWith(`${kind}_`))
        .toSorted()
    : [];

/** A list is so many records: within one more list it is one record. */
const wrapped = (body: Buffer) => Buffer.concat([Buffer.from('['), body, Buffer.from(']')]);

describe.skipIf(!isThere)('of JSONTestSuite', () => {
  test('every text that is JSON is stored without a loss', async () => {
    const rig = await ingestRig();
    const expected: unknown[] = [];
    const odd: string[] = [];
    for (const name of filesOf('y')) {
      const body = readFileSync(join(FOLDER, name));
      const { status, body: answer } = await rig.post(wrapped(body) as never, { type: 'application/json' });
      expected.push(readJson(body.toString('utf8')));
      if (status !== 200 || answer.stored !== 1) odd.push(`${name}: ${status} ${JSON.stringify(answer)}`);
    }
    expect(odd).toEqual([]);
    expect(expected.length).toBe(95);
    // Strings that bear lone surrogates come back as they were; so do integers of any length.
    const text = (value: unknown) =>
      JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? Number(one) : one));
    expect(rig.stored().map(text)).toEqual(expected.map(text));
  });

  test('no text that is not JSON is stored, and each is refused with a reason', async () => {
    const rig = await ingestRig({ deps: {} });
    const odd: string[] = [];
    const judge = (name: string, { status, body }: Answer) => {
      const reasons = [body.detail, ...(body.errors ?? []).map(({ message }) => message)];
      // Of a list that is broken behind its first items, those are records: the answer says what is not.
      const isTold = status >= 400 || body.rejected > 0;
      if (!isTold || reasons.join('').length === 0) odd.push(`${name}: ${status} ${JSON.stringify(body)}`);
    };
    for (const name of filesOf('n')) {
      const body = readFileSync(join(FOLDER, name));
      judge(name, await rig.post(body as never, { type: 'application/json' }));
    }
    expect(filesOf('n').length).toBe(188);
    expect(odd).toEqual([]);
  });

  test('what may be either is answered, and the gateway goes on', async () => {
    const rig = await ingestRig();
    const statuses: number[] = [];
    for (const name of filesOf('i')) {
      const body = readFileSync(join(FOLDER, name));
      const { status } = await rig.post(wrapped(body) as never, { type: 'application/json' });
      statuses.push(status);
    }
    expect(statuses.length).toBe(35);
    expect(statuses.filter((status) => status !== 200 && status !== 400)).toEqual([]);
    expect((await rig.post('1\n')).status).toBe(200);
    process.stdout.write(`i_: ${statuses.filter((status) => status === 200).length} of 35 taken\n`);
  });
});
