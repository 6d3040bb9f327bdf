/** Backups and restores of a database, step by step. */

import Database from 'better-sqlite3';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { backupDatabase } from '../../storage/backup/backup-database.ts';
import { takeEngineLock } from '../../storage/file/engine-lock.ts';
import { readMark } from '../../storage/file/mark-file.ts';
import { restoreDatabase } from '../../storage/backup/restore-database.ts';
import { migrate, SCHEMA_VERSION } from '../../storage/file/schema.ts';
import { verifyDatabase } from '../../storage/verify/verify-database.ts';
import { flipBit } from './damage.ts';
import { writeBatch, headgateError, openStore, query, temporaryFile, temporaryFolder } from './fixture.ts';
import { skipNote } from '../support/skip-note.ts';
import { ROWS_PER_UNIT, unitAfter, UNITS, writtenDatabase } from './verified-fixture.ts';
import { mountSmallDisk, whyNoSmallDisk } from './small-disk.ts';

const ROWS = UNITS * ROWS_PER_UNIT;
const NOW_MS = 1_600_000_000_000;

let restores = 0;
const restore = (backup: string, file: string) =>
  restoreDatabase(backup, file, { nowMs: NOW_MS, uuid: () => `restored-${++restores}` });

/** Names of what lies in the folder of a file, but for the file's own. */
const beside = (file: string) => readdirSync(dirname(file)).filter((name) => !name.startsWith('edge.db'));

/** A database, and a backup of it. */
async function backedUp(): Promise<{ file: string; backup: string }> {
  const file = await writtenDatabase();
  const backup = join(dirname(file), 'backup.db');
  await backupDatabase(file, backup);
  return { file, backup };
}

async function addUnit(file: string): Promise<void> {
  const store = await openStore(file);
  await store.commit(unitAfter(store.lastSeq, store.run));
  await store.close({ atMs: 1 });
}

describe('a backup', () => {
  test('is one file and its mark, and holds what the database holds', async () => {
    const { file, backup } = await backedUp();
    for (const table of ['timeline', 'records', 'spill', 'timeline_chain', 'meta', 'runs']) {
      const rows = `SELECT * FROM ${table} ORDER BY 1`;
      expect(query(backup, rows)).toEqual(query(file, rows));
    }
    expect(beside(file).toSorted()).toEqual(['backup.db', 'backup.db-mark']);
    expect(readMark(backup)).toMatchObject({ timelineSeq: ROWS, recordSeq: ROWS, link: { seq: ROWS } });
    expect(await verifyDatabase(backup)).toMatchObject({ ok: true, records: { rows: ROWS, unchecked: 0 } });
    expect(query(backup, 'PRAGMA auto_vacuum')).toEqual(query(file, 'PRAGMA auto_vacuum'));
  });

  test('holds what is committed while it is made or before, of an engine that goes on', async () => {
    const file = temporaryFile();
    const store = await openStore(file);
    for (let n = 0; n < 3; n++) await store.commit(unitAfter(n * ROWS_PER_UNIT));
    const backup = join(dirname(file), 'backup.db');
    const report = await backupDatabase(file, backup);
    expect(report).toMatchObject({ file: backup, verified: { ok: true, records: { rows: 15 } } });
    await store.commit(unitAfter(15));
    expect(query(backup, 'SELECT count(*) AS n FROM records')).toEqual([{ n: 15 }]);
    expect(query(file, 'SELECT count(*) AS n FROM records')).toEqual([{ n: 20 }]);
  });

  test('writes over nothing', async () => {
    const { file, backup } = await backedUp();
    const before = readFileSync(backup);
    await headgateError(() => backupDatabase(file, backup), 'HG_FILE_EXISTS');
    await headgateError(() => backupDatabase(file, file), 'HG_FILE_EXISTS');
    expect(readFileSync(backup).equals(before)).toBe(true);
    const withLog = join(dirname(file), 'with-log.db');
    writeFileSync(`${withLog}-wal`, 'of another database');
    const error = await headgateError(() => backupDatabase(file, withLog), 'HG_FILE_EXISTS');
    expect(error.message).toContain(`${withLog}-wal`);
    writeFileSync(join(dirname(file), 'other.db.part'), 'of another backup');
    await headgateError(() => backupDatabase(file, join(dirname(file), 'other.db')), 'HG_FILE_EXISTS');
  });

  test('of a damaged database is none', async () => {
    const file = await writtenDatabase();
    flipBit(file, 'record-7-of-the-log');
    const error = await headgateError(
      () => backupDatabase(file, join(dirname(file), 'backup.db')),
      'HG_STORAGE_CORRUPT',
    );
    expect(error.message).toContain('records');
    expect(beside(file)).toEqual([]);
  });

  test.each([
    ['a file that is not there', (folder: string) => join(folder, 'none.db'), 'HG_STORAGE_NOT_FOUND'],
    ['a database in memory', () => ':memory:', 'HG_STORAGE_NOT_FOUND'],
    ['a text', (folder: string) => written(join(folder, 'text.db')), 'HG_STORAGE_NOT_A_DATABASE'],
  ] as const)('of %s is refused', async (_, make, code) => {
    const folder = temporaryFolder();
    await headgateError(() => backupDatabase(make(folder), join(folder, 'backup.db')), code);
    expect(readdirSync(folder).filter((name) => name.startsWith('backup'))).toEqual([]);
  });

  test('into a folder that is not there is refused', async () => {
    const file = await writtenDatabase();
    const target = join(dirname(file), 'none', 'backup.db');
    await headgateError(() => backupDatabase(file, target), 'HG_STORAGE_READONLY');
  });

  test('of a file of the first version is one of the first version', async () => {
    const file = temporaryFile();
    const db = new Database(file);
    migrate(db, 1);
    db.close();
    const backup = join(dirname(file), 'backup.db');
    expect(await backupDatabase(file, backup)).toMatchObject({ verified: { ok: true } });
    expect(query(backup, 'PRAGMA user_version')).toEqual([{ user_version: 1 }]);
  });

  const noDisk = whyNoSmallDisk();
  test.skipIf(noDisk !== undefined)(`onto a full disk leaves nothing there${skipNote(noDisk)}`, async () => {
    const disk = mountSmallDisk();
    disk.fill();
    const file = await writtenDatabase();
    const error = await headgateError(
      () => backupDatabase(file, join(disk.folder, 'backup.db')),
      'HG_STORAGE_FULL',
    );
    expect(error.remedy).toBe('retry');
    expect(readdirSync(disk.folder)).toEqual(['ballast']);
  });
});

describe('a restore', () => {
  test('puts the backup in its place, proves it, and keeps what stood there', async () => {
    const { file, backup } = await backedUp();
    await addUnit(file);
    const report = await restore(backup, file);
    expect(report).toMatchObject({
      file,
      movedAside: `edge.db.replaced-${NOW_MS}`,
      verified: { ok: true, problems: [], records: { rows: ROWS } },
      from: {
        timeline: { found: ROWS, known: ROWS + ROWS_PER_UNIT },
        records: { found: ROWS, known: ROWS + ROWS_PER_UNIT },
      },
    });
    const kept = join(dirname(file), report.movedAside as string);
    expect(await verifyDatabase(kept)).toMatchObject({ ok: true, records: { rows: ROWS + ROWS_PER_UNIT } });
    expect(readdirSync(dirname(file)).filter((name) => name.includes('restoring'))).toEqual([]);
    expect(await verifyDatabase(backup)).toMatchObject({ ok: true });
  });

  test('gives what comes from then on keys nobody ever had, and what it holds those it had', async () => {
    const { file, backup } = await backedUp();
    const keys = async () => {
      const store = await openStore(file);
      const page = await store.readRecords({ afterSeq: 0, rowsMax: 1_000, bytesMax: 1e9 });
      await store.close({ atMs: 1 });
      return page.rows.map(({ key }) => key);
    };
    await addUnit(file);
    const before = await keys();
    await restore(backup, file);
    await addUnit(file);
    const after = await keys();
    expect(after.slice(0, ROWS)).toEqual(before.slice(0, ROWS));
    expect(after).toHaveLength(before.length);
    expect(new Set([...before, ...after]).size).toBe(before.length + ROWS_PER_UNIT);

    // The same backup once more, and a backup of what was restored.
    await restore(backup, file);
    await addUnit(file);
    const again = await keys();
    expect(new Set([...before, ...after, ...again]).size).toBe(before.length + 2 * ROWS_PER_UNIT);
    const second = join(dirname(file), 'second.db');
    await backupDatabase(file, second);
    await restore(second, file);
    await addUnit(file);
    const grandchild = await keys();
    expect(grandchild.slice(0, again.length)).toEqual(again);
    expect(new Set([...before, ...after, ...again, ...grandchild]).size).toBe(
      before.length + 3 * ROWS_PER_UNIT,
    );
  });

  test('is told by the next opening until a row says so', async () => {
    const { file, backup } = await backedUp();
    const { from } = await restore(backup, file);
    for (let opening = 1; opening <= 2; opening++) {
      const store = await openStore(file);
      expect(store).toMatchObject({ restored: from, truncated: null, movedAside: null });
      await store.close({ atMs: 1 });
    }
    const store = await openStore(file);
    const row = { ...unitAfter(store.lastSeq).timeline[0], event: 'storage.restored', run: store.run };
    await store.commit(writeBatch({ timeline: [row as never] }));
    await store.close({ atMs: 1 });
    expect(await openStore(file)).toMatchObject({ restored: null });
  });

  test('begins a database where there was none', async () => {
    const { backup } = await backedUp();
    const elsewhere = temporaryFile();
    expect(await restore(backup, elsewhere)).toMatchObject({ movedAside: null, verified: { ok: true } });
    const store = await openStore(elsewhere);
    expect(store).toMatchObject({ lastRecordSeq: ROWS, truncated: null, markIsUnreadable: false });
  });

  test('is refused while an engine uses the file, and the file stays', async () => {
    const { file, backup } = await backedUp();
    const lock = takeEngineLock(file);
    const before = readFileSync(file);
    await headgateError(() => restore(backup, file), 'HG_STORAGE_LOCKED');
    lock.release();
    expect(readFileSync(file).equals(before)).toBe(true);
    await restore(backup, file);
  });

  test('of a damaged backup is refused, and the file stays', async () => {
    const { file, backup } = await backedUp();
    flipBit(backup, 'row-12-of-the-timeline');
    await headgateError(() => restore(backup, file), 'HG_STORAGE_CORRUPT');
    expect(await verifyDatabase(file)).toMatchObject({ ok: true });
    expect(readdirSync(dirname(file)).filter((name) => /replaced|restoring/.test(name))).toEqual([]);
  });

  test('onto itself, or over a file of another program, is refused', async () => {
    const { backup } = await backedUp();
    await headgateError(() => restore(backup, backup), 'HG_OPTION_INVALID');
    const other = written(join(temporaryFolder(), 'notes.txt'));
    await headgateError(() => restore(backup, other), 'HG_STORAGE_NOT_A_DATABASE');
    expect(readFileSync(other, 'utf8')).toContain('no database');
  });

  test('replaces a damaged database, and one of a newer version', async () => {
    const { file, backup } = await backedUp();
    const bytes = readFileSync(file);
    writeFileSync(file, bytes.fill(0xee, 0, 4_096));
    // Its lock file knows that the file is ours.
    const db = takeEngineLock(file);
    db.remember('gateway-1');
    db.release();
    expect(await restore(backup, file)).toMatchObject({ verified: { ok: true } });

    const newer = new Database(file);
    newer.pragma(`user_version = ${SCHEMA_VERSION + 1}`);
    newer.close();
    await headgateError(() => openStore(file), 'HG_STORAGE_VERSION');
    expect(await restore(backup, file)).toMatchObject({ verified: { ok: true } });
    expect(await openStore(file)).toMatchObject({ lastRecordSeq: ROWS });
  });

  test('takes away what a killed restore left, and a log that belongs to nothing', async () => {
    const { file, backup } = await backedUp();
    copyFileSync(backup, `${file}.restoring`);
    rmSync(file);
    writeFileSync(`${file}-wal`, 'of a database that is gone');
    expect(await restore(backup, file)).toMatchObject({ movedAside: null, verified: { ok: true } });
    expect(existsSync(`${file}.restoring`)).toBe(false);
    expect(await openStore(file)).toMatchObject({ lastRecordSeq: ROWS, movedAside: null });
  });

  test('of an older version brings it up to date', async () => {
    const file = temporaryFile();
    const db = new Database(file);
    migrate(db, 1);
    db.exec(`INSERT INTO meta VALUES ('gateway_id', 'gateway-1'), ('db_uuid', 'uuid-1');
      INSERT INTO records (tenant, source_id, incarnation, source_seq, at_ms, data)
      VALUES ('default', 'plc-7', 1, 1, 1, '{}')`);
    db.close();
    const elsewhere = join(dirname(file), 'edge-2.db');
    const report = await restore(file, elsewhere);
    expect(report).toMatchObject({
      from: { dbUuid: 'uuid-1' },
      verified: { ok: true, records: { rows: 1 } },
    });
    const store = await openStore(elsewhere);
    const page = await store.readRecords({ afterSeq: 0, rowsMax: 9, bytesMax: 1e6 });
    expect(page.rows.map(({ key }) => key)).toEqual(['gateway-1:uuid-1:1']);
  });

  test('is refused where the folder cannot be made a database in', async () => {
    const { backup } = await backedUp();
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'edge.db'));
    await headgateError(() => restore(backup, join(folder, 'edge.db')), 'HG_STORAGE_READONLY');
    await headgateError(() => restore(backup, join(folder, 'none', 'edge.db')), 'HG_STORAGE_READONLY');
  });
});

function written(path: string): string {
  writeFileSync(path, 'no database '.repeat(500));
  return path;
}
