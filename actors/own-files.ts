/** The files that an engine writes. A source that read one of them would feed the engine with its own output,
 *  for as long as the disk lasts. */

import { basename, dirname, extname, join } from 'node:path';
import { isSameFile, realPathOf } from './real-path.ts';

/** What stands beside a database. */
const DATABASE_SUFFIXES = ['', '-wal', '-shm', '-journal', '-mark', '-lock'];

/** What a file sink calls the files that it puts aside, between stem and extension. */
const ROTATED = /^\.\d{6,15}\.\d{8}T\d{6}Z$/;

const FILE_CLAIM = 'file:';

/** The file behind a sink's claim, null where it claims none. */
export function claimedFile(claim: string | undefined): string | null {
  return claim?.startsWith(FILE_CLAIM) === true ? claim.slice(FILE_CLAIM.length) : null;
}

/** Whether `path` is the database `file`, or what SQLite and the engine keep beside it. */
export function isOfDatabase(path: string, file: string): boolean {
  return DATABASE_SUFFIXES.some((suffix) => isSameFile(path, `${realPathOf(file)}${suffix}`));
}

/** Whether `path` is the output of a file sink, or one of its rotated files. */
export function isOfFileSink(path: string, output: string): boolean {
  if (isSameFile(path, output)) return true;
  const [read, written] = [realPathOf(path), realPathOf(output)];
  const extension = extname(written);
  const stem = basename(written, extension);
  const name = basename(read);
  if (dirname(read) !== dirname(written) || !name.startsWith(stem) || !name.endsWith(extension)) return false;
  return ROTATED.test(name.slice(stem.length, name.length - extension.length));
}

/** Whether `path` lies in the folder of the timeline's archive. */
export function isOfArchive(path: string, folder: string): boolean {
  return dirname(realPathOf(path)) === realPathOf(join(folder, '.'));
}
