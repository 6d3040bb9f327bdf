/** What stands at a path, told before anything is written there.
 *
 *  Only SQLite reads the file here: a file descriptor of our own on it, once closed, would take away the
 *  locks of every other connection this process has to the same file (POSIX advisory locks belong to the
 *  process). */

import Database from 'better-sqlite3';
import { statSync } from 'node:fs';
import { HeadgateError } from '../../src/domain/errors.ts';
import { APPLICATION_ID, SCHEMA_VERSION, applicationId, schemaVersion } from './schema.ts';
import { sqliteCode, storageError } from './storage-error.ts';

/** Longest wait for the lock of another connection, milliseconds; the event loop stands still meanwhile. */
export const BUSY_TIMEOUT_MS = 200;

/** The smallest page there is. */
const DATABASE_BYTES_MIN = 512;

/** `absent`: no file. `blank`: an empty file, or a database without a table. `ours`: a database of
 *  Headgate, sound as far as was looked. `damaged`: ours, but broken. `foreign`: of another program.
 *  `unreadable`: SQLite cannot read it. */
export type Finding = 'absent' | 'blank' | 'ours' | 'damaged' | 'foreign' | 'unreadable';

interface InspectOptions {
  /** Whether to read every page, which takes seconds per gigabyte. */
  readonly checkPages: boolean;
}

/** @throws HeadgateError HG_STORAGE_VERSION for a database of a newer Headgate; HG_STORAGE_READONLY for a
 *  folder, pipe or device; HG_STORAGE_BUSY and _FAILED. */
export function inspectDatabase(file: string, options: InspectOptions): Finding {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (stat === undefined) return 'absent';
  if (!stat.isFile()) {
    const message = `${file}: is ${stat.isDirectory() ? 'a folder' : 'not a regular file'}; name a file`;
    throw new HeadgateError('HG_STORAGE_READONLY', message, { details: { file } });
  }
  if (stat.size === 0) return 'blank';
  // SQLite takes a file of one byte for an empty one and would write over it.
  if (stat.size < DATABASE_BYTES_MIN) return 'unreadable';
  const finding = inspectWith(file, options, { readonly: true });
  return finding === 'interrupted' ? mustEnd(inspectWith(file, options, { readonly: false })) : finding;
}

/** As {@link inspectDatabase}; `interrupted` where a transaction must be rolled back first, which only a
 *  connection that may write can do, and which every connection that may write does. */
function inspectWith(
  file: string,
  options: InspectOptions,
  mode: { readonly readonly: boolean },
): Finding | 'interrupted' {
  let db: Database.Database | undefined;
  let isOurs: boolean | undefined;
  try {
    db = new Database(file, { ...mode, fileMustExist: true, timeout: BUSY_TIMEOUT_MS });
    const id = applicationId(db);
    isOurs = id === APPLICATION_ID;
    if (!isOurs) return id === 0 && hasNoTables(db) ? 'blank' : 'foreign';
    refuseNewer(file, schemaVersion(db));
    return options.checkPages && !pagesAreSound(db) ? 'damaged' : 'ours';
  } catch (error) {
    const sqlite = sqliteCode(error) ?? '';
    if (sqlite === 'SQLITE_READONLY_ROLLBACK' && mode.readonly) return 'interrupted';
    if (sqlite.startsWith('SQLITE_NOTADB') || sqlite.startsWith('SQLITE_CORRUPT')) {
      return isOurs === undefined ? 'unreadable' : isOurs ? 'damaged' : 'foreign';
    }
    throw storageError(error, file);
  } finally {
    db?.close();
  }
}

function mustEnd(finding: Finding | 'interrupted'): Finding {
  if (finding === 'interrupted')
    throw new Error('a connection that may write left a transaction to random back');
  return finding;
}

function hasNoTables(db: Database.Database): boolean {
  return db.prepare('SELECT count(*) FROM sqlite_schema').pluck().get() === 0;
}

function pagesAreSound(db: Database.Database): boolean {
  return db.pragma('quick_check(1)', { simple: true }) === 'ok';
}

export function refuseNewer(file: string, version: number): void {
  if (version <= SCHEMA_VERSION) return;
  const message =
    `${file}: was written by a newer Headgate (schema ${version}, this one knows ${SCHEMA_VERSION}); ` +
    'use that version, or another file';
  throw new HeadgateError('HG_STORAGE_VERSION', message, { details: { file, version } });
}

export function notADatabase(file: string, finding: 'foreign' | 'unreadable'): HeadgateError {
  const what = finding === 'foreign' ? 'a database of another program' : 'not an SQLite database';
  const message = `${file}: is ${what}; it was left untouched. Choose another path`;
  return new HeadgateError('HG_STORAGE_NOT_A_DATABASE', message, { details: { file } });
}
