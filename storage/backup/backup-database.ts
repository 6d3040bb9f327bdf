/** A backup of a database, also while an engine writes it: copied in one state, proven, and only then given
 *  its name. A file of that name is a whole backup. */

import { existsSync, renameSync, statSync } from 'node:fs';
import { HeadgateError } from '../../src/domain/errors.ts';
import { copyDatabase, fileExists, markOf, removeDatabase } from './copy-database.ts';
import { canonicalPath } from '../file/database-path.ts';
import { syncFolderOf } from '../file/durable-file.ts';
import { markFileOf, writeMark, type Mark } from '../file/mark-file.ts';
import { existingFile, openReadOnly } from '../file/readable-database.ts';
import { guardStorage } from '../file/storage-error.ts';
import { verifyDatabase } from '../verify/verify-database.ts';
import type { VerifyReport } from '../verify/verify-report.ts';

export interface BackupReport {
  /** The backup's path, absolute. */
  readonly file: string;
  readonly bytes: number;
  /** What was proven of it. */
  readonly verified: VerifyReport;
}

/** Writes a backup of `path` to `target`, and its mark beside it.
 *  @throws HeadgateError HG_FILE_EXISTS where there is a file of that name; HG_STORAGE_CORRUPT where the
 *  database is damaged: there is no backup then; and other codes of storage. */
export async function backupDatabase(path: string, target: string): Promise<BackupReport> {
  const file = canonicalPath(existingFile(path));
  const backup = canonicalPath(target);
  // A log that lies there would be taken for the backup's own.
  for (const suffix of ['', '-wal', '-journal']) {
    if (existsSync(backup + suffix)) throw fileExists(backup + suffix);
  }
  const part = `${backup}.part`;
  copyDatabase(file, part);
  try {
    const mark = readMarkOf(part);
    if (mark !== null) writeMark(part, mark);
    const verified = await verifyDatabase(part);
    demandSound(file, verified);
    if (existsSync(backup)) throw fileExists(backup);
    if (mark !== null) renameSync(markFileOf(part), markFileOf(backup));
    renameSync(part, backup);
    syncFolderOf(backup);
    return { file: backup, bytes: statSync(backup).size, verified };
  } catch (error) {
    removeDatabase(part);
    throw error;
  }
}

function readMarkOf(file: string): Mark | null {
  const db = openReadOnly(file);
  try {
    return guardStorage(file, () => markOf(db));
  } finally {
    db.close();
  }
}

/** @throws HeadgateError HG_STORAGE_CORRUPT where something is wrong. */
export function demandSound(file: string, { ok, problems, problemCount }: VerifyReport): void {
  const [first] = problems;
  if (ok || first === undefined) return;
  const more = problemCount === 1 ? '' : `, and ${problemCount - 1} more`;
  const what = `${first.where}: ${first.what}${more}`;
  const message = `${file}: is damaged (${what}); headgate verify tells all of it`;
  throw new HeadgateError('HG_STORAGE_CORRUPT', message, { details: { file, problems, problemCount } });
}
