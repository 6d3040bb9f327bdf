/** A file of the first version, brought up to date. */

import Database from 'better-sqlite3';
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { APPLICATION_ID, migrate, SCHEMA_VERSION } from '../../storage/schema.ts';
import { openWritable } from '../../storage/writable-database.ts';
import { openStore, query, recordRow, commitUnit, temporaryFile, timelineRow } from './fixture.ts';
import { underStrace, whyNoStrace } from './strace.ts';
import { skipNote } from '../support/skip-note.ts';

const ROWS = 300;

/** A file as the first version left it, in use until a crash: some of it is in the log only. */
function firstVersion(): string {
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
  for (const suffix of ['', '-wal']) copyFileSync(original + suffix, file + suffix);
  db.close();
  return file;
}

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
    added: [
      'timeline_chain',
      'spill',
      'sinks',
      'sink_cursors',
      'source_deadlines',
      'dead_letters_status',
    ].map((name) => names.includes(name)),
    columns: query(file, "SELECT count(*) AS n FROM pragma_table_info('records')")[0]?.['n'],
  };
  const isNew = found.version === SCHEMA_VERSION;
  expect(found).toEqual({
    version: isNew ? SCHEMA_VERSION : 1,
    application: APPLICATION_ID,
    sound: 'ok',
    rows: [ROWS, ROWS, ROWS],
    added: Array.from({ length: 6 }, () => isNew),
    columns: isNew ? 10 : 8,
  });
  return found.version as number;
}

test('keeps its rows, its numbers and its name, and is written on', async () => {
  const file = firstVersion();
  expect(versionOf(file)).toBe(1);
  const store = await openStore(file);
  expect(store).toMatchObject({
    run: 2,
    lastSeq: ROWS,
    lastRecordSeq: ROWS,
    dbUuid: 'uuid-1',
    movedAside: null,
  });
  expect(versionOf(file)).toBe(SCHEMA_VERSION);
  await store.commit(
    commitUnit({ timeline: [timelineRow({ seq: ROWS + 1 })], records: [recordRow({ sourceSeq: 1 })] }),
  );
  const page = await store.readRecords({ afterSeq: ROWS - 1, rowsMax: 9, bytesMax: 1e6 });
  expect(page).toMatchObject({ rows: [{ seq: ROWS, data: { value: 1 } }, { seq: ROWS + 1 }], damaged: [] });
  expect(await store.readLetters({ afterId: ROWS - 1, rowsMax: 9 })).toMatchObject([
    { id: ROWS, status: 'new', origin: null, isTruncated: false },
  ]);
  expect(query(file, 'SELECT seq FROM timeline_chain').map((row) => row['seq'])).toEqual([ROWS, ROWS + 1]);
});

const MIGRATE = `
  const { openWritable } = await import(process.argv[1]);
  openWritable(process.argv[2]).close();`;
const MODULE = new URL('../../storage/writable-database.ts', import.meta.url).href;

const noStrace = whyNoStrace();

test.skipIf(noStrace !== undefined)(
  `is old or new, never between, wherever the process is killed meanwhile${skipNote(noStrace)}`,
  () => {
    const template = firstVersion();
    const versions: number[] = [];
    let isDone = false;
    for (let write = 1; !isDone; write += 7) {
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
    expect(new Set(versions)).toEqual(new Set([1, SCHEMA_VERSION]));
    expect(versions.length).toBeGreaterThan(5);
  },
);
