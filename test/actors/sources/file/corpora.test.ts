/** Collections of texts that others have made, through the file source: csv-spectrum as tables, JSONTestSuite
 *  as lines. csv-spectrum goes through the reader of uploads, too. */

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fileSource } from '../../../../actors/sources/file/file-source.ts';
import { LIMITS } from '../../../../src/domain/limits.ts';
import { csvReader } from '../../../../src/http/ingest/csv-reader.ts';
import { realClock } from '../../../../src/platform/real-clock.ts';
import { readJson } from '../../../../src/domain/json-text.ts';
import { PROJECT_ROOT } from '../../../support/project-files.ts';
import { recordingIo, type RecordingIo } from '../../../support/recording-io.ts';

const SPECTRUM = dirname(fileURLToPath(import.meta.resolve('csv-spectrum')));
const CASES = readdirSync(join(SPECTRUM, 'csvs'))
  .map((name) => name.replace('.csv', ''))
  .toSorted();
/** Its unquoted fields have quotes in them. The row that the package expects is another one, and no list. */
const NO_CSV = 'location_coordinates';

const SUITE = join(PROJECT_ROOT, '../shared/corpora/json-test-suite/test_parsing');
/** Texts without a value: an empty line is no record, and no error. */
const BLANK = ['n_single_space.json', 'n_structure_no_data.json'];
const hasSuite = existsSync(SUITE);
const note = hasSuite ? '' : ' (skipped: ../shared/corpora/json-test-suite is not there)';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headgate-corpora-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function readFile(
  content: Uint8Array,
  format: 'csv' | 'ndjson',
  lenientQuotes = false,
): Promise<RecordingIo> {
  const path = join(folder, 'input');
  writeFileSync(path, content);
  const spec = fileSource({ id: 'file', path, format, mode: 'read', csv: { lenientQuotes } });
  const io = recordingIo(spec, realClock);
  await spec.logic.stream(io);
  return io;
}

function upload(content: Buffer): { values: unknown[]; rejected: string[] } {
  const reader = csvReader({
    recordBytesMax: LIMITS.payloadBytesMax,
    depthMax: 8,
    isMarked: false,
  });
  const pieces = [...reader.push(content), ...reader.end()];
  return {
    values: pieces.flatMap(({ values }) => values),
    rejected: pieces.flatMap(({ rejections }) => rejections.map(({ code }) => code)),
  };
}

describe('csv-spectrum', () => {
  const sound = CASES.filter((name) => name !== NO_CSV);
  const csvOf = (name: string) => readFileSync(join(SPECTRUM, 'csvs', `${name}.csv`));
  const rowsOf = (name: string) =>
    JSON.parse(readFileSync(join(SPECTRUM, 'json', `${name}.json`), 'utf8')) as unknown[];

  test('has 12 cases', () => expect(CASES).toHaveLength(12));

  test.each(sound)('%s is read as it says, from a file and from an upload', async (name) => {
    const io = await readFile(csvOf(name), 'csv');
    expect({ values: io.values, undecodable: io.undecodable }).toEqual({
      values: rowsOf(name),
      undecodable: [],
    });
    expect(upload(csvOf(name))).toEqual({ values: rowsOf(name), rejected: [] });
  });

  test(`${NO_CSV} has quotes where none belong: its row is refused, or text with lenientQuotes`, async () => {
    const io = await readFile(csvOf(NO_CSV), 'csv');
    expect(io.values).toEqual([]);
    expect(io.undecodable).toHaveLength(1);
    expect(upload(csvOf(NO_CSV))).toEqual({ values: [], rejected: ['HG_DECODE_FAILED'] });
    const lenient = await readFile(csvOf(NO_CSV), 'csv', true);
    expect(lenient.undecodable).toEqual([]);
    expect(lenient.values).toMatchObject([
      { 'Location Coordinates': '37\uFFFD36\'37.8"N 121\uFFFD2\'17.9"W' },
    ]);
  });
});

describe.skipIf(!hasSuite)(`JSONTestSuite, each file of it as a file of lines${note}`, () => {
  const filesOf = (kind: 'y' | 'n' | 'i') =>
    readdirSync(hasSuite ? SUITE : folder).filter((name) => name.startsWith(`${kind}_`));

  test('gives each text that is JSON and has one line as one record, and a reason for each that is not', async () => {
    const counts = { y: 0, yOfLines: 0, n: 0, nRefused: 0, i: 0, iTaken: 0 };
    const odd: string[] = [];
    for (const name of filesOf('y')) {
      const content = readFileSync(join(SUITE, name));
      const text = content.toString('utf8');
      const { values, undecodable } = await readFile(content, 'ndjson');
      counts.y++;
      // A value over several lines is not NDJSON; each of its lines is judged by itself.
      if (/\n./s.test(text.trim())) {
        counts.yOfLines++;
        if (values.length + undecodable.length === 0) odd.push(name);
      } else if (undecodable.length > 0 || !isSame(values, [readJson(text)])) odd.push(name);
    }
    for (const name of filesOf('n')) {
      const { values, undecodable, alerts } = await readFile(readFileSync(join(SUITE, name)), 'ndjson');
      counts.n++;
      if (undecodable.length + alerts.length > 0) counts.nRefused++;
      else if (!BLANK.includes(name)) odd.push(`${name}: ${values.length} values`);
    }
    for (const name of filesOf('i')) {
      const { values, undecodable, alerts } = await readFile(readFileSync(join(SUITE, name)), 'ndjson');
      counts.i++;
      if (values.length === 1) counts.iTaken++;
      else if (undecodable.length + alerts.length === 0) odd.push(name);
    }
    expect({ odd, ...counts }).toEqual({
      odd: [],
      y: 95,
      yOfLines: 2,
      n: 188,
      nRefused: 186,
      i: 35,
      iTaken: 17,
    });
  });
});

function isSame(values: readonly unknown[], expected: readonly unknown[]): boolean {
  const text = (value: unknown) =>
    JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? Number(one) : one));
  return text(values) === text(expected);
}
