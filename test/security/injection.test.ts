/** SQL where it has no business: in every parameter of every route, and in what `headgate query` must not
 *  do. */

import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { realClock } from '../../src/platform/real-clock.ts';
import { query } from '../storage/fixture.ts';
import { headgate } from '../support/command-line.ts';
import { startGateway, type GatewayProcess } from './gateway-process.ts';
import { isStream, routesOf } from './routes.ts';

const json = { 'content-type': 'application/json' };

/** What scanners try first, of every kind: stacked, union, boolean, by time, by error, comments, encodings.
 */
const INJECTIONS = [
  ...["'", '"', "''", "' --", "';", "' OR '1'='1", "' OR 1=1 --", '" OR ""="', "') OR ('1'='1", '1 OR 1=1'],
  ...["'; DROP TABLE records; --", '1; DELETE FROM timeline', "'; UPDATE sources SET state='x'; --"],
  ...["' UNION SELECT sql FROM sqlite_master --", '0 UNION ALL SELECT 1,2,3,4,5,6,7,8,9,10,11,12,13'],
  ...["' AND (SELECT count(*) FROM sqlite_master) > 0 --", "' AND 1=randomblob(1000000000) --"],
  ...["'||(SELECT hex(randomblob(100000000)))||'", "' AND abs(-9223372036854775808) --", "x' LIKE '%"],
  ...[
    "'; ATTACH DATABASE '/tmp/evil.db' AS e; --",
    "' AND load_extension('evil') --",
    "'; VACUUM INTO 'evil.db' --",
  ],
  ...[
    "'; PRAGMA writable_schema=1; --",
    "admin'/*",
    '*/ OR 1=1 /*',
    '1e309',
    '-1',
    '9223372036854775808',
    'NaN',
  ],
  ...[
    '0x7fffffff',
    '%27%20OR%201=1',
    '＇ OR 1=1',
    'seq) OR (1',
    'seq; --',
    "' GLOB '*",
    '[*]',
    '%',
    '_%',
    '\\',
    '\0',
  ],
];

/** What SQLite says where it was reached. */
const LEAKS = /SQLITE_[A-Z]|CREATE TABLE|syntax error|near \\?"|no such column|unrecognized token/;

let gateway: GatewayProcess;
beforeAll(async () => {
  gateway = await startGateway();
  const records = Array.from({ length: 200 }, (_, n) => ({ n }));
  await gateway.ask({
    method: 'POST',
    path: '/api/ingest/line',
    headers: json,
    body: JSON.stringify(records),
  });
  await gateway.ask({ method: 'POST', path: '/api/ingest/line', headers: json, body: '[{"n":' });
});
afterAll(() => gateway?.[Symbol.asyncDispose]());

const countOf = (table: string) =>
  query(gateway.file, `SELECT count(*) AS n FROM ${table}`)[0]?.['n'] as number;
const schemaOf = () => query(gateway.file, 'SELECT name, sql FROM sqlite_master ORDER BY name');
const FIXED = ['records', 'dead_letters', 'runs', 'sources', 'sinks'];

describe('no parameter of the API is taken for SQL:', () => {
  test('in a query', { tags: 'full', timeout: 300_000 }, async () => {
    const before = { schema: schemaOf(), counts: FIXED.map(countOf) };
    const routes = (await routesOf(gateway)).filter((route) => route.method === 'GET' && !isStream(route));
    let asked = 0;
    for (const route of routes) {
      for (const name of route.queryNames) {
        for (const text of INJECTIONS) {
          const path = `${route.path}?${name}=${encodeURIComponent(text)}`;
          const { status, text: answer, json: said } = await gateway.ask({ path });
          asked++;
          expect(`${path} ${status}`).toMatch(/ (?:200|400|404|426)$/);
          expect(answer).not.toMatch(LEAKS);
          // What fits no row gives none: nothing was widened to everything.
          if (status === 200 && !/^-?\d+$/.test(text)) expect(rowsOf(said)).toEqual([]);
        }
      }
    }
    expect(asked).toBeGreaterThan(10 * INJECTIONS.length);
    expect({ schema: schemaOf(), counts: FIXED.map(countOf) }).toEqual(before);
  });

  test('in a path', async () => {
    const before = { schema: schemaOf(), counts: FIXED.map(countOf) };
    const templates = (await routesOf(gateway)).filter(
      ({ method, template }) => method === 'GET' && template.includes('{'),
    );
    for (const { template } of templates) {
      for (const text of INJECTIONS) {
        const path = template.replace(/\{\w+\}/, encodeURIComponent(text));
        const { status, text: answer } = await gateway.ask({ path });
        expect(`${path} ${status}`).toMatch(/ (?:200|400|404|426)$/);
        expect(answer).not.toMatch(LEAKS);
      }
    }
    expect({ schema: schemaOf(), counts: FIXED.map(countOf) }).toEqual(before);
  });

  test('in the body of a selection', async () => {
    const before = FIXED.map(countOf);
    for (const text of INJECTIONS) {
      for (const path of ['/api/dead-letters/retry', '/api/dead-letters/purge']) {
        for (const select of [{ source: text }, { stage: text }, { status: text }]) {
          const body = JSON.stringify({ select });
          const { status } = await gateway.ask({ method: 'POST', path, headers: json, body });
          expect([200, 400]).toContain(status);
        }
      }
    }
    expect(FIXED.map(countOf)).toEqual(before);
  });

  test('in what is stored', async () => {
    const before = countOf('records');
    const body = JSON.stringify(INJECTIONS.map((text) => ({ text, [text]: text })));
    await gateway.ask({ method: 'POST', path: '/api/ingest/line', headers: json, body });
    const rows = query(gateway.file, `SELECT data FROM records WHERE seq > ${before} ORDER BY seq`);
    expect(rows.map(({ data }) => (JSON.parse(data as string) as { text: string }).text)).toEqual(INJECTIONS);
  });

  test('in an argument of the command line', async () => {
    const before = { schema: schemaOf(), counts: FIXED.map(countOf) };
    for (const text of INJECTIONS.filter((one) => !one.includes('\0')).slice(0, 24)) {
      const { exitCode, stdout } = await headgate(['timeline', gateway.file, '--json', `--actor=${text}`]);
      expect([0, 2]).toContain(exitCode);
      if (exitCode === 0) expect(JSON.parse(stdout)).toEqual({ rows: [] });
    }
    expect({ schema: schemaOf(), counts: FIXED.map(countOf) }).toEqual(before);
  });
});

function rowsOf(said: unknown): unknown {
  return Object.values(said as Record<string, unknown>).find(Array.isArray) ?? [];
}

describe('headgate query only reads:', () => {
  const refused = [
    ...['DELETE FROM records', "UPDATE sources SET state = 'x'", 'DROP TABLE timeline', 'CREATE TABLE e (x)'],
    ...[
      "INSERT INTO records (tenant) VALUES ('x')",
      'DELETE FROM records RETURNING seq',
      'REINDEX',
      'ANALYZE',
    ],
    ...["ATTACH DATABASE 'evil.db' AS evil", "VACUUM INTO 'evil.db'", 'VACUUM', 'BEGIN IMMEDIATE', 'COMMIT'],
    ...['PRAGMA journal_mode = DELETE', 'PRAGMA writable_schema = 1', 'PRAGMA user_version = 7'],
    ...['PRAGMA query_only = 0', "SELECT load_extension('./evil.so')", "SELECT writefile('evil', 'x')"],
    ...["SELECT readfile('/etc/passwd')", "SELECT edit('x')", 'SELECT 1; DELETE FROM records', ''],
    ...[
      'WITH x AS (SELECT 1) DELETE FROM records',
      'EXPLAIN DELETE FROM nothing_there',
      "SELECT fts3_tokenizer('x')",
    ],
    ...['CREATE TEMP TABLE e AS SELECT * FROM records', "SELECT * FROM pragma_journal_mode('delete')"],
  ];
  for (const sql of refused) {
    test(sql === '' ? 'nothing at all' : sql, async () => {
      const before = {
        schema: schemaOf(),
        counts: FIXED.map(countOf),
        files: readdirSync(gateway.folder).sort(),
      };
      const { exitCode } = await headgate(['query', gateway.file, sql], { cwd: gateway.folder });
      if (!/^(?:SELECT \* FROM pragma|EXPLAIN)/.test(sql)) expect(exitCode).not.toBe(0);
      const after = {
        schema: schemaOf(),
        counts: FIXED.map(countOf),
        files: readdirSync(gateway.folder).sort(),
      };
      expect(after).toEqual(before);
      expect(query(gateway.file, 'PRAGMA journal_mode')).toEqual([{ journal_mode: 'wal' }]);
    });
  }

  const ENDLESS = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n';
  const CROSS = 'SELECT count(*) FROM records a, records b, records c, records d, records e, records f';
  for (const sql of [ENDLESS, CROSS]) {
    test(`and is killed at its time: ${sql.slice(0, 40)}…`, async () => {
      const fromMs = realClock.monotonicMs();
      const { exitCode, stderr } = await headgate(['query', gateway.file, '--timeout', '1', sql]);
      expect(exitCode).not.toBe(0);
      expect(stderr).toContain('ended after 1 s');
      expect(realClock.monotonicMs() - fromMs).toBeLessThan(30_000);
    });
  }

  test('and is killed where it holds too much', async () => {
    const sql = 'SELECT group_concat(a.data || hex(randomblob(1000000))) FROM records a, records b';
    const { exitCode, stderr } = await headgate(['query', gateway.file, '--timeout', '60', sql]);
    expect(exitCode).not.toBe(0);
    expect(stderr).toMatch(/MiB|too (?:big|large)|memory/i);
  });

  test('and gives so many rows and no more', async () => {
    const sql = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n';
    const { exitCode, stdout } = await headgate(['query', gateway.file, '--limit', '50', '--json', sql]);
    expect(exitCode).toBe(0);
    expect((JSON.parse(stdout) as { rows: unknown[] }).rows).toHaveLength(50);
  });

  test('while the engine does not notice', { tags: 'full' }, async () => {
    const busy = headgate(['query', gateway.file, '--timeout', '3', ENDLESS]);
    const answer = await gateway.ask({
      method: 'POST',
      path: '/api/ingest/line',
      headers: json,
      body: '[{"n":1}]',
    });
    expect(answer.json).toMatchObject({ accepted: 1 });
    await busy;
  });

  test('and no other file', async () => {
    const other = join(dirname(gateway.folder), `not-a-database-${process.pid}`);
    writeFileSync(
      join(gateway.folder, 'text.db'),
      'this is no database, but long enough to be taken for one'.repeat(40),
    );
    expect((await headgate(['query', join(gateway.folder, 'text.db'), 'SELECT 1'])).exitCode).not.toBe(0);
    expect((await headgate(['query', other, 'SELECT 1'])).exitCode).not.toBe(0);
    expect(existsSync(other)).toBe(false);
  });
});
