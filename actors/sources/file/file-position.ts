/** A position in a file, as a record's cursor holds it. A name is not enough to find a file again, because
 *  logs are rotated by renaming and emptied in place. The inode is not enough either, because file systems
 *  give it out again. So a place carries the inode, a checksum of the first bytes, and a checksum of the
 *  bytes before the position: a file that was rewritten in place differs in at least one of them. */

import { crc32 } from 'node:zlib';
import type { FileBytes } from './file-bytes.ts';

/** Bytes at the beginning of a file that identify it. */
export const HEAD_BYTES_MAX = 256;
/** Bytes before the position that are compared at every read. */
export const TAIL_BYTES_MAX = 4096;
/** Bytes that the second checksum of a place may cover: a damaged cursor must not have gigabytes read. */
const TAIL_SPAN_MAX = 1024 * 1024;

/** Places of files before that a cursor holds: of blank ones, the last that was not. */
export const BEFORE_DEPTH_MAX = 8;

/** The bytes before a position: where they begin, and their CRC-32. */
export interface Tail {
  readonly from: number;
  readonly crc: number;
}

/** What a record's cursor says, as JSON. */
export interface FilePosition {
  readonly inode: string;
  /** Where the next line begins, in bytes (of the content, where the file is compressed). */
  readonly offset: number;
  /** The next line's number. */
  readonly line: number;
  /** CRC-32 of the first bytes before `offset`, at most {@link HEAD_BYTES_MAX}. */
  readonly headCrc: number;
  /** Null in cursors that an earlier version stored. */
  readonly tail: Tail | null;
  /** The file was last written at this time or later, epoch milliseconds; null as above. */
  readonly mtimeMs: number | null;
  /** When the file was made, epoch milliseconds: tells it from a later one with the same inode. Null where
   *  the cursor is of an earlier version. */
  readonly birthMs: number | null;
  /** No record was read of the file: a header alone does not tell it from others. */
  readonly isBlank: boolean;
  /** Where the reading of the file before this one ended. That file may still grow for a while. */
  readonly before: FilePosition | null;
}

/** The place that a cursor holds, null where it holds none. */
export function parsePlace(cursor: string | null): FilePosition | null {
  if (cursor === null) return null;
  try {
    return placeOf(JSON.parse(cursor), BEFORE_DEPTH_MAX);
  } catch {
    return null;
  }
}

function placeOf(value: unknown, depth: number): FilePosition | null {
  const stored = (value ?? {}) as Readonly<Record<string, unknown>>;
  const { inode, offset, line, headCrc, tailFrom, tailCrc, mtimeMs, birthMs } = stored;
  if (typeof inode !== 'string' || !isCount(offset) || !isCount(line) || !isCount(headCrc)) return null;
  const hasTail = isCount(tailFrom) && isCount(tailCrc);
  if (hasTail && (tailFrom > offset || offset - tailFrom > TAIL_SPAN_MAX)) return null;
  return {
    ...{ inode, offset, line, headCrc },
    tail: hasTail ? { from: tailFrom, crc: tailCrc } : null,
    ...{ mtimeMs: timeOrNull(mtimeMs), birthMs: timeOrNull(birthMs) },
    isBlank: stored['isBlank'] === true,
    before: depth === 0 ? null : placeOf(stored['before'], depth - 1),
  };
}

function timeOrNull(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Reads `length` bytes from `offset`, fewer where the file ends before.
 *  @throws HeadgateError HG_DECODE_FAILED where a compressed file is damaged. */
export async function readBytes(bytes: FileBytes, offset: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  let filled = 0;
  while (filled < length) {
    const bytesRead = await bytes.read(buffer, filled, length - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

/** Whether the content is the one that `place` was taken of: it reaches to the position at least, and both
 *  checksums agree. */
export async function holdsPlace(bytes: FileBytes, place: FilePosition): Promise<boolean> {
  const { offset, tail } = place;
  const head = await readBytes(bytes, 0, Math.min(offset, HEAD_BYTES_MAX));
  if (head.length < Math.min(offset, HEAD_BYTES_MAX) || crc32(head) !== place.headCrc) return false;
  const isKnown = tail !== null && tail.from < offset;
  // The file must reach to the position in any case.
  const from = isKnown ? tail.from : Math.max(offset - 1, 0);
  const block = await readBytes(bytes, from, offset - from);
  return block.length === offset - from && (!isKnown || crc32(block) === tail.crc);
}

/** The place as JSON. */
export function textOf(place: FilePosition): string {
  return JSON.stringify(storedPlace(place));
}

function storedPlace({ before, tail, isBlank, ...place }: FilePosition): object {
  return {
    ...place,
    ...(isBlank ? { isBlank } : {}),
    ...(tail === null ? {} : { tailFrom: tail.from, tailCrc: tail.crc }),
    ...(before === null ? {} : { before: storedPlace(before) }),
  };
}

/** The place with so many of the places before it at most. */
export function shortened(place: FilePosition | null, depth: number): FilePosition | null {
  if (place === null || depth === 0) return null;
  return { ...place, before: shortened(place.before, depth - 1) };
}
