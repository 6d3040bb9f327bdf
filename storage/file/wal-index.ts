/** Reads the state of a write-ahead log from the shared memory beside a database (`FILE-shm`), without
 *  SQLite: to ask a connection would make it read the log, which may be damaged. Layout:
 *  https://sqlite.org/walformat.html, 2.2. */

import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { endianness } from 'node:os';

/** Bytes of the header that are needed; the second copy of the header follows the first. */
const HEADER_BYTES = 48;
/** Frames that were copied into the database: the first number after both headers. */
const COPIED_AT = 2 * HEADER_BYTES;
const SALTS_AT = 32;
const SALTS_BYTES = 8;
const LOG_SALTS_AT = 16;
const PAGE_SIZE_AT = 14;
const FRAMES_AT = 16;

const LOG_HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;

/** Whether the log is as long as the shared memory says it must be. An empty one is whole where a checkpoint
 *  has moved all of it into the database. False where that cannot be told. */
export function isLogWhole(file: string): boolean {
  const header = headerOf(`${file}-shm`);
  return header !== null && holdsFrames(file, header);
}

/** Whether a log that transactions depend on is gone or was cut short, by the shared memory that a killed
 *  process left. False where that cannot be told. To be asked before any connection opens the database: that
 *  rebuilds the shared memory. `bootMs`: when the machine was started, epoch milliseconds; shared memory
 *  from before may say less or more than what reached the disk. */
export function isLogCut(file: string, bootMs: number): boolean {
  const memory = statSync(`${file}-shm`, { throwIfNoEntry: false });
  if (memory === undefined || memory.mtimeMs < bootMs) return false;
  const header = headerOf(`${file}-shm`);
  if (header === null || header.copied >= header.frames || holdsFrames(file, header)) return false;
  const salts = saltsOf(`${file}-wal`);
  return salts === null || salts.equals(header.salts);
}

function holdsFrames(file: string, { frames, pageSize }: Header): boolean {
  if (frames === 0) return true;
  const bytes = statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  return bytes >= LOG_HEADER_BYTES + frames * (FRAME_HEADER_BYTES + pageSize);
}

interface Header {
  readonly frames: number;
  readonly copied: number;
  readonly pageSize: number;
  readonly salts: Buffer;
}

/** The salts, which differ from those of the log before; null where it has no header. */
function saltsOf(log: string): Buffer | null {
  const bytes = readStart(log, LOG_HEADER_BYTES);
  return bytes === null ? null : bytes.subarray(LOG_SALTS_AT, LOG_SALTS_AT + SALTS_BYTES);
}

/** Null where the file is not there, or shorter. */
function readStart(path: string, length: number): Buffer | null {
  const bytes = Buffer.alloc(length);
  let file: number | null = null;
  try {
    file = openSync(path, 'r');
    return readSync(file, bytes, 0, length, 0) < length ? null : bytes;
  } catch {
    return null;
  } finally {
    if (file !== null) closeSync(file);
  }
}

/** Null where both copies of the header differ: a writer is changing them. */
function headerOf(path: string): Header | null {
  const bytes = readStart(path, COPIED_AT + 4);
  if (bytes === null) return null;
  if (!bytes.subarray(0, HEADER_BYTES).equals(bytes.subarray(HEADER_BYTES, 2 * HEADER_BYTES))) return null;
  const isLittle = endianness() === 'LE';
  const number = (at: number) => (isLittle ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at));
  const size = isLittle ? bytes.readUInt16LE(PAGE_SIZE_AT) : bytes.readUInt16BE(PAGE_SIZE_AT);
  return {
    frames: number(FRAMES_AT),
    copied: number(COPIED_AT),
    // 1 stands for 65,536.
    pageSize: size === 1 ? 65_536 : size,
    salts: bytes.subarray(SALTS_AT, SALTS_AT + SALTS_BYTES),
  };
}
