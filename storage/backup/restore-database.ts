/** Puts a backup in the place of a database that no engine uses.
 *
 *  What stood there is moved aside, never deleted. The restored database bears another name (`db_uuid`) for
 *  what comes from now on, and remembers the one before for what it holds: so no key that was ever told to a
 *  far end is told for another record, whatever was stored between the backup and now. Until it has its place
 *  it is `FILE.restoring`. A restore that is killed has either changed nothing, or is finished by the next
 *  start (pending-restore.ts). */

import { chmodSync, existsSync } from 'node:fs';
import { basename } from 'node:path';
import { HeadgateError } from '../../src/domain/errors.ts';
import { demandSound } from './backup-database.ts';
import { copyDatabase, markOf, removeDatabase } from './copy-database.ts';
import { canonicalPath } from '../file/database-path.ts';
import { modeFor, syncFile } from '../file/durable-file.ts';
import { takeEngineLock, type EngineLock } from '../file/engine-lock.ts';
import type { RestoredFrom } from '../event-store.ts';
import { inspectDatabase, notADatabase } from '../file/inspect-database.ts';
import { readNames, renameDatabase } from '../tables/lineage.ts';
import { readMark, writeMark, type Mark } from '../file/mark-file.ts';
import { asideName } from '../file/move-aside.ts';
import { announceRestore, finishRestore, restoringFileOf } from '../file/pending-restore.ts';
import { existingFile } from '../file/readable-database.ts';
import { guardStorage } from '../file/storage-error.ts';
import { verifyDatabase } from '../verify/verify-database.ts';
import type { VerifyReport } from '../verify/verify-report.ts';
import { openWritable } from '../file/writable-database.ts';

export interface RestoreOptions {
  readonly nowMs: number;
  /** Gives the restored database its name. */
  readonly uuid: () => string;
}

export interface RestoreReport {
  /** The database's path, absolute. */
  readonly file: string;
  /** The file name under which what stood there is kept, without its folder; null: nothing stood there. */
  readonly movedAside: string | null;
  readonly from: RestoredFrom;
  /** What was proven of it in its place. */
  readonly verified: VerifyReport;
}

/** @throws HeadgateError HG_STORAGE_LOCKED where an engine uses the file; HG_STORAGE_CORRUPT where the
 *  backup is damaged; HG_STORAGE_NOT_A_DATABASE where the backup, or what stands in its place, is not ours;
 *  and other codes of storage. What stood there stands there then. */
export async function restoreDatabase(
  backup: string,
  path: string,
  options: RestoreOptions,
): Promise<RestoreReport> {
  const source = canonicalPath(existingFile(backup));
  const file = canonicalPath(path);
  if (source === file) {
    const message = `${file}: is the backup itself; name the database it is to replace`;
    throw new HeadgateError('HG_OPTION_INVALID', message, { details: { file } });
  }
  demandSound(source, await verifyDatabase(source));
  const lock = takeEngineLock(file);
  try {
    demandOurs(file, lock);
    const { movedAside, from } = replace(source, file, lock, options);
    return { file, movedAside, from, verified: await verifyDatabase(file) };
  } finally {
    lock.release();
  }
}

/** A file of another program keeps its place; a damaged one of ours, or a newer one, does not. */
function demandOurs(file: string, lock: EngineLock): void {
  try {
    const finding = inspectDatabase(file, { checkPages: false });
    if (finding === 'foreign' || (finding === 'unreadable' && lock.gatewayId === null)) {
      throw notADatabase(file, finding);
    }
  } catch (error) {
    if (!(error instanceof HeadgateError) || error.code !== 'HG_STORAGE_VERSION') throw error;
  }
}

function replace(
  source: string,
  file: string,
  lock: EngineLock,
  { nowMs, uuid }: RestoreOptions,
): Pick<RestoreReport, 'movedAside' | 'from'> {
  const part = restoringFileOf(file);
  // Of a restore that was killed: with the lock in hand there is no other.
  finishRestore(file);
  copyDatabase(source, part);
  let prepared: Prepared;
  try {
    prepared = rename(part, uuid(), readMark(file));
    chmodSync(part, modeFor(file));
    syncFile(part);
    if (prepared.mark !== null) writeMark(part, prepared.mark);
  } catch (error) {
    removeDatabase(part);
    throw error;
  }
  // From here on names change, and nothing else.
  const stood = existsSync(file);
  const aside = basename(asideName(file, 'replaced', nowMs));
  announceRestore(file, { movedTo: aside });
  finishRestore(file);
  if (prepared.gatewayId !== null) lock.remember(prepared.gatewayId);
  return { movedAside: stood ? aside : null, from: prepared.from };
}

interface Prepared {
  readonly from: RestoredFrom;
  readonly gatewayId: string | null;
  readonly mark: Mark | null;
}

/** Brings the copy up to date, too. */
function rename(part: string, dbUuid: string, known: Mark | null | 'unreadable'): Prepared {
  return guardStorage(part, () => {
    const db = openWritable(part);
    try {
      const names = readNames(db);
      const isOfIt = known !== null && known !== 'unreadable' && known.dbUuid === names?.dbUuid;
      const from = renameDatabase(db, dbUuid, isOfIt ? known : null);
      return { from, gatewayId: names?.gatewayId ?? null, mark: markOf(db) };
    } finally {
      db.close();
    }
  });
}
