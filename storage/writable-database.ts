/** A connection that writes durably: what every transaction relies on is set here and read back. */

import Database from 'better-sqlite3';
import { HeadgateError } from '../src/domain/errors.ts';
import { BUSY_TIMEOUT_MS } from './inspect-database.ts';
import { migrate } from './schema.ts';

/** The write-ahead log is cut back to so many bytes when it is reset. */
const JOURNAL_BYTES_MAX = 64 * 1024 * 1024;

/** `synchronous=FULL` as the pragma reads back. */
const FULL = 2;

/** Opens `file`, which must be blank, absent or ours, and brings it up to date. Throws SQLite's errors. */
export function openWritable(file: string): Database.Database {
  const db = new Database(file, { timeout: BUSY_TIMEOUT_MS });
  try {
    db.pragma('foreign_keys = ON');
    db.pragma('trusted_schema = OFF');
    db.pragma('synchronous = FULL');
    // Only where the file is new: pages that retention frees can then be given back to the disk.
    db.pragma('auto_vacuum = INCREMENTAL');
    // Before the write-ahead log, so that the main file of a new database bears our mark from the first.
    migrate(db);
    demand(file, 'journal_mode', db.pragma('journal_mode = WAL', { simple: true }), 'wal');
    db.pragma(`journal_size_limit = ${JOURNAL_BYTES_MAX}`);
    // Again: a connection may fall back to NORMAL in WAL, which loses acknowledged rows at a power cut.
    db.pragma('synchronous = FULL');
    demand(file, 'synchronous', db.pragma('synchronous', { simple: true }), FULL);
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

function demand(file: string, pragma: string, found: unknown, wanted: unknown): void {
  if (found === wanted) return;
  const message =
    `${file}: ${pragma} is ${String(found)} and cannot be set to ${String(wanted)}; ` +
    'put the database on a local disk';
  throw new HeadgateError('HG_STORAGE_FAILED', message, { remedy: 'stop', details: { file, pragma, found } });
}
