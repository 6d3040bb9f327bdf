/** Files of older versions, brought up to date. */

import Database from 'better-sqlite3';
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect, test } from 'vitest';
import { APPLICATION_ID, migrate, SCHEMA_VERSION } from '../../storage/file/schema.ts';
import { openTimelineReader } from '../../storage/reading/open-timeline-reader.ts';
import { verifyDatabase } from '../../storage/verify/verify-database.ts';
import { openWritable } from '../../storage/file/writable-database.ts';
import {
  headgateError,
  openStore,
  query,
  recordRow,
  writeBatch,
  temporaryFile,
  timelineRow,
} from './fixture.ts';
import { underStrace, whyNoStrace } from './strace.ts';
import { skipNote } from '../support/skip-note.ts';

const ROWS = 300;

const OLDER = Array.from({ length: SCHEMA_VERSION - 1 }, (_, index) => index + 1);

/** A file as an older version left it, in use until a crash: some of it is in the log only. */
function fileOf(version: number): string {
  const file = temporaryFile();
  const original = `${file}.original`;
  const db = new Database(original);
  migrate(db, 1);
  db.pragma('journal_mode = WAL');
  db.exec(`
    INSERT INTO meta VALUES ('gateway_id', 'gateway-1'), ('db_uuid', 'uuid-1');
    INSERT INTO runs (started_at_ms, version, gateway_id, db_uuid, config_digest) VALUES (1, '0', 'a', 'b', 'c')`);
  const row = db.prepare(
    `INSERT INTO timeline (run, at_ms, mono_ms, tenant, actor, kind, event)
     VALUES (1, ?, 1, 'default', 'plc-7', 'command', 'source.poll')`,
  );
  const record = db.prepare(
    `INSERT INTO records (tenant, source_id, incarnation, source_seq, at_ms, data)
     VALUES ('default', 'plc-7', 1, ?, 1, '{"value":1}')`,
  );
  const letter = db.prepare(
    `INSERT INTO dead_letters (tenant, source_id, stage, code, message, payload, attempts, first_at_ms, last_at_ms)
     VALUES ('default', 'plc-7', 'decode', 'HG_DECODE_FAILED', 'no', '{', 1, ?, 1)`,
  );
  for (let n = 1; n <= ROWS; n++) for (const insert of [row, record, letter]) insert.run(n);
  migrate(db, version);
  for (const suffix of ['', '-wal']) copyFileSync(original + suffix, file + suffix);
  db.close();
  return file;
}

/** What a version added to the one before, by the names of tables and indexes. */
const ADDED: Readonly<Record<number, readonly string[]>> = {
  2: ['timeline_chain', 'spill', 'sinks', 'sink_cursors', 'source_deadlines', 'dead_letters_status'],
  3: ['timeline_event'],
};

/** Which version the tables are of; throws where they are between two. */
function versionOf(file: string): number {
  const [version] = query(file, 'PRAGMA user_version');
  const names = query(file, "SELECT name FROM sqlite_schema WHERE type IN ('table', 'index')").map(
    (row) => row['name'],
  );
  const found = {
    version: version?.['user_version'],
    application: query(file, 'PRAGMA application_id')[0]?.['application_id'],
    sound: query(file, 'PRAGMA integrity_check')[0]?.['integrity_check'],
    rows: ['timeline', 'records', 'dead_letters'].map(
      (table) => query(file, `SELECT count(*) AS n FROM ${table}`)[0]?.['n'],
    ),
    added: Object.values(ADDED).map((added) => added.filter((name) => names.includes(name))),
    columns: query(file, "SELECT count(*) AS n FROM pragma_table_info('records')")[0]?.['n'],
  };
  const is = Number(found.version);
  expect(found).toEqual({
    version: is,
    application: APPLICATION_ID,
    sound: 'ok',
    rows: [ROWS, ROWS, ROWS],
    added: Object.entries(ADDED).map(([version, added]) => (is >= Number(version) ? added : [])),
    columns: is >= 2 ? 10 : 8,
  });
  return found.version as number;
}

test.each(OLDER)(
  'version %i keeps its rows, its numbers and its name, and is written on',
  async (version) => {
    const file = fileOf(version);
    expect(versionOf(file)).toBe(version);
    const store = await openStore(file);
    expect(store).toMatchObject({
      run: 2,
      lastSeq: ROWS,
      lastRecordSeq: ROWS,
      dbUuid: 'uuid-1',
      movedAside: null,
      truncated: null,
    });
    expect(versionOf(file)).toBe(SCHEMA_VERSION);
    await store.commit(
      writeBatch({ timeline: [timelineRow({ seq: ROWS + 1 })], records: [recordRow({ sourceSeq: 1 })] }),
    );
    const page = await store.readRecords({ afterSeq: ROWS - 1, rowsMax: 9, bytesMax: 1e6 });
    expect(page).toMatchObject({ rows: [{ seq: ROWS, data: { value: 1 } }, { seq: ROWS + 1 }], damaged: [] });
    expect(await store.readLetters({ afterId: ROWS - 1, rowsMax: 9 })).toMatchObject([
      { id: ROWS, status: 'new', origin: null, isTruncated: false },
    ]);
    // The rows of a file without a chain are vouched for from its migration on.
    const links = query(file, 'SELECT seq FROM timeline_chain').map((row) => row['seq']);
    expect(links.slice(-1)).toEqual([ROWS + 1]);
    await store.close({ atMs: 2 });
    const report = await verifyDatabase(file);
    expect(report).toMatchObject({ ok: true, problems: [], timeline: { rows: ROWS + 1 } });
  },
);

test('waits that far ends asked for keep the address they are for', () => {
  const file = fileOf(4);
  const db = new Database(file);
  const insert = db.prepare("INSERT INTO source_deadlines VALUES ('default', ?, ?, 'backingOff', 9, ?)");
  insert.run('api', 'retryAfter', 4_000_000_000);
  insert.run('plc-7', 'wait', 3);
  db.close();
  openWritable(file).close();
  const columns = 'source_id, failures, address_crc, options_crc';
  expect(query(file, `SELECT ${columns} FROM source_deadlines ORDER BY 1`)).toEqual([
    { source_id: 'api', failures: 0, address_crc: 4_000_000_000, options_crc: null },
    { source_id: 'plc-7', failures: 3, address_crc: 0, options_crc: null },
  ]);
});

test('a file of a newer version is refused, and no byte of it changes', async () => {
  const file = fileOf(SCHEMA_VERSION);
  const db = new Database(file);
  db.pragma(`user_version = ${SCHEMA_VERSION + 1}`);
  db.close();
  const before = readFileSync(file);
  const open = () => openStore(file);
  const error = await headgateError(open, 'HG_STORAGE_VERSION');
  expect(error).toMatchObject({ remedy: 'stop', details: { version: SCHEMA_VERSION + 1 } });
  await headgateError(() => openTimelineReader(file), 'HG_STORAGE_VERSION');
  await headgateError(() => verifyDatabase(file), 'HG_STORAGE_VERSION');
  expect(readFileSync(file).equals(before)).toBe(true);
  // SQLite's own, of connections that only read: an empty log, and what readers share.
  const beside = readdirSync(dirname(file)).filter((name) => name.startsWith('edge.db-'));
  expect(beside.filter((name) => !/-(?:wal|shm)$/.test(name))).toEqual([]);
  expect(statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0).toBe(0);
});

const MIGRATE = `
  const { openWritable } = await import(process.argv[1]);
  openWritable(process.argv[2]).close();`;
const MODULE = new URL('../../storage/file/writable-database.ts', import.meta.url).href;

const noStrace = whyNoStrace();

test.skipIf(noStrace !== undefined).each(OLDER)(
  `version %i is old or new, never between, wherever the process is killed meanwhile${skipNote(noStrace)}`,
  { tags: 'full' },
  (version) => {
    const template = fileOf(version);
    const versions: number[] = [];
    let isDone = false;
    for (let write = 1; !isDone; write += version === 1 ? 7 : 2) {
      const file = temporaryFile();
      for (const suffix of ['', '-wal']) copyFileSync(template + suffix, file + suffix);
      const [command, ...args] = underStrace(`pwrite64:signal=KILL:when=${write}`, `${file}.strace`);
      const { signal, status } = spawnSync(command as string, [
        ...args,
        ...[process.execPath, '--input-type=module', '-e', MIGRATE, MODULE, file],
      ]);
      isDone = signal === null;
      if (isDone) expect(status).toBe(0);
      versions.push(versionOf(file));
      openWritable(file).close();
      expect(versionOf(file)).toBe(SCHEMA_VERSION);
      expect(existsSync(`${file}-journal`)).toBe(false);
    }
    // Once it is new, it stays so, and some were killed on either side.
    expect(versions).toEqual(versions.toSorted((one, other) => one - other));
    expect(new Set(versions)).toEqual(new Set([version, SCHEMA_VERSION]));
    expect(versions.length).toBeGreaterThan(5);
  },
);
