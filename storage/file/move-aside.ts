/** Gives a database that is not to be used any more another name, so that nothing of it is lost. */

import { existsSync, renameSync } from 'node:fs';
import { basename } from 'node:path';
import { syncFolderOf } from './durable-file.ts';

/** The files of a database: the log goes along under the name SQLite looks for, so that what can still be
 *  read can be read together. */
const SUFFIXES = ['', '-wal', '-shm', '-journal', '-mark'] as const;

/** The files of a database, whether or not they are there. */
export function databaseFiles(file: string): string[] {
  return SUFFIXES.map((suffix) => file + suffix);
}

/** A name that is free for it. */
export function asideName(file: string, why: 'damaged' | 'replaced' | 'lost', nowMs: number): string {
  const stem = `${file}.${why}-${Math.round(nowMs)}`;
  let target = stem;
  for (let copy = 2; databaseFiles(target).some((name) => existsSync(name)); copy++)
    target = `${stem}-${copy}`;
  return target;
}

/** Renames the database and its journals and returns the new file name, without its folder. */
export function moveAside(file: string, why: 'damaged' | 'replaced' | 'lost', nowMs: number): string {
  const target = asideName(file, why, nowMs);
  moveFiles(file, target);
  syncFolderOf(file);
  return basename(target);
}

/** Renames what there is of a database. Safe to repeat. */
export function moveFiles(file: string, target: string, { butTheMark = false } = {}): void {
  for (const suffix of SUFFIXES) {
    if (suffix === '-mark' && butTheMark) continue;
    if (existsSync(file + suffix)) renameSync(file + suffix, target + suffix);
  }
}
