/** Opening a file that a source reads, with errors that say what to do. */

import { constants } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { HeadgateError, messageOf } from '../../../src/domain/errors.ts';
import type { SourceIo } from '../../../src/domain/source.ts';
import { fileIdentity } from '../../support/real-path.ts';
import { compressedBytes, isDecompressible, plainBytes, timeMs, type FileBytes } from './file-bytes.ts';
import { compressionOf } from './rotated-names.ts';

export interface OpenFile {
  /** The name by which it was opened. */
  readonly path: string;
  readonly inode: string;
  /** With its device; see `fileIdentity`. */
  readonly identity: string;
  readonly bytes: FileBytes;
  /** On the disk. */
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  readonly birthMs: number;
}

/** Opens a plain file.
 *  @throws HeadgateError HG_LINK_REFUSED (retry) where it is not there or may not be read, HG_OPTION_INVALID
 *  where it is no regular file. */
export function openFile(path: string): Promise<OpenFile> {
  return openAs(path, plainBytes);
}

/** Whether the content of a file of this name can be read: it is plain, or in a compression known here. */
export function isReadable(path: string): boolean {
  const suffix = compressionOf(path);
  return suffix === '' || isDecompressible(suffix);
}

/** Opens a rotated file, which may be compressed.
 *  @throws HeadgateError as {@link openFile}; HG_OPTION_INVALID where its compression is not known here. */
export function openRotated(path: string): Promise<OpenFile> {
  const suffix = compressionOf(path);
  if (suffix === '') return openFile(path);
  return openAs(path, (handle) => {
    const bytes = compressedBytes(handle, suffix);
    if (bytes !== null) return bytes;
    throw new HeadgateError(
      'HG_OPTION_INVALID',
      `its compression (${suffix}) is not supported; use gzip, zstd or brotli`,
      { details: { path } },
    );
  });
}

async function openAs(path: string, bytesOf: (handle: FileHandle) => FileBytes): Promise<OpenFile> {
  let handle: FileHandle | undefined;
  try {
    // Looked at before it is opened: opening some devices has effects of its own.
    if (!(await stat(path)).isFile()) throw notAFile(path);
    // A named pipe that took the place of the file meanwhile must not block the opening.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const facts = await handle.stat({ bigint: true });
    if (!facts.isFile()) throw notAFile(path);
    const { ino, size, mtimeNs, birthtimeNs } = facts;
    const bytes = bytesOf(handle);
    return {
      ...{ path, bytes, inode: String(ino), identity: fileIdentity(facts), sizeBytes: Number(size) },
      ...{ mtimeMs: timeMs(mtimeNs), birthMs: timeMs(birthtimeNs) },
    };
  } catch (error) {
    await handle?.close();
    throw openError(error, path);
  }
}

/** While a rotation is under way no file has the name. */
export function notThere(path: string): HeadgateError {
  return new HeadgateError(
    'HG_LINK_REFUSED',
    `the file "${path}" is being replaced; it is looked for again`,
    {
      details: { path },
    },
  );
}

function notAFile(path: string): HeadgateError {
  return new HeadgateError(
    'HG_OPTION_INVALID',
    `fileSource: option "path": "${path}" is not a regular file`,
    { details: { subject: 'fileSource', field: 'path' } },
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
    details: { path, ...(code === undefined ? {} : { reason: code }) },
  });
}

/** The file, if the engine does not write it itself: a link may have been turned onto one that it does.
 *  @throws HeadgateError HG_LINK_REFUSED (retry); the file is closed then. */
export async function requireForeign(
  io: Pick<SourceIo, 'ownFileProblem'>,
  file: OpenFile,
): Promise<OpenFile> {
  const problem = io.ownFileProblem?.(file.path, file.identity) ?? null;
  if (problem === null) return file;
  await file.bytes.close();
  throw new HeadgateError('HG_LINK_REFUSED', problem, { details: { path: file.path } });
}

/** The file, null where there is none of that name.
 *  @throws HeadgateError as {@link openFile} for a file that is there and cannot be read. */
export async function openIfThere(path: string): Promise<OpenFile | null> {
  try {
    return await openFile(path);
  } catch (error) {
    const reason = error instanceof HeadgateError ? error.details['reason'] : undefined;
    if (reason === 'ENOENT' || reason === 'ENOTDIR') return null;
    throw error;
  }
}

/** The inode that has the name now, null where there is none. */
export async function inodeOf(path: string): Promise<string | null> {
  try {
    return String((await stat(path, { bigint: true })).ino);
  } catch {
    return null;
  }
}
