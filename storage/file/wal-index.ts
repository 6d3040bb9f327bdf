/** Reads the state of a write-ahead log from the shared memory beside a database (`FILE-shm`), without
 *  SQLite: to ask a connection would make it read the log, which may be damaged. Layout:
 *  https://sqlite.org/walformat.html, 2.2. */

import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { endianness } from 'node:os';

/** Bytes of the header that are needed; the second copy of the header follows the first. */
const HEADER_BYTES = 48;
const PAGE_SIZE_AT = 14;
const FRAMES_AT = 16;

const LOG_HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;

/** Whether the log is as long as the shared memory says it must be. An empty one is whole where a checkpoint
 *  has moved all of it into the database. False where that cannot be told. */
export function isLogWhole(file: string): boolean {
  const header = headerOf(`${file}-shm`);
  if (header === null) return false;
  const { frames, pageSize } = header;
  if (frames === 0) return true;
  const bytes = statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  return bytes >= LOG_HEADER_BYTES + frames * (FRAME_HEADER_BYTES + pageSize);
}

/** Null where both copies of the header differ: a writer is changing them. */
function headerOf(path: string): { readonly frames: number; readonly pageSize: number } | null {
  const bytes = Buffer.alloc(2 * HEADER_BYTES);
  let file: number | null = null;
  try {
    file = openSync(path, 'r');
    if (readSync(file, bytes, 0, bytes.length, 0) < bytes.length) return null;
  } catch {
    return null;
  } finally {
    if (file !== null) closeSync(file);
  }
  if (!bytes.subarray(0, HEADER_BYTES).equals(bytes.subarray(HEADER_BYTES))) return null;
  const isLittle = endianness() === 'LE';
  const size = isLittle ? bytes.readUInt16LE(PAGE_SIZE_AT) : bytes.readUInt16BE(PAGE_SIZE_AT);
  const frames = isLittle ? bytes.readUInt32LE(FRAMES_AT) : bytes.readUInt32BE(FRAMES_AT);
  // 1 stands for 65,536.
  return { frames, pageSize: size === 1 ? 65_536 : size };
}
