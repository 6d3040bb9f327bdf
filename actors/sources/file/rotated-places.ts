/** The entries of the option `rotated`: folders, and globs of files. Nothing here looks at the disk, but for
 *  the links in a path. */

// Not all by name: an old Node, which has no globs, is to reach the check of its version.
import paths, { basename, dirname, join, resolve } from 'node:path';
import { realPathOf } from '../../support/real-path.ts';
import { rotatedName } from './rotated-names.ts';

const GLOB = /[*?[{]/;

export function isGlob(place: string): boolean {
  return GLOB.test(place);
}

/** The folder that an entry leads to, absolute; of a glob the one above its first wildcard. */
export function folderOf(place: string): string {
  if (!isGlob(place)) return resolve(place);
  let folder = dirname(resolve(place));
  while (isGlob(folder)) folder = dirname(folder);
  return folder;
}

const CLOSING: Readonly<Record<string, string>> = { '[': ']', '{': '}' };

/** Why an entry cannot be meant so; null if it can. A bracket without its partner would stand for itself, and
 *  the glob would match no file. */
export function placeProblem(place: string): string | null {
  if (place.includes('\0')) return 'contains NUL, which no path may';
  const open: string[] = [];
  for (let at = 0; at < place.length; at++) {
    const char = place[at] as string;
    if (char === '\\') {
      if (++at === place.length)
        return 'ends with "\\", which quotes nothing; write "\\\\" for the character';
    } else if (char === '[') {
      // Of a class the first character stands for itself, also a "]".
      const negated = place[at + 1] === '!' || place[at + 1] === '^' ? 1 : 0;
      const end = place.indexOf(']', at + 2 + negated);
      if (end < 0) return unclosed(char);
      at = end;
    } else if (char === '{') open.push(char);
    else if (char === '}') open.pop();
  }
  const left = open.at(-1);
  return left === undefined ? null : unclosed(left);
}

function unclosed(char: string): string {
  return `has a "${char}" without its "${CLOSING[char]}"; close it, or write "\\${char}" for the character`;
}

/** Whether a source of the file `current` would take the file `path` for one that this entry names. */
export type PlaceTest = (path: string) => boolean;

/** `literal`: what every absolute path that matches begins with. */
export function placeMatcher(place: string, current: string): { literal: string; matches: PlaceTest } {
  const folder = folderOf(place);
  const real = realPathOf(join(folder, '.'));
  if (!isGlob(place)) {
    const name = basename(current);
    const matches = (path: string) => {
      const entry = basename(path);
      const isThere = dirname(path) === folder || dirname(path) === real;
      return isThere && (entry === name || rotatedName(entry, name) !== null);
    };
    return { literal: folder === real ? join(folder, '/') : '', matches };
  }
  const pattern = resolve(place);
  const behindLinks = join(real, pattern.slice(folder.length));
  return {
    literal: folder === real ? pattern.slice(0, pattern.search(/[*?[{\\]/)) : '',
    matches: (path) => paths.matchesGlob(path, pattern) || paths.matchesGlob(path, behindLinks),
  };
}
