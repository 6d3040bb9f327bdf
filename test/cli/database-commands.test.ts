/** records export, backup and restore, as a user runs them. */

import { parse } from 'csv-parse/sync';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { takeEngineLock } from '../../storage/file/engine-lock.ts';
import { edit, flipBit } from '../storage/damage.ts';
import { query, recordRow, START_MS, temporaryFile, timelineRow, writeDatabase } from '../storage/fixture.ts';
import { headgate, startHeadgate } from '../support/command-line.ts';

const RECORDS = 2_500;

/** Two sources in turns; the numbers of the second tenant's are odd. */
async function database(records = RECORDS): Promise<string> {
  const file = temporaryFile();
  await writeDatabase(file, {
    timeline: [timelineRow({ seq: 1 })],
    records: Array.from({ length: records }, (_, n) =>
      recordRow({
        sourceSeq: n + 1,
        ...(n % 2 === 0 ? { tenant: 'north', sourceId: 'mill-2' } : {}),
        data: `{"value":${n + 1},"text":"a \\"quoted\\", long text ü"}`,
        ...(n === 0 ? { dedupKey: 'k,1', contentType: 'text/csv' } : {}),
      }),
    ),
  });
  return file;
}

const textOf = (value: unknown) =>
  typeof value === 'string' ? value : JSON.stringify(value ?? '').replace('""', '');
const lines = (text: string) => text.split('\n').filter((line) => line !== '');
const rowsOf = (text: string) => lines(text).map((line) => JSON.parse(line) as Record<string, unknown>);

describe('records export', { timeout: 180_000 }, () => {
  test('writes every record as a line of JSON, with its key', async () => {
    const file = await database();
    const { exitCode, stdout, stderr } = await headgate(['records', 'export', file]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    const rows = rowsOf(stdout);
    expect(rows).toHaveLength(RECORDS);
    const [{ gateway, uuid }] = query(
      file,
      `SELECT (SELECT value FROM meta WHERE key = 'gateway_id') AS gateway,
         (SELECT value FROM meta WHERE key = 'db_uuid') AS uuid`,
    ) as [{ gateway: string; uuid: string }];
    expect(rows[0]).toEqual({
      key: `${gateway}:${uuid}:1`,
      seq: 1,
      tenant: 'north',
      source_id: 'mill-2',
      incarnation: 1,
      source_seq: 1,
      dedup_key: 'k,1',
      at_ms: START_MS + 1,
      content_type: 'text/csv',
      data: { value: 1, text: 'a "quoted", long text ü' },
    });
    expect(rows.map((row) => row['seq'])).toEqual(Array.from({ length: RECORDS }, (_, n) => n + 1));
  });

  test('writes the same as CSV', async () => {
    const file = await database();
    const [csv, ndjson] = await Promise.all([
      headgate(['records', 'export', file, '--format', 'csv']),
      headgate(['records', 'export', file]),
    ]);
    const rows: Record<string, string>[] = parse(csv.stdout, { columns: true });
    expect(rows.map((row) => ({ ...row, data: JSON.parse(row['data'] ?? '') as unknown }))).toEqual(
      rowsOf(ndjson.stdout).map((row) => ({
        ...Object.fromEntries(Object.entries(row).map(([name, value]) => [name, textOf(value)])),
        data: row['data'],
      })),
    );
  });

  test('writes formulas as they are, or as texts where it is for a spreadsheet', async () => {
    const file = temporaryFile();
    await writeDatabase(file, {
      records: [
        recordRow({ sourceSeq: 1, dedupKey: '=1+1', contentType: '@x', data: '-5' }),
        recordRow({ sourceSeq: 2, dedupKey: '-7', contentType: null, data: '"=1+1"' }),
      ],
    });
    const cellsOf = async (...options: string[]) => {
      const { stdout } = await headgate(['records', 'export', file, '--format', 'csv', ...options]);
      const rows: Record<string, string>[] = parse(stdout, { columns: true });
      return rows.map((row) => [row['dedup_key'], row['content_type'], row['data']]);
    };
    const [plain, escaped, misused] = await Promise.all([
      cellsOf(),
      cellsOf('--escape-formulas'),
      headgate(['records', 'export', file, '--escape-formulas']),
    ]);
    expect(plain).toEqual([
      ['=1+1', '@x', '-5'],
      ['-7', '', '"=1+1"'],
    ]);
    expect(escaped).toEqual([
      ["'=1+1", "'@x", '-5'],
      ['-7', '', '"=1+1"'],
    ]);
    expect(misused).toMatchObject({
      ...{ exitCode: 2, stdout: '' },
      stderr: expect.stringContaining('--escape-formulas goes with CSV only') as string,
    });
  });

  test('writes numbers as they are stored, whatever JavaScript makes of them', async () => {
    const file = temporaryFile();
    await writeDatabase(file, { records: [recordRow({ sourceSeq: 1, data: '{"n":12345678901234567890}' })] });
    const { stdout } = await headgate(['records', 'export', file]);
    expect(stdout).toContain('"data":{"n":12345678901234567890}}');
  });

  test('selects by source, time and place', async () => {
    const file = await database();
    const exported = async (...options: string[]) =>
      rowsOf((await headgate(['records', 'export', file, ...options])).stdout).map((row) => row['seq']);
    const [ofSource, ofNobody, between, after] = await Promise.all([
      exported('--source', 'north/mill-2', '--after-seq', '2490'),
      exported('--source', 'mill-2'),
      exported('--since', String(START_MS + 10), '--until', String(START_MS + 12)),
      exported('--after-seq', '2498'),
    ]);
    expect(ofSource).toEqual([2491, 2493, 2495, 2497, 2499]);
    expect(ofNobody).toEqual([]);
    expect(between).toEqual([10, 11, 12]);
    expect(after).toEqual([2499, 2500]);
  });

  test('names damaged records, leaves them out, and ends with 65', async () => {
    const file = await database();
    for (const value of [7, 2_499]) flipBit(file, `{"value":${value},`, 3);
    const target = join(dirname(file), 'records.ndjson');
    const ended = await headgate(['records', 'export', file, '--output', target]);
    expect(ended).toMatchObject({ exitCode: 65, stdout: '' });
    expect(lines(ended.stderr)).toEqual([
      'record 7: does not fit its checksum; left out',
      'record 2499: does not fit its checksum; left out',
      `2,498 records: ${target}`,
      `headgate: ${file}: 2 damaged records were left out (HG_RECORD_DAMAGED)`,
    ]);
    const seqs = rowsOf(readFileSync(target, 'utf8')).map((row) => row['seq']);
    expect(seqs).toHaveLength(RECORDS - 2);
    expect(seqs.filter((seq) => seq === 7 || seq === 2_499)).toEqual([]);
  });

  test('writes a file that is whole once it is there, and over none', async () => {
    const file = await database(3);
    const target = join(dirname(file), 'records.csv');
    const args = ['records', 'export', file, '--format', 'csv', '--output', target];
    expect(await headgate(args)).toMatchObject({ exitCode: 0, stdout: '' });
    expect(parse(readFileSync(target, 'utf8'))).toHaveLength(4);
    const again = await headgate([...args, '--after-seq', '2']);
    expect(again).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('is there already') as string,
    });
    expect(parse(readFileSync(target, 'utf8'))).toHaveLength(4);
    expect(readdirSync(dirname(file)).filter((name) => name.endsWith('.part'))).toEqual([]);
  });

  test('leaves no half file where it cannot go on', async () => {
    const file = await database(3);
    edit(file, 'ALTER TABLE records RENAME COLUMN data TO gone');
    const target = join(dirname(file), 'records.ndjson');
    expect(await headgate(['records', 'export', file, '--output', target])).toMatchObject({ exitCode: 1 });
    expect(readdirSync(dirname(file)).filter((name) => name.startsWith('records'))).toEqual([]);
  });

  test('ends quietly when its reader has gone', async () => {
    const exporting = startHeadgate(['records', 'export', await database(50_000)]);
    await exporting.lines.next();
    exporting.hangUp();
    expect(await exporting.ended).toMatchObject({ exitCode: 0, stderr: '' });
  });

  test('holds a page in memory, not the log', { tags: 'full', timeout: 120_000 }, async () => {
    const file = temporaryFile();
    const data = JSON.stringify({ text: 'x'.repeat(20_000) });
    const unit = (n: number) => ({
      records: Array.from({ length: 1_000 }, (_, index) => recordRow({ sourceSeq: n * 1_000 + index, data })),
    });
    await writeDatabase(file, ...Array.from({ length: 8 }, (_, n) => unit(n)));
    const target = join(dirname(file), 'records.ndjson');
    const args = ['records', 'export', file, '--output', target];
    // 160 MB of records, with less than that for all of the heap.
    const env = { NODE_OPTIONS: '--max-old-space-size=64' };
    expect(await headgate(args, { env })).toMatchObject({ exitCode: 0 });
    expect(readFileSync(target).length).toBeGreaterThan(160_000_000);
  });
});

describe('backup and restore', { timeout: 180_000 }, () => {
  test('say what they did', async () => {
    const file = await database();
    const backup = join(dirname(file), 'backup.db');
    const made = await headgate(['backup', file, backup]);
    expect(made).toMatchObject({ exitCode: 0, stderr: '' });
    expect(made.stdout).toMatch(
      new RegExp(`^${backup}: 2,500 records, 1 timeline row, \\d+\\.\\d MB; sound\n$`),
    );
    const restored = await headgate(['restore', backup, file]);
    expect(restored).toMatchObject({ exitCode: 0, stderr: '' });
    expect(lines(restored.stdout)).toEqual([
      `${file}: 2,500 records, 1 timeline row; sound`,
      expect.stringMatching(/^what stood there is kept as edge\.db\.replaced-\d+$/),
    ]);
    expect(await headgate(['verify', file])).toMatchObject({ exitCode: 0 });
  });

  test('say it in JSON', async () => {
    const file = await database();
    const backup = join(dirname(file), 'backup.db');
    const made = await headgate(['backup', file, backup, '--json']);
    expect(JSON.parse(made.stdout)).toMatchObject({ file: backup, records: { rows: RECORDS } });
    const elsewhere = temporaryFile();
    const restored = await headgate(['restore', backup, elsewhere, '--json']);
    expect(JSON.parse(restored.stdout)).toMatchObject({
      file: elsewhere,
      movedAside: null,
      from: { records: { found: RECORDS, known: RECORDS } },
    });
  });

  test('refuse what would do harm', async () => {
    const file = await database(3);
    const backup = join(dirname(file), 'backup.db');
    writeFileSync(backup, 'kept');
    expect(await headgate(['backup', file, backup])).toMatchObject({ exitCode: 1 });
    expect(readFileSync(backup, 'utf8')).toBe('kept');
    expect(await headgate(['restore', backup, file])).toMatchObject({ exitCode: 65 });
    const sound = join(dirname(file), 'sound.db');
    expect(await headgate(['backup', file, sound])).toMatchObject({ exitCode: 0 });
    const lock = takeEngineLock(file);
    const refused = await headgate(['restore', sound, file]);
    lock.release();
    expect(refused).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('another engine') as string,
    });
    expect(existsSync(`${file}.restoring`)).toBe(false);
  });
});
