/** Names of files, compared. */

import { realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

/** The path by which a file that need not be there yet is known, whatever it is called. */
export function realPathOf(path: string): string {
  const file = resolve(path);
  for (const [folder, rest] of [
    [file, ''],
    [dirname(file), basename(file)],
  ] as const) {
    try {
      return join(realpathSync(folder), rest);
    } catch {
      // It is not there.
    }
  }
  return file;
}

/** Whether two names are of one file: the same path behind links, or two hard links. */
export function isSameFile(one: string, other: string): boolean {
  if (realPathOf(one) === realPathOf(other)) return true;
  const [a, b] = [statSync(one, { throwIfNoEntry: false }), statSync(other, { throwIfNoEntry: false })];
  return a !== undefined && b !== undefined && a.ino === b.ino && a.dev === b.dev;
}
