/** Keeps the place behind each line while a file is read: the bytes by which the file is known again, and
 *  their checksums. The checksum of a place covers the bytes from shortly before the chunk that is being
 *  read up to the end of the line, so that each byte is summed up twice at most, however short the lines
 *  are. */

import { crc32 } from 'node:zlib';
import { HEAD_BYTES_MAX, TAIL_BYTES_MAX, type FilePosition, type Tail } from './file-position.ts';

export const CHUNK_BYTES = 64 * 1024;

export interface TrackerStart {
  readonly inode: string;
  readonly offset: number;
  readonly line: number;
  /** The first bytes of the file, at most `offset` of them. */
  readonly head: Buffer;
  /** The bytes before `offset`, at most {@link TAIL_BYTES_MAX}. */
  readonly tail: Buffer;
  /** The checksum of the place that the reading begins at, where it is known. */
  readonly known: Tail | null;
  readonly mtimeMs: number;
  readonly birthMs: number;
  readonly isBlank: boolean;
}

export class PlaceTracker {
  /** No record was read of the file yet. */
  isBlank: boolean;
  readonly #inode: string;
  readonly #birthMs: number;
  /** The bytes before the chunk, and the chunk: it begins at TAIL_BYTES_MAX. */
  readonly #window = Buffer.alloc(TAIL_BYTES_MAX + CHUNK_BYTES);
  #tailBytes: number;
  #head: Buffer;
  #mtimeMs: number;
  /** How far the file was read. */
  #offset: number;
  /** Where the chunk begins, how far of it is summed up, from where, and the sum. */
  #chunkFrom: number;
  #summedTo: number;
  #tail: Tail;
  /** The place behind the last line. */
  #done: { offset: number; line: number; tail: Tail };
  /** The constant beginning of a place's text; of a place within the head it is made for each. */
  #prefix: string | null = null;

  constructor(start: TrackerStart) {
    const { inode, offset, line, head, tail, known, mtimeMs, birthMs, isBlank } = start;
    this.isBlank = isBlank;
    this.#birthMs = birthMs;
    this.#inode = inode;
    this.#head = head;
    this.#mtimeMs = mtimeMs;
    this.#offset = this.#chunkFrom = this.#summedTo = offset;
    this.#tailBytes = tail.copy(this.#window, TAIL_BYTES_MAX - tail.length);
    this.#tail = { from: offset - tail.length, crc: crc32(tail) };
    this.#done = { offset, line, tail: known ?? this.#tail };
  }

  /** How far the file was read. */
  get offset(): number {
    return this.#offset;
  }

  /** Where the line after the last one begins. */
  get lineOffset(): number {
    return this.#done.offset;
  }

  get mtimeMs(): number {
    return this.#mtimeMs;
  }

  set mtimeMs(mtimeMs: number) {
    this.#mtimeMs = mtimeMs;
    this.#prefix = null;
  }

  /** Where the next chunk is to be put. */
  get target(): { readonly buffer: Buffer; readonly at: number } {
    return { buffer: this.#window, at: TAIL_BYTES_MAX };
  }

  /** Bytes that the file must hold if it is still the one that was read: those before the offset, and its
   *  first ones, as far as those do not hold them. */
  get expected(): { readonly tail: Buffer; readonly head: Buffer } {
    const tail = this.#window.subarray(TAIL_BYTES_MAX - this.#tailBytes, TAIL_BYTES_MAX);
    const isCovered = this.#tailBytes >= this.#offset;
    return { tail, head: isCovered ? NO_BYTES : this.#head };
  }

  /** Takes what was put at `target`. Returns it. */
  accept(bytesRead: number): Buffer {
    const chunk = this.#window.subarray(TAIL_BYTES_MAX, TAIL_BYTES_MAX + bytesRead);
    if (this.#head.length < HEAD_BYTES_MAX && this.#head.length === this.#offset) {
      this.#head = Buffer.concat([this.#head, chunk.subarray(0, HEAD_BYTES_MAX - this.#head.length)]);
    }
    this.#chunkFrom = this.#offset;
    this.#offset += bytesRead;
    return chunk;
  }

  /** Keeps the end of the chunk, whose lines have been used. */
  finishChunk(): void {
    const bytesRead = this.#offset - this.#chunkFrom;
    const kept = Math.min(this.#tailBytes + bytesRead, TAIL_BYTES_MAX);
    const end = TAIL_BYTES_MAX + bytesRead;
    this.#window.copyWithin(TAIL_BYTES_MAX - kept, end - kept, end);
    this.#tailBytes = kept;
    this.#chunkFrom = this.#summedTo = this.#offset;
    const tail = this.#window.subarray(TAIL_BYTES_MAX - kept, TAIL_BYTES_MAX);
    this.#tail = { from: this.#offset - kept, crc: crc32(tail) };
  }

  /** Whether the bytes before `endOffset` are here no more. */
  isBehind(endOffset: number): boolean {
    return endOffset < this.#summedTo;
  }

  /** A line has ended at `endOffset`; the next one has the number `line`. `tail`: where the bytes before it
   *  are here no more. */
  advance(endOffset: number, line: number, tail?: Tail): void {
    if (tail === undefined && endOffset > this.#summedTo) {
      const at = TAIL_BYTES_MAX - this.#chunkFrom;
      const crc = crc32(this.#window.subarray(at + this.#summedTo, at + endOffset), this.#tail.crc);
      this.#tail = { from: this.#tail.from, crc };
      this.#summedTo = endOffset;
    }
    this.#done = { offset: endOffset, line, tail: tail ?? this.#tail };
  }

  /** The place behind the last line. */
  get place(): FilePosition {
    const { offset, line, tail } = this.#done;
    const times = { mtimeMs: this.#mtimeMs, birthMs: this.#birthMs };
    const common = { inode: this.#inode, isBlank: this.isBlank, before: null };
    return { ...common, ...times, offset, line, tail, headCrc: this.#headCrc(offset) };
  }

  /** The same as JSON, without the brace at its end. */
  get text(): string {
    const { offset, line, tail } = this.#done;
    const prefix = this.#prefixFor(offset);
    const blank = this.isBlank ? ',"isBlank":true' : '';
    return `${prefix}${offset},"line":${line},"tailFrom":${tail.from},"tailCrc":${tail.crc}${blank}`;
  }

  #prefixFor(offset: number): string {
    if (this.#prefix !== null) return this.#prefix;
    const crc = this.#headCrc(offset);
    const times = `"mtimeMs":${this.#mtimeMs},"birthMs":${this.#birthMs}`;
    const prefix = `{"inode":"${this.#inode}",${times},"headCrc":${crc},"offset":`;
    if (offset >= HEAD_BYTES_MAX) this.#prefix = prefix;
    return prefix;
  }

  #headCrc(offset: number): number {
    return crc32(this.#head.subarray(0, offset));
  }
}

const NO_BYTES = Buffer.alloc(0);
