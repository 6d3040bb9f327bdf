/** Reads a file that somebody named, whatever it turns out to be: never waits, never takes more memory than
 *  the limit, never opens what is no regular file. */

import { closeSync, constants, fstatSync, openSync, readSync, statSync, type Stats } from 'node:fs';
import { messageOf } from '../../src/domain/errors.ts';

export interface BoundedFileOptions {
  readonly bytesMax: number;
  /** The objection to its owner or mode, to follow its name; null: none. */
  readonly refuse?: (stat: Stats) => string | null;
}

/** Tells a version of a file from the next: another content has another one, also where a link leads
 *  elsewhere. */
export function fileVersion({ dev, ino, size, mtimeMs, ctimeMs }: Stats): string {
  return [dev, ino, size, mtimeMs, ctimeMs].join(' ');
}

/** Errors whose message goes on after the name of the file. */
class UnusableFile extends Error {}

/** The bytes of a file.
 *  @throws Error whose text, by {@link fileProblem}, goes on after the name of the file. */
export function readBoundedFile(path: string, { bytesMax, refuse }: BoundedFileOptions): Buffer {
  // Before it is opened: opening a device can make it act, and opening a pipe waits for its writer.
  requireRegular(statSync(path));
  // It may have become a pipe since.
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stat = fstatSync(descriptor);
    requireRegular(stat);
    const refusal = refuse?.(stat) ?? null;
    if (refusal !== null) throw new UnusableFile(refusal);
    if (stat.size > bytesMax) throw tooLarge(bytesMax);
    return readUpTo(descriptor, stat.size, bytesMax);
  } finally {
    closeSync(descriptor);
  }
}

/** A file can be longer than it says: those of /proc say that they are empty. */
function readUpTo(descriptor: number, expected: number, bytesMax: number): Buffer {
  const chunks: Buffer[] = [];
  let length = 0;
  let chunk = Buffer.allocUnsafe(Math.min(bytesMax, expected) + 1);
  for (;;) {
    const read = readSync(descriptor, chunk, 0, chunk.length, null);
    if (read === 0) return Buffer.concat(chunks, length);
    chunks.push(chunk.subarray(0, read));
    length += read;
    if (length > bytesMax) throw tooLarge(bytesMax);
    chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, bytesMax - length + 1));
  }
}

const CHUNK_BYTES = 64 * 1024;

/** The same as text. @throws as {@link readBoundedFile}; also where it is no UTF-8. */
export function readBoundedText(path: string, options: BoundedFileOptions): string {
  const bytes = readBoundedFile(path, options);
  const wide = wideEncodingOf(bytes);
  if (wide !== null) throw new UnusableFile(`is ${wide} text; save it as UTF-8`);
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
}

/** UTF-16 and UTF-32, by their marks or by the zeros that they put beside Latin letters. */
function wideEncodingOf(bytes: Buffer): string | null {
  const [a, b, c, d] = bytes;
  if ((a === 0xff && b === 0xfe && c === 0 && d === 0) || (a === 0 && b === 0 && c === 0xfe && d === 0xff))
    return 'UTF-32';
  if ((a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff)) return 'UTF-16';
  if (a === undefined || b === undefined || (a === 0) === (b === 0)) return null;
  const zeros = bytes.subarray(0, 64).filter((byte, index) => byte === 0 && index % 2 === (a === 0 ? 0 : 1));
  return zeros.length >= Math.min(bytes.length, 64) / 2 - 1 ? 'UTF-16' : null;
}

/** Whether there is a regular file that may be read, without opening it; else why not. */
export function regularFileProblem(path: string, bytesMax: number): string | null {
  try {
    const stat = statSync(path);
    requireRegular(stat);
    return stat.size > bytesMax ? tooLarge(bytesMax).message : null;
  } catch (error) {
    return fileProblem(error);
  }
}

function requireRegular(stat: Stats): void {
  const kind = stat.isDirectory()
    ? 'is a folder'
    : stat.isFIFO()
      ? 'is a named pipe'
      : stat.isSocket()
        ? 'is a socket'
        : stat.isCharacterDevice() || stat.isBlockDevice()
          ? 'is a device'
          : stat.isFile()
            ? null
            : 'is not a regular file';
  if (kind !== null) throw new UnusableFile(`${kind}; name a regular file`);
}

function tooLarge(bytesMax: number): UnusableFile {
  return new UnusableFile(`is larger than ${bytesMax} bytes`);
}

/** Why a file cannot be used, to go on after its name. */
export function fileProblem(error: unknown): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return 'does not exist';
    case 'EACCES':
    case 'EPERM':
      return 'may not be read by this process';
    case 'ELOOP':
      return 'is a symbolic link that leads to itself';
    case 'EMFILE':
    case 'ENFILE':
      return OPEN_FILES;
    case 'EAGAIN':
      return 'has nothing to read now; name a regular file';
    case 'ERR_ENCODING_INVALID_ENCODED_DATA':
      return 'is no UTF-8 text';
    default:
      return messageOf(error);
  }
}

const OPEN_FILES =
  'cannot be opened: as many files are open as this process may have; raise the limit (ulimit -n, ' +
  'LimitNOFILE)';
