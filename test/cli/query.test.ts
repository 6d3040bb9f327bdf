import Database from 'better-sqlite3';
import { closeSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { parse } from 'csv-parse/sync';
import { describe, expect, onTestFinished, test } from 'vitest';
import { runQuery, type QueryLimits } from '../../src/cli/query-process.ts';
import {
  writeBatch,
  headgateError,
  openStore,
  recordRow,
  temporaryFile,
  timelineRow,
} from '../storage/fixture.ts';
import { writeDatabase } from '../storage/fixture.ts';
import { headgate, startHeadgate } from '../support/command-line.ts';

const LIMITS: QueryLimits = { rowsMax: 1_000, timeoutMs: 60_000 };
const RECORDS = 20;

async function database(): Promise<string> {
  const file = temporaryFile();
  const count = Array.from({ length: RECORDS }, (_, n) => n + 1);
  await writeDatabase(file, {
    timeline: count.map((seq) => timelineRow({ seq, actor: seq % 2 === 0 ? 'plc-7' : 'mill-2' })),
    records: count.map((sourceSeq) => recordRow({ sourceSeq })),
  });
  return file;
}

/** It would run for years: 20 records, 60 times each with each. */
const NEVER_ENDING = `SELECT count(*) FROM ${Array.from({ length: 60 }, (_, n) => `records r${n}`).join(', ')}`;

const query = (file: string, sql: string, ...options: string[]) =>
  headgate(['query', file, sql, '--timeout', '60', ...options]);

describe('the command', { timeout: 180_000 }, () => {
  const SQL = 'SELECT actor, count(*) AS n, NULL AS gap FROM timeline GROUP BY actor ORDER BY actor';

  test('prints a table, JSON or CSV', async () => {
    const file = await database();
    const [table, json, csv] = await Promise.all([
      query(file, SQL),
      query(file, SQL, '--json'),
      query(file, SQL, '--csv'),
    ]);
    expect(table).toMatchObject({
      exitCode: 0,
      stderr: '',
      stdout: 'actor    n  gap\nmill-2  10\nplc-7   10\n',
    });
    expect(json).toMatchObject({ exitCode: 0, stderr: '' });
    expect(JSON.parse(json.stdout)).toEqual({
      rows: [
        { actor: 'mill-2', n: 10, gap: null },
        { actor: 'plc-7', n: 10, gap: null },
      ],
    });
    expect(csv).toMatchObject({ stdout: 'actor,n,gap\nmill-2,10,\nplc-7,10,\n', stderr: '' });
  });

  test('gives each value in a form that loses nothing', async () => {
    const sql = `SELECT 9223372036854775807 AS big, -7 AS small, 0.5 AS real, 1e999 AS endless,
      x'00ff' AS blob, 'a,"b"' || char(10) AS text, 1 AS small`;
    const file = await database();
    const [json, csv] = await Promise.all([query(file, sql, '--json'), query(file, sql, '--csv')]);
    expect(JSON.parse(json.stdout)).toEqual({
      rows: [
        {
          ...{ big: '9223372036854775807', small: -7, real: 0.5, endless: 'Infinity' },
          ...{ blob: '00ff', text: 'a,"b"\n', 'small:2': 1 },
        },
      ],
    });
    expect(parse(csv.stdout)).toEqual([
      ['big', 'small', 'real', 'endless', 'blob', 'text', 'small'],
      ['9223372036854775807', '-7', '0.5', 'Infinity', '00ff', 'a,"b"\n', '1'],
    ]);
  });

  test('gives a spreadsheet no formulas where it is told so', async () => {
    const sql = `SELECT '=1+1' AS text, -7 AS number, '-9223372036854775807' AS big, '+1' AS "@name"`;
    const file = await database();
    const [plain, escaped] = await Promise.all([
      query(file, sql, '--csv'),
      query(file, sql, '--csv', '--escape-formulas'),
    ]);
    expect(plain.stdout).toBe('text,number,big,@name\n=1+1,-7,-9223372036854775807,+1\n');
    expect(escaped.stdout).toBe("text,number,big,'@name\n'=1+1,-7,-9223372036854775807,'+1\n");
  });

  test('says where it gives only the first rows', async () => {
    const file = await database();
    const [cut, all, none] = await Promise.all([
      query(file, 'SELECT seq FROM records', '--limit', '3', '--json'),
      query(file, 'SELECT seq FROM records LIMIT 3', '--limit', '3', '--json'),
      query(file, 'SELECT seq FROM records WHERE 0', '--json'),
    ]);
    expect(JSON.parse(cut.stdout)).toEqual({ rows: [{ seq: 1 }, { seq: 2 }, { seq: 3 }] });
    expect(cut).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('first 3 rows') as string });
    expect(all).toMatchObject({ exitCode: 0, stdout: cut.stdout, stderr: '' });
    expect(none).toMatchObject({ exitCode: 0, stdout: '{"rows":[]}\n', stderr: '' });
  });

  test('names what is wrong with the SQL', async () => {
    const { exitCode, stdout, stderr } = await query(await database(), 'SELECT sq FROM records');
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toBe('headgate: the query cannot be run: no such column: sq (HG_QUERY_INVALID)\n');
  });

  test('refuses options that make no sense', async () => {
    const file = await database();
    for (const options of [
      ['--limit', '0'],
      ['--timeout', '0'],
      ['--timeout', '1e9'],
      ['--json', '--csv'],
      ['--escape-formulas'],
    ]) {
      expect(await headgate(['query', file, 'SELECT 1', ...options])).toMatchObject({
        exitCode: 2,
        stdout: '',
      });
    }
  });

  test('tells a missing file and a foreign one', async () => {
    const missing = await query(temporaryFile(), 'SELECT 1');
    expect(missing).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('no such file') as string });
    const foreign = await query(import.meta.filename, 'SELECT 1');
    expect(foreign).toMatchObject({ exitCode: 65, stdout: '' });
  });
});

/** What people try who want to write, to reach another file, or to run more than one statement. */
const HOSTILE = [
  'INSERT INTO records SELECT * FROM records',
  "UPDATE records SET data = '{}' RETURNING seq",
  'DELETE FROM timeline RETURNING seq',
  "REPLACE INTO meta VALUES ('gateway_id', 'x') RETURNING key",
  'WITH gone AS (SELECT 1) DELETE FROM records WHERE seq IN gone',
  'DROP TABLE records',
  'ALTER TABLE records RENAME TO r',
  'CREATE TABLE t (a)',
  'CREATE TEMP TABLE t (a)',
  'CREATE VIEW v AS SELECT 1',
  'SELECT 1; DELETE FROM records',
  'SELECT 1; --\nDROP TABLE records',
  "' OR 1=1; DROP TABLE records; --",
  "ATTACH 'other.db' AS other",
  "ATTACH 'file:other.db?mode=rwc' AS other",
  'DETACH main',
  'VACUUM',
  "VACUUM INTO 'copy.db'",
  'REINDEX',
  'ANALYZE',
  'BEGIN IMMEDIATE',
  'BEGIN EXCLUSIVE',
  'SAVEPOINT s',
  'COMMIT',
  'PRAGMA query_only = OFF',
  'PRAGMA writable_schema = ON',
  'PRAGMA journal_mode = DELETE',
  'PRAGMA user_version = 99',
  'PRAGMA wal_checkpoint(TRUNCATE)',
  'PRAGMA optimize',
  "PRAGMA temp_store_directory = '/'",
  "SELECT load_extension('evil')",
  "SELECT readfile('/etc/passwd')",
  "SELECT writefile('x', 'y')",
  "SELECT edit('x')",
  "SELECT fts3_tokenizer('x', x'00')",
  'SELECT ?',
  'SELECT :name',
  '',
  ';',
  '-- nothing',
];

test(
  'whatever does more than read is refused, and nothing changes',
  { tags: 'full', timeout: 180_000 },
  async () => {
    const file = await database();
    const before = readFileSync(file);
    const untried = [...HOSTILE];
    const tryNext = async (): Promise<void> => {
      const sql = untried.pop();
      if (sql === undefined) return;
      const error = await headgateError(() => runQuery(file, sql, LIMITS), 'HG_QUERY_INVALID');
      expect({ sql, message: error.message }).not.toEqual({ sql, message: '' });
      return tryNext();
    };
    await Promise.all([tryNext(), tryNext(), tryNext(), tryNext()]);
    expect(readFileSync(file).equals(before)).toBe(true);
    const others = readdirSync(dirname(file)).filter(
      (name) => !/^edge\.db(?:-wal|-shm|-mark|-lock)?$/.test(name),
    );
    expect(others).toEqual([]);
    expect((await runQuery(file, 'SELECT count(*) FROM records', LIMITS)).rows).toEqual([[RECORDS]]);
  },
);

test('a change that is explained is not carried out', { timeout: 180_000 }, async () => {
  const file = await database();
  for (const sql of [
    'EXPLAIN DELETE FROM records',
    '/* why */ explain query plan UPDATE records SET data = 1',
    "EXPLAIN INSERT INTO records (data) VALUES ('x')",
  ]) {
    const { rows } = await runQuery(file, sql, LIMITS);
    expect(rows.length).toBeGreaterThan(0);
  }
  expect((await runQuery(file, 'SELECT count(*) FROM records', LIMITS)).rows).toEqual([[RECORDS]]);
});

describe('a query without bounds', { timeout: 180_000 }, () => {
  test('that would run for years is killed at its time limit', async () => {
    const file = await database();
    const error = await headgateError(
      () => runQuery(file, NEVER_ENDING, { ...LIMITS, timeoutMs: 1_000 }),
      'HG_QUERY_LIMIT',
    );
    expect(error).toMatchObject({ remedy: 'stop', details: { timeoutMs: 1_000 } });
    expect(processesOn(file)).toEqual([]);
  });

  test('ends the command with a word about the limit', async () => {
    const args = ['query', await database(), NEVER_ENDING, '--timeout', '0.5', '--json'];
    const { exitCode, stdout, stderr } = await headgate(args);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toContain('ended after 0.5 s');
  });

  test('that gathers too much in memory is killed', async () => {
    const sql = `WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers)
      SELECT n, hex(randomblob(500)) AS noise FROM numbers ORDER BY noise`;
    const limits = { ...LIMITS, memoryBytesMax: 256 * 2 ** 20 };
    const error = await headgateError(async () => runQuery(await database(), sql, limits), 'HG_QUERY_LIMIT');
    expect(error.message).toContain('256 MiB');
  });

  test('that gives too many rows, or too large ones, is cut', async () => {
    const file = await database();
    const endless = 'WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT n FROM n';
    const byRows = await runQuery(file, endless, LIMITS);
    expect([byRows.cutAt, byRows.rows.length]).toEqual(['rows', LIMITS.rowsMax]);
    const wide = `WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n)
      SELECT hex(zeroblob(5000)) FROM n`;
    const byBytes = await runQuery(file, wide, { ...LIMITS, bytesMax: 100_000 });
    expect([byBytes.cutAt, byBytes.rows.length]).toEqual(['bytes', 9]);
    const oneValue = 'SELECT zeroblob(2000000000)';
    await headgateError(() => runQuery(file, oneValue, LIMITS), 'HG_QUERY_LIMIT');
  });

  test('ends by itself where the command that started it is killed', async () => {
    const file = await database();
    const command = startHeadgate(['query', file, NEVER_ENDING, '--timeout', '600']);
    onTestFinished(async () => {
      command.signal('SIGKILL');
      await command.ended;
    });
    // The command itself and the process it started.
    await expect.poll(() => processesOn(file).length).toBe(2);
    command.signal('SIGKILL');
    await expect.poll(() => processesOn(file)).toEqual([]);
  });
});

/** Processes whose command line names a file; those of other systems than Linux are not known. */
function processesOn(file: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(file);
      } catch {
        return false;
      }
    });
}

test('a damaged file is told from a bad query', async () => {
  const file = await database();
  const db = new Database(file);
  const page = db
    .prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'records'")
    .pluck()
    .get() as number;
  const pageBytes = db.pragma('page_size', { simple: true }) as number;
  db.close();
  overwrite(file, (page - 1) * pageBytes, Buffer.alloc(pageBytes, 0xee));
  const sql = 'SELECT * FROM records';
  const error = await headgateError(() => runQuery(file, sql, LIMITS), 'HG_STORAGE_CORRUPT');
  expect(error.message).toContain(file);
});

test('a query sees what an engine has committed, and does not hold it up', { tags: 'full' }, async () => {
  const file = temporaryFile();
  const store = await openStore(file);
  await store.commit(writeBatch({ records: [recordRow({ sourceSeq: 1 })] }));
  const endless = runQuery(file, NEVER_ENDING.replaceAll('records', 'sqlite_schema'), {
    ...LIMITS,
    timeoutMs: 3_000,
  }).catch((error: unknown) => error);
  for (let n = 2; n <= 50; n++) {
    await store.commit(writeBatch({ records: [recordRow({ sourceSeq: n })] }));
  }
  expect((await runQuery(file, 'SELECT count(*) FROM records', LIMITS)).rows).toEqual([[50]]);
  expect(await endless).toMatchObject({ code: 'HG_QUERY_LIMIT' });
});

function overwrite(file: string, at: number, bytes: Buffer): void {
  const descriptor = openSync(file, 'r+');
  writeSync(descriptor, bytes, 0, bytes.length, at);
  closeSync(descriptor);
}
