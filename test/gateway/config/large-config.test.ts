/** What it takes to read a configuration grows with its size, not with the square of it: otherwise a file
 *  within its limit stops the gateway for minutes. */

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { readConfigInThread } from '../../../src/gateway/config/read-in-thread.ts';
import { readConfig } from '../../../src/gateway/config/read-config.ts';
import { EXACT_COUNTS } from '../../support/work-count.ts';
import { LARGE_CONFIGS } from './large-configs.ts';

const SIZE = 1_000;

/** Work by title, for so many entries and for twice as many. */
async function countedWork(): Promise<Readonly<Record<string, readonly [few: number, many: number]>>> {
  const child = join(import.meta.dirname, 'child-reading-work.ts');
  const { stdout } = await promisify(execFile)(process.execPath, [...EXACT_COUNTS, child]);
  return JSON.parse(stdout) as Record<string, [number, number]>;
}

test(
  'reading twice as much is twice the work, of whatever there is more',
  { tags: 'full', timeout: 60_000 },
  async () => {
    const counts = await countedWork();
    const ratios = Object.entries(counts).map(([title, [few, many]]) => [title, many / few] as const);
    const isControl = ([title]: readonly [string, number]) => title.startsWith('control');
    expect(ratios.filter((one) => !isControl(one)).map(([title]) => title)).toEqual(
      LARGE_CONFIGS.map(([title]) => title),
    );
    // A term that grows by the square is less than a third of the work at the size that fits into a file.
    expect(ratios.filter(([, ratio]) => ratio > 2.02).map(([title]) => title)).toEqual([
      'control: pairs',
      'control: searches',
    ]);
  },
);

describe('a text that is not short is read in a thread', () => {
  const options = { format: 'yaml', file: '/nowhere/edge.yaml', env: { TENANT: 'north' } } as const;
  const sources = Array.from(
    { length: SIZE },
    (_, n) => `  s${n}: { type: push, tenant: "\${TENANT}" }`,
  ).join('\n');

  /** Turns that the event loop had until `work` was done. */
  async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
    let turns = 0;
    let isDone = false;
    const done = work().finally(() => (isDone = true));
    while (!isDone) {
      await new Promise((resolve) => setImmediate(resolve));
      turns++;
    }
    await done;
    return turns;
  }

  test('the event loop goes on meanwhile', async () => {
    const large = await turnsDuring(() => readConfigInThread(`sources:\n${sources}`, options));
    const short = await turnsDuring(() => readConfigInThread('sources: {}', options));
    expect(short).toBeLessThanOrEqual(1);
    expect(large).toBeGreaterThan(20);
  });

  test.for([
    ['a valid one', `sources:\n${sources}\nlogging: { level: warn }`],
    ['one that is wrong', `sources:\n${sources}\nlogging: { level: loud }\nlimits: 3`],
    ['one that is no YAML', `sources:\n${sources}\n  {`],
    ['a short one with aliases', 'sources: { a: &a { type: push }, b: *a }'],
  ])('the result is the same: %s', async ([, text]) => {
    expect(await readConfigInThread(text as string, options)).toStrictEqual(
      readConfig(text as string, options),
    );
  });
});
