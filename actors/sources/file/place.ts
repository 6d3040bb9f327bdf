/** Where a file source stands: in which file, how far. A name is not enough to know a file again, since logs
 *  are rotated by renaming and emptied in place; nor is the inode, which file systems give out anew. So a
 *  place carries the inode and a checksum over the first bytes of what was read. */

import { open, readdir, stat, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { HeadgateError, messageOf } from '../../../src/domain/errors.ts';

/** Bytes at the beginning of a file by which it is known again. */
const HEAD_BYTES_MAX = 256;

/** What a record's cursor says, as JSON. */
export interface FilePlace {
  readonly inode: string;
  /** Where the next line begins, in bytes. */
  readonly offset: number;
  /** The next line's number. */
  readonly line: number;
  /** CRC-32 over the first bytes before `offset`, at most {@link HEAD_BYTES_MAX}. */
  readonly headCrc: number;
}

export interface OpenFile {
  readonly handle: FileHandle;
  readonly inode: string;
  readonly sizeBytes: number;
}

/** The place behind a cursor, null where it is none of this kind. */
export function parsePlace(cursor: string | null): FilePlace | null {
  if (cursor === null) return null;
  try {
    const place = JSON.parse(cursor) as Partial<FilePlace> | null;
    const { inode, offset, line, headCrc } = place ?? {};
    if (typeof inode !== 'string' || !isCount(offset) || !isCount(line) || !isCount(headCrc)) return null;
    return { inode, offset, line, headCrc };
  } catch {
    return null;
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** @throws HeadgateError HG_LINK_REFUSED (retry) where it is not there or may not be read, HG_OPTION_INVALID
 *  where it is no regular file. */
export async function openFile(path: string): Promise<OpenFile> {
  let handle: FileHandle | undefined;
  try {
    // Looked at before it is opened: opening a named pipe would block until somebody writes to it.
    if (!(await stat(path)).isFile()) throw notAFile(path);
    handle = await open(path, 'r');
    const { ino, size } = await handle.stat({ bigint: true });
    return { handle, inode: String(ino), sizeBytes: Number(size) };
  } catch (error) {
    await handle?.close();
    throw openError(error, path);
  }
}

function notAFile(path: string): HeadgateError {
  return new HeadgateError(
    'HG_OPTION_INVALID',
    `fileSource: option "path": "${path}" is not a regular file`,
    {
      details: { subject: 'fileSource', field: 'path' },
    },
  );
}

function openError(error: unknown, path: string): HeadgateError {
  if (error instanceof HeadgateError) return error;
  const { code } = error as { code?: string };
  const problem =
    code === 'ENOENT' || code === 'ENOTDIR'
      ? 'does not exist; it is looked for again'
      : code === 'EACCES' || code === 'EPERM'
        ? 'may not be read; give this process the permission'
        : `cannot be opened: ${messageOf(error)}`;
  return new HeadgateError('HG_LINK_REFUSED', `the file "${path}" ${problem}`, {
    cause: error,
    details: { path },
  });
}

/** The inode that bears the name now, null if none does. */
export async function inodeOf(path: string): Promise<string | null> {
  try {
    return String((await stat(path, { bigint: true })).ino);
  } catch {
    return null;
  }
}

/** The first bytes of a file, as many as there are and are needed. */
export async function readHead(handle: FileHandle): Promise<Buffer> {
  const head = Buffer.alloc(HEAD_BYTES_MAX);
  const { bytesRead } = await handle.read(head, 0, HEAD_BYTES_MAX, 0);
  return head.subarray(0, bytesRead);
}

export function headCrc(head: Buffer, offset: number): number {
  return crc32(head.subarray(0, Math.min(offset, HEAD_BYTES_MAX)));
}

/** Whether `file` is the one `place` speaks of, and has not been written anew since. */
export async function isAt(file: OpenFile, place: FilePlace): Promise<boolean> {
  if (file.inode !== place.inode || file.sizeBytes < place.offset) return false;
  return headCrc(await readHead(file.handle), place.offset) === place.headCrc;
}

/** The file of `place` under another name beside `path`: `log.1` for what was `log`. Null where there is
 *  none. */
export async function findRenamed(path: string, place: FilePlace): Promise<OpenFile | null> {
  const folder = dirname(path);
  const name = basename(path);
  for (const sibling of await readdir(folder).catch(() => [])) {
    if (sibling === name || !sibling.startsWith(name)) continue;
    const siblingPath = join(folder, sibling);
    if ((await inodeOf(siblingPath)) !== place.inode) continue;
    const file = await openFile(siblingPath).catch(() => null);
    if (file === null) continue;
    if (await isAt(file, place)) return file;
    await file.handle.close();
  }
  return null;
}
