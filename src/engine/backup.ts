/** Backups as users make them: from any program, also from the one whose engine writes the database. */

import { randomUUID } from 'node:crypto';
import type { BackupReport } from '../../storage/backup/backup-database.ts';
import { inThread } from '../../storage/backup/in-thread.ts';
import type { RestoreReport } from '../../storage/backup/restore-database.ts';
import { realClock } from '../platform/real-clock.ts';

export type { BackupReport } from '../../storage/backup/backup-database.ts';
export type { RestoreReport } from '../../storage/backup/restore-database.ts';

/** Writes a backup of the database at `path` to `target`, and its mark beside it (`TARGET-mark`), also while
 *  an engine writes it: everything that was acknowledged before the call is in it. Resolves when the backup
 *  is on the disk and proven; until then there is no file of that name. Works in a thread of its own.
 *  @throws HeadgateError HG_FILE_EXISTS where there is a file called `target`, which is left untouched;
 *  HG_STORAGE_CORRUPT where the database is damaged: there is no backup then; HG_STORAGE_NOT_FOUND,
 *  HG_STORAGE_NOT_A_DATABASE, HG_STORAGE_FULL and other HG_STORAGE_ codes. */
export function backupDatabase(path: string, target: string): Promise<BackupReport> {
  return inThread({ kind: 'backup', path, target });
}

/** Puts a backup in the place of the database at `path`, which no engine may use, or where there is none yet.
 *  What stood there is kept beside it (`movedAside`). The restored database has another `db_uuid` for what
 *  comes from now on, so that no key is ever told for two records. Works in a thread of its own.
 *  @throws HeadgateError HG_STORAGE_LOCKED where an engine uses the database, of this process or another;
 *  HG_STORAGE_CORRUPT where the backup is damaged; HG_STORAGE_NOT_A_DATABASE where the backup, or what stands
 *  in its place, is not ours; and other HG_STORAGE_ codes. What stood there stands there then. */
export function restoreDatabase(backup: string, path: string): Promise<RestoreReport> {
  return inThread({ kind: 'restore', backup, path, nowMs: realClock.wallMs(), uuid: randomUUID() });
}
