/** One name per database file: the lock beside it works only if all ways to write the path lead to the same
 *  name. */

import { readlinkSync, realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { HeadgateError } from '../../src/domain/errors.ts';

export const IN_MEMORY = ':memory:';

/** Links followed by hand before they are taken for a circle. */
const LINKS_MAX = 40;

/** Whether the path asks for a database without a file. */
export function isInMemory(path: string): boolean {
  return path.trim() === IN_MEMORY;
}

/** The absolute path of a database file that need not exist yet, symbolic links followed, even one whose
 *  target is still to be made. Blanks around the path go, as better-sqlite3 drops them too.
 *  @throws HeadgateError HG_OPTION_INVALID for an empty path, HG_STORAGE_READONLY where the folder is
 *  missing. */
export function canonicalPath(path: string): string {
  const trimmed = path.trim();
  if (trimmed === '') {
    throw new HeadgateError('HG_OPTION_INVALID', 'timeline.path: is empty; name a file or ":memory:"', {
      details: { option: 'timeline.path' },
    });
  }
  let file = resolve(trimmed);
  for (let links = 0; links < LINKS_MAX; links++) {
    const real = realPath(file);
    if (real !== undefined) return real;
    const folder = realPath(dirname(file));
    if (folder === undefined) {
      const message = `${file}: the folder ${dirname(file)} does not exist; create it or choose another path`;
      throw new HeadgateError('HG_STORAGE_READONLY', message, { details: { file } });
    }
    const target = linkTarget(file);
    if (target === undefined) return join(folder, basename(file));
    file = resolve(folder, target);
  }
  throw new HeadgateError('HG_STORAGE_READONLY', `${trimmed}: its symbolic links lead round in a circle`, {
    details: { file: trimmed },
  });
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync.native(path);
  } catch {
    return undefined;
  }
}

function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
