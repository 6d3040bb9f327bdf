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

/** The number of a file on its device, which all of its names share. */
export function fileIdentity({ dev, ino }: { dev: number | bigint; ino: number | bigint }): string {
  return `${dev}:${ino}`;
}

/** By what a file is known: its path behind links, and its number on its device, which hard links share. Two
 *  names that have one of these in common are of one file. */
export function identitiesOf(path: string): string[] {
  const stat = statSync(path, { throwIfNoEntry: false });
  return [realPathOf(path), ...(stat === undefined ? [] : [fileIdentity(stat)])];
}
