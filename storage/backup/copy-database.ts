/** A copy of a database in one state, whoever writes it meanwhile: one file, with everything that was
 *  committed before the copy began.
 *
 *  It is written by `VACUUM INTO`, in one transaction that reads. Copying page by page would begin anew
 *  whenever somebody writes, and under load never end. Meanwhile the write-ahead log of the original cannot
 *  be cut back. */

import type Database from 'better-sqlite3';
import { closeSync, openSync, rmSync } from 'node:fs';
import { HeadgateError } from '../../src/domain/errors.ts';
import { lastIncarnation, lastSeqReader } from '../tables/recovered-state.ts';
import { readNames } from '../tables/lineage.ts';
import { PRIVATE_MODE, syncFile } from '../file/durable-file.ts';
import type { Mark } from '../file/mark-file.ts';
import { databaseFiles } from '../file/move-aside.ts';
import { openReadOnly } from '../file/readable-database.ts';
import { schemaVersion } from '../file/schema.ts';
import { guardStorage } from '../file/storage-error.ts';
import { lastLink } from '../tables/timeline-chain.ts';

/** Writes a copy of `file` to `target`, which must not be there, and forces it to the disk.
 *  @throws HeadgateError HG_FILE_EXISTS, HG_STORAGE_FULL and others of storage. What was written is gone
 *  then. */
export function copyDatabase(file: string, target: string): void {
  claim(target);
  try {
    const db = openReadOnly(file);
    try {
      guardStorage(file, () => db.prepare('VACUUM INTO ?').run(target));
    } finally {
      db.close();
    }
    syncFile(target);
  } catch (error) {
    removeDatabase(target);
    throw error;
  }
}

/** Makes the name ours: two copies cannot be written to one file. */
function claim(target: string): void {
  try {
    closeSync(openSync(target, 'wx', PRIVATE_MODE));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
      throw new HeadgateError('HG_STORAGE_READONLY', `${target}: cannot be written; check its folder`, {
        details: { file: target },
        cause: error,
      });
    }
    throw fileExists(target);
  }
}

export function fileExists(file: string): HeadgateError {
  const message = `${file}: is there already, and was left untouched; remove it, or choose another name`;
  return new HeadgateError('HG_FILE_EXISTS', message, { details: { file } });
}

export function removeDatabase(file: string): void {
  for (const name of databaseFiles(file)) rmSync(name, { force: true });
}

/** How far a database has come, as the mark beside it says it; null for one that bears no name, or is of the
 *  first version. Throws SQLite's errors. */
export function markOf(db: Database.Database): Mark | null {
  const names = schemaVersion(db) < 2 ? null : readNames(db);
  if (names === null) return null;
  return {
    dbUuid: names.dbUuid,
    timelineSeq: lastSeqReader(db, 'timeline')(),
    recordSeq: lastSeqReader(db, 'records')(),
    incarnation: lastIncarnation(db),
    link: lastLink(db),
  };
}
