/** Gives a database that is not to be used any more another name, so that nothing of it is lost. */

import { existsSync, renameSync } from 'node:fs';
import { basename } from 'node:path';

/** Renames the database and its journals and returns the new file name, without its folder. The log goes
 *  along under the name SQLite looks for, so that what can still be read can be read together. */
export function moveAside(file: string, why: 'damaged' | 'replaced', nowMs: number): string {
  const stem = `${file}.${why}-${Math.round(nowMs)}`;
  let target = stem;
  for (let copy = 2; existsSync(target); copy++) target = `${stem}-${copy}`;
  for (const suffix of ['', '-wal', '-shm', '-journal', '-mark']) {
    if (existsSync(file + suffix)) renameSync(file + suffix, target + suffix);
  }
  return basename(target);
}
