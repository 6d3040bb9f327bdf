/** A connection that only reads, to a file that an engine may be writing. */

import Database from 'better-sqlite3';
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { HeadgateError } from '../../src/domain/errors.ts';
import { isInMemory } from './database-path.ts';
import { lossHint } from './mark-file.ts';
import { readPendingRestore } from './pending-restore.ts';
import { BUSY_TIMEOUT_MS, notADatabase, refuseNewer } from './inspect-database.ts';
import { APPLICATION_ID, applicationId, schemaVersion } from './schema.ts';
import { sqliteCode, storageError } from './storage-error.ts';

/** The absolute path.
 *  @throws HeadgateError HG_STORAGE_NOT_FOUND, or _NOT_A_DATABASE for what is no file. */
export function existingFile(path: string): string {
  const file = resolve(path.trim());
  const stat = isInMemory(path) ? undefined : statSync(file, { throwIfNoEntry: false });
  if (stat === undefined) {
    const shown = isInMemory(path) ? path : file;
    const hint = isInMemory(path) ? null : absenceHint(file);
    const message = `${shown}: there is no such file; ${hint ?? 'name the database file of an engine'}`;
    throw new HeadgateError('HG_STORAGE_NOT_FOUND', message, { details: { file: shown } });
  }
  if (stat.isFile() && stat.size === 0) {
    const hint = absenceHint(file);
    if (hint !== null) throw emptied(file, hint);
  }
  // A pipe would block the process, and SQLite's word for a folder is that it cannot open it.
  if (!stat.isFile()) throw notADatabase(file, 'unreadable');
  return file;
}

/** Why there is no database where there should be one; null: nothing is known of one. */
function absenceHint(file: string): string | null {
  if (readPendingRestore(file) !== null) {
    return 'a restore of it was cut off; start the engine, or restore again, and it is finished';
  }
  return lossHint(file);
}

function emptied(file: string, hint: string): HeadgateError {
  const message = `${file}: is empty; ${hint}`;
  return new HeadgateError('HG_STORAGE_NOT_A_DATABASE', message, { details: { file } });
}

/** @throws HeadgateError HG_STORAGE_NOT_A_DATABASE, _VERSION, _READONLY, _BUSY or _FAILED. */
export function openReadOnly(file: string): Database.Database {
  let db: Database.Database | undefined;
  try {
    db = new Database(file, { readonly: true, fileMustExist: true, timeout: BUSY_TIMEOUT_MS });
    db.pragma('trusted_schema = OFF');
    if (applicationId(db) !== APPLICATION_ID) throw notADatabase(file, 'foreign');
    refuseNewer(file, schemaVersion(db));
    return db;
  } catch (error) {
    db?.close();
    throw sqliteCode(error) === 'SQLITE_NOTADB'
      ? notADatabase(file, 'unreadable')
      : storageError(error, file);
  }
}
