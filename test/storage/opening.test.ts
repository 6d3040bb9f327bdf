import Database from 'better-sqlite3';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ErrorCode } from '../../src/domain/errors.ts';
import { openEventStore } from '../../storage/open-event-store.ts';
import { SCHEMA_VERSION } from '../../storage/file/schema.ts';
import { isRecentEnough, openWritable } from '../../storage/file/writable-database.ts';
import {
  writeBatch,
  headgateError,
  openOptions,
  openStore,
  query,
  recordRow,
  START_MS,
  temporaryFile,
  temporaryFolder,
  timelineRow,
  writeDatabase,
} from './fixture.ts';

const fails = (path: string, code: ErrorCode) => headgateError(() => openEventStore(openOptions(path)), code);

/** Enough rows that the tables fill many pages. */
const MANY_ROWS = {
  timeline: Array.from({ length: 2_000 }, (_, index) => timelineRow({ seq: index + 1 })),
  records: Array.from({ length: 500 }, (_, index) => recordRow({ sourceSeq: index + 1 })),
};

describe('the settings of a connection', () => {
  test('are the durable ones', async () => {
    const file = temporaryFile();
    await openStore(file);
    expect(query(file, 'PRAGMA journal_mode')).toEqual([{ journal_mode: 'wal' }]);
    expect(query(file, 'PRAGMA user_version')).toEqual([{ user_version: SCHEMA_VERSION }]);
    expect(query(file, 'PRAGMA application_id')).toEqual([{ application_id: 0x48474154 }]);
    // Free pages can be given back, which only a new file can be told.
    expect(query(file, 'PRAGMA auto_vacuum')).toEqual([{ auto_vacuum: 2 }]);
    const db = openWritable(file);
    const pragma = (name: string) => db.pragma(name, { simple: true });
    expect(['synchronous', 'cell_size_check', 'mmap_size'].map(pragma)).toEqual([2, 1, 0]);
    db.close();
  });
});

test.each([
  ['3.51.3', true],
  ['3.51.10', true],
  ['3.52.0', true],
  ['4.0', true],
  ['3.51.2', false],
  ['3.50.9', false],
  ['2.99.99', false],
])('SQLite %s is recent enough: %s', (version, expected) => {
  expect(isRecentEnough(version)).toBe(expected);
});

describe('a path at which nothing can be written', () => {
  test('is refused where the folder is missing, saying so', async () => {
    const folder = join(temporaryFolder(), 'missing');
    const error = await fails(join(folder, 'edge.db'), 'HG_STORAGE_READONLY');
    expect(error.message).toContain(`the folder ${folder} does not exist`);
  });

  test('is refused where it is a folder', async () => {
    const folder = temporaryFolder();
    expect((await fails(folder, 'HG_STORAGE_READONLY')).message).toContain('is a folder');
    expect(readdirSync(dirname(folder))).not.toContain(`${folder}-lock`);
  });

  test('is refused where its folder takes no files, even from root', async () => {
    expect((await fails('/proc/edge.db', 'HG_STORAGE_READONLY')).message).toContain('/proc/edge.db');
  });

  test('is refused where links lead round in a circle', async () => {
    const folder = temporaryFolder();
    symlinkSync(join(folder, 'b'), join(folder, 'a'));
    symlinkSync(join(folder, 'a'), join(folder, 'b'));
    expect((await fails(join(folder, 'a'), 'HG_STORAGE_READONLY')).message).toContain('circle');
  });

  test('is refused where it is empty', async () => {
    expect((await fails('  ', 'HG_OPTION_INVALID')).message).toContain('timeline.path');
  });

  test.skipIf(process.getuid?.() === 0)(
    'is refused where the file may not be written (root may)',
    async () => {
      const file = temporaryFile();
      await writeDatabase(file);
      chmodSync(file, 0o444);
      await fails(file, 'HG_STORAGE_READONLY');
    },
  );
});

describe('a file of somebody else', () => {
  const untouched = async (file: string, code: ErrorCode) => {
    const before = readFileSync(file);
    const error = await fails(file, code);
    expect(error.message).toContain(file);
    expect(readFileSync(file).equals(before)).toBe(true);
    return error;
  };

  test.each([
    ['a text', 'hello, this is no database at all\n'.repeat(300)],
    ['one letter', 'x'],
    ['zeros', '\0'.repeat(8_192)],
  ])('that is %s is refused and left as it is, with nothing beside it', async (_, text) => {
    const file = temporaryFile();
    writeFileSync(file, text);
    await untouched(file, 'HG_STORAGE_NOT_A_DATABASE');
    await untouched(file, 'HG_STORAGE_NOT_A_DATABASE');
    expect(readdirSync(dirname(file))).toEqual(['edge.db']);
  });

  test.each(['delete', 'wal'])(
    'that is the database of another program (journal: %s) is left as it is',
    async (mode) => {
      const file = temporaryFile();
      const other = new Database(file);
      other.pragma(`journal_mode = ${mode}`);
      other.exec('CREATE TABLE timeline (seq INTEGER PRIMARY KEY); INSERT INTO timeline VALUES (1)');
      other.close();
      const error = await untouched(file, 'HG_STORAGE_NOT_A_DATABASE');
      expect(error.message).toContain('another program');
      expect(query(file, 'SELECT * FROM timeline')).toEqual([{ seq: 1 }]);
    },
  );

  test('is left as it is even where a database of ours stood before', async () => {
    const file = temporaryFile();
    await writeDatabase(file);
    const foreign = temporaryFile();
    const other = new Database(foreign);
    other.exec('CREATE TABLE notes (text TEXT)');
    other.close();
    copyFileSync(foreign, file);
    await untouched(file, 'HG_STORAGE_NOT_A_DATABASE');
  });

  test('that is of a newer Headgate is left as it is', async () => {
    const file = temporaryFile();
    await writeDatabase(file);
    const newer = new Database(file);
    newer.pragma('user_version = 99');
    newer.close();
    expect((await untouched(file, 'HG_STORAGE_VERSION')).message).toContain('schema 99');
  });

  test('with a transaction to random back is told from ours all the same', async () => {
    const file = temporaryFile();
    interruptTransaction(file);
    expect((await fails(file, 'HG_STORAGE_NOT_A_DATABASE')).message).toContain('another program');
    expect(query(file, 'SELECT count(*) AS rows FROM notes')).toEqual([{ rows: 1 }]);
  });
});

describe('an empty file', () => {
  test('becomes a database', async () => {
    const file = temporaryFile();
    writeFileSync(file, '');
    expect((await openStore(file)).run).toBe(1);
  });

  test('of SQLite, without a table, becomes one too', async () => {
    const file = temporaryFile();
    const blank = new Database(file);
    blank.exec('CREATE TABLE gone (a); DROP TABLE gone');
    blank.close();
    expect(statSync(file).size).toBeGreaterThan(0);
    expect((await openStore(file)).run).toBe(1);
  });
});

describe('a damaged database', () => {
  const damages: [string, (file: string) => void][] = [
    ['pages overwritten', (file) => overwrite(file, 5 * 4_096, 6 * 4_096)],
    ['its end cut off', (file) => truncateSync(file, 20_000)],
    ['its header overwritten', (file) => overwrite(file, 0, 100)],
    ['its first page overwritten behind the header', (file) => overwrite(file, 100, 4_000)],
    ['everything overwritten', (file) => overwrite(file, 0, statSync(file).size)],
  ];

  test.each(damages)('with %s is moved aside and a fresh one begun', async (_, damage) => {
    const file = temporaryFile();
    await writeDatabase(file, MANY_ROWS);
    damage(file);
    const broken = readFileSync(file);
    const store = await openStore(file, { nowMs: 777 });
    expect(store).toMatchObject({ run: 1, lastSeq: 0, previousRun: null, movedAside: 'edge.db.damaged-777' });
    expect(readFileSync(join(dirname(file), 'edge.db.damaged-777')).equals(broken)).toBe(true);
    await store.commit(writeBatch({ timeline: [timelineRow({ seq: 1 })] }));
    await store.close({ atMs: START_MS });
    expect(await openStore(file)).toMatchObject({ run: 2, lastSeq: 1, movedAside: null });
  });

  test('belongs to the same gateway as the one that replaces it, which is another database', async () => {
    const file = temporaryFile();
    const first = await openStore(file);
    await first.close(null);
    overwrite(file, 0, 100);
    const second = await openStore(file);
    expect(second.gatewayId).toBe(first.gatewayId);
    expect(second.dbUuid).not.toBe(first.dbUuid);
  });

  test('takes its log along, and an earlier one moved aside at the same time stays', async () => {
    const file = temporaryFile();
    for (const expected of ['edge.db.damaged-777', 'edge.db.damaged-777-2']) {
      await writeDatabase(file, { timeline: MANY_ROWS.timeline });
      writeFileSync(`${file}-wal`, 'left over');
      overwrite(file, 4_096, 8_192);
      const store = await openStore(file, { nowMs: 777 });
      expect(store.movedAside).toBe(expected);
      await store.close(null);
      expect(readdirSync(dirname(file))).toEqual(expect.arrayContaining([expected, `${expected}-wal`]));
      // Fresh numbers for the next turn.
      overwrite(file, 0, 100);
      await (await openStore(file, { nowMs: 1 })).close(null);
    }
  });

  test('is moved aside where only a table it needs at once is damaged', async () => {
    const file = temporaryFile();
    await writeDatabase(file);
    const store = await openStore(file);
    await store.close(null);
    const other = new Database(file);
    other.unsafeMode(true);
    other.pragma('writable_schema = ON');
    other.exec("UPDATE sqlite_schema SET rootpage = 9999 WHERE name = 'source_cursors'");
    other.close();
    expect((await openStore(file, { nowMs: 5 })).movedAside).toBe('edge.db.damaged-5');
  });
});

function overwrite(file: string, from: number, length: number): void {
  const handle = openSync(file, 'r+');
  writeSync(handle, Buffer.alloc(length, 0xa5), 0, length, from);
  closeSync(handle);
}

/** Leaves a database of another program at `file` as a power cut would in the middle of a transaction. */
function interruptTransaction(file: string): void {
  const folder = join(dirname(file), 'writer');
  mkdirSync(folder);
  const original = join(folder, 'other.db');
  const db = new Database(original);
  db.exec("CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('kept')");
  // A cache of a few pages: the transaction spills into the file before it commits.
  db.pragma('cache_size = 5');
  db.exec('BEGIN');
  const insert = db.prepare('INSERT INTO notes VALUES (?)');
  for (let row = 0; row < 2_000; row++) insert.run('x'.repeat(200));
  copyFileSync(original, file);
  copyFileSync(`${original}-journal`, `${file}-journal`);
  db.exec('ROLLBACK');
  db.close();
}
