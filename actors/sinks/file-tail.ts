/** Where a file that was being written ends: behind its last whole record. What a crash left behind that is
 *  no record: a torn line, or blocks of zeros where a power cut came between the length of the file and its
 *  content. */

import type { FileHandle } from 'node:fs/promises';
import type { FileFormat } from './file-formats.ts';

export interface FileTail {
  /** Where the last whole record ends, bytes. */
  readonly end: number;
  /** The last whole record as text, its line break included; null where there is none. */
  readonly last: string | null;
  /** The first line as text, its line break included; null where there is none. */
  readonly first: string | null;
}

const CHUNK_BYTES = 256 * 1024;
const QUOTE = 0x22;
const NEWLINE = 0x0a;

/** Reads the file from its beginning. */
export async function readTail(handle: FileHandle, { isQuoted }: FileFormat): Promise<FileTail> {
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  /** Ends of the first, the last and the last but one record. */
  const ends = { first: 0, last: 0, before: 0 };
  let inQuotes = false;
  for (let at = 0; ;) {
    const { bytesRead } = await handle.read(chunk, 0, CHUNK_BYTES, at);
    const zero = chunk.subarray(0, bytesRead).indexOf(0);
    const length = zero < 0 ? bytesRead : zero;
    inQuotes = isQuoted
      ? quotedEnds(chunk.subarray(0, length), at, inQuotes, ends)
      : (plainEnds(chunk.subarray(0, length), at, ends), false);
    at += bytesRead;
    if (bytesRead === 0 || zero >= 0) break;
  }
  return {
    end: ends.last,
    last: ends.last === 0 ? null : await textOf(handle, ends.before, ends.last),
    first: ends.first === 0 ? null : await textOf(handle, 0, ends.first),
  };
}

interface Ends {
  first: number;
  last: number;
  before: number;
}

function endAt(ends: Ends, end: number): void {
  if (ends.first === 0) ends.first = end;
  ends.before = ends.last;
  ends.last = end;
}

/** Of lines without quotes only the first, the last and the last but one matter. */
function plainEnds(bytes: Buffer, at: number, ends: Ends): void {
  const last = bytes.lastIndexOf(NEWLINE);
  if (last < 0) return;
  const before = last === 0 ? -1 : bytes.lastIndexOf(NEWLINE, last - 1);
  if (ends.first === 0) ends.first = at + bytes.indexOf(NEWLINE) + 1;
  if (before >= 0) ends.last = at + before + 1;
  ends.before = ends.last;
  ends.last = at + last + 1;
}

/** Whether a value is still open at the end of `bytes`. */
function quotedEnds(bytes: Buffer, at: number, inQuotes: boolean, ends: Ends): boolean {
  let open = inQuotes;
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index];
    // A quote within a value is doubled: it closes and opens again.
    if (byte === QUOTE) open = !open;
    else if (byte === NEWLINE && !open) endAt(ends, at + index + 1);
  }
  return open;
}

async function textOf(handle: FileHandle, from: number, to: number): Promise<string> {
  const bytes = Buffer.alloc(to - from);
  const { bytesRead } = await handle.read(bytes, 0, bytes.length, from);
  return bytes.toString('utf8', 0, bytesRead);
}
