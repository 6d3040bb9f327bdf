/** A restore that can be finished by whoever comes next.
 *
 *  Before the first file of the old database is moved, the restored one is complete and on the disk as
 *  `FILE.restoring`, and `FILE.restore` says so, together with the name that the old one gets. From then
 *  on files only change their names, in an order that tells how far it had come. A process that is killed
 *  in between leaves `FILE.restore`; the next engine, or the next restore, finishes with the lock in
 *  hand. Without `FILE.restore` nothing was moved yet, and `FILE.restoring` is an unfinished copy that
 *  may go. */

import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { replaceFile, syncFolderOf } from './durable-file.ts';
import { markFileOf } from './mark-file.ts';
import { databaseFiles, moveFiles } from './move-aside.ts';

export interface PendingRestore {
  /** The name that the old database gets, without its folder. */
  readonly movedTo: string;
}

/** Where the restored database waits until it gets its place. */
export function restoringFileOf(file: string): string {
  return `${file}.restoring`;
}

/** Null: none was cut off. A note that cannot be read counts as none: a complete one is written at once. */
export function readPendingRestore(file: string): PendingRestore | null {
  try {
    const { movedTo } = JSON.parse(readFileSync(noteOf(file), 'utf8')) as Partial<PendingRestore>;
    return typeof movedTo === 'string' && movedTo !== '' ? { movedTo: basename(movedTo) } : null;
  } catch {
    return null;
  }
}

/** From now on the restore will be finished, by this process or another one. */
export function announceRestore(file: string, pending: PendingRestore): void {
  replaceFile(noteOf(file), `${JSON.stringify(pending)}\n`);
}

/** Finishes what {@link announceRestore} announced; safe to repeat. Returns whether there was anything. The
 *  caller holds the engine's lock. Throws the errors of the file system. */
export function finishRestore(file: string): boolean {
  const pending = readPendingRestore(file);
  const part = restoringFileOf(file);
  if (pending !== null && existsSync(part)) {
    const aside = join(dirname(file), pending.movedTo);
    // Once the new mark has its place, the old one has left it.
    const isMarkNew = !existsSync(markFileOf(part));
    moveFiles(file, aside, { butTheMark: isMarkNew });
    if (!isMarkNew) renameSync(markFileOf(part), markFileOf(file));
    renameSync(part, file);
    syncFolderOf(file);
  }
  // Of the connection that prepared it, or of a copy that was never announced.
  for (const left of databaseFiles(part)) rmSync(left, { force: true });
  rmSync(`${markFileOf(part)}.new`, { force: true });
  rmSync(noteOf(file), { force: true });
  rmSync(`${noteOf(file)}.new`, { force: true });
  if (pending !== null) syncFolderOf(file);
  return pending !== null;
}

function noteOf(file: string): string {
  return `${file}.restore`;
}
