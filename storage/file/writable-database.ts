/** A connection that writes durably: what every transaction relies on is set here and read back. */

import Database from 'better-sqlite3';
import { statSync } from 'node:fs';
import { HeadgateError } from '../../src/domain/errors.ts';
import { makePrivate, syncFolderOf } from './durable-file.ts';
import { BUSY_TIMEOUT_MS } from './inspect-database.ts';
import { migrate } from './schema.ts';

/** The write-ahead log is cut back to so many bytes when it is reset. */
const JOURNAL_BYTES_MAX = 64 * 1024 * 1024;

/** `temp_store=MEMORY` as the pragma reads back. */
const IN_MEMORY = 2;
/** `synchronous=FULL` as the pragma reads back. */
const FULL = 2;

/** Versions before it can corrupt a database in WAL mode, where a checkpoint and a reset of the log
 *  coincide. */
const SQLITE_VERSION_MIN = [3, 51, 3] as const;

/** Opens `file`, which must be blank, absent or ours, and brings it up to date. Throws SQLite's errors. */
export function openWritable(file: string): Database.Database {
  const isNew = (statSync(file, { throwIfNoEntry: false })?.size ?? 0) === 0;
  makePrivate(file);
  const db = new Database(file, { timeout: BUSY_TIMEOUT_MS });
  try {
    demandVersion(file, db);
    db.pragma('foreign_keys = ON');
    db.pragma('trusted_schema = OFF');
    db.pragma('synchronous = FULL');
    // A page that was overwritten is found when it is read, not when it has done harm.
    db.pragma('cell_size_check = ON');
    demand(file, 'cell_size_check', db.pragma('cell_size_check', { simple: true }), 1);
    // An I/O error on mapped memory is a signal that ends the process; on a read it is an error.
    demand(file, 'mmap_size', db.pragma('mmap_size = 0', { simple: true }), 0);
    // Before the write-ahead log, so that the main file of a new database bears our mark from the first.
    migrate(db);
    demand(file, 'journal_mode', db.pragma('journal_mode = WAL', { simple: true }), 'wal');
    db.pragma(`journal_size_limit = ${JOURNAL_BYTES_MAX}`);
    // Again: a connection may fall back to NORMAL in WAL, which loses acknowledged rows at a power cut.
    db.pragma('synchronous = FULL');
    demand(file, 'synchronous', db.pragma('synchronous', { simple: true }), FULL);
    // What undoes a statement half-way is kept in memory, as units are bounded: a file for it cannot be
    // opened where no descriptor is left. Only now: what a migration sorts has no bound.
    db.pragma('temp_store = MEMORY');
    demand(file, 'temp_store', db.pragma('temp_store', { simple: true }), IN_MEMORY);
    if (isNew) syncFolderOf(file);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** A database that is gone when it is closed. */
export function openInMemory(): Database.Database {
  const db = new Database(':memory:');
  db.pragma('auto_vacuum = INCREMENTAL');
  db.pragma('foreign_keys = ON');
  db.pragma('trusted_schema = OFF');
  migrate(db);
  return db;
}

function demandVersion(file: string, db: Database.Database): void {
  const version = db.prepare('SELECT sqlite_version()').pluck().get() as string;
  if (isRecentEnough(version)) return;
  const message = `${file}: SQLite ${version} is too old to be trusted; install better-sqlite3 as locked`;
  throw new HeadgateError('HG_STORAGE_FAILED', message, { remedy: 'stop', details: { file, version } });
}

/** Whether a version of SQLite is the least one needed, or later. */
export function isRecentEnough(version: string): boolean {
  const numbers = version.split('.').map(Number);
  for (const [index, wanted] of SQLITE_VERSION_MIN.entries()) {
    const found = numbers[index] ?? 0;
    if (found !== wanted) return found > wanted;
  }
  return true;
}

function demand(file: string, pragma: string, found: unknown, wanted: unknown): void {
  if (found === wanted) return;
  const message =
    `${file}: ${pragma} is ${String(found)} and cannot be set to ${String(wanted)}; ` +
    'put the database on a local disk';
  throw new HeadgateError('HG_STORAGE_FAILED', message, { remedy: 'stop', details: { file, pragma, found } });
}
