/** Where a file that was being written ends: behind its last whole record. What a crash left behind that is
 *  no record: a torn line, or blocks of zeros where a power cut came between the length of the file and its
 *  content. And which records are there, by how they begin. */

import type { FileHandle } from 'node:fs/promises';

export interface FileTail {
  /** Where the last whole record ends, bytes. */
  readonly end: number;
  /** The first line, its line break included; null where there is none. */
  readonly first: string | null;
  /** How the last whole records begin, the header among them, oldest first. */
  readonly heads: readonly string[];
}

const CHUNK_BYTES = 256 * 1024;
/** What is kept of a record: its key stands there. */
const HEAD_BYTES_MAX = 512;
/** What is kept of the first line, which may be a header. */
const FIRST_BYTES_MAX = 64 * 1024;
const QUOTE = 0x22;
const NEWLINE = 0x0a;

/** Reads the file from its beginning. `isQuoted`: a line break between double quotes ends no record.
 *  `headsMax`: of so many of the last records the head is told, or of somewhat more. */
export async function readTail(handle: FileHandle, isQuoted: boolean, headsMax: number): Promise<FileTail> {
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  const scan = new TailScan(isQuoted, headsMax);
  for (let at = 0; ;) {
    const { bytesRead } = await handle.read(chunk, 0, CHUNK_BYTES, at);
    const zero = chunk.subarray(0, bytesRead).indexOf(0);
    scan.push(chunk.subarray(0, zero < 0 ? bytesRead : zero), at);
    at += bytesRead;
    if (bytesRead === 0 || zero >= 0) return scan.tail();
  }
}

class TailScan {
  readonly #isQuoted: boolean;
  readonly #headsMax: number;
  #end = 0;
  #first: string | null = null;
  #heads: Buffer[] = [];
  /** Of the record that has begun. */
  #head: Buffer = Buffer.alloc(0);
  #isInQuotes = false;

  constructor(isQuoted: boolean, headsMax: number) {
    this.#isQuoted = isQuoted;
    this.#headsMax = headsMax;
  }

  push(bytes: Buffer, at: number): void {
    for (let begin = 0; begin < bytes.length;) {
      const newline = this.#isQuoted ? this.#endOfQuoted(bytes, begin) : bytes.indexOf(NEWLINE, begin);
      const end = newline < 0 ? bytes.length : newline + 1;
      const room = (this.#first === null ? FIRST_BYTES_MAX : HEAD_BYTES_MAX) - this.#head.length;
      this.#head = Buffer.concat([
        this.#head,
        bytes.subarray(begin, Math.min(end, begin + Math.max(room, 0))),
      ]);
      if (newline >= 0) this.#recordEnded(at + end);
      begin = end;
    }
  }

  tail(): FileTail {
    return { end: this.#end, first: this.#first, heads: this.#heads.map((head) => head.toString('utf8')) };
  }

  #recordEnded(end: number): void {
    this.#end = end;
    this.#first ??= this.#head.toString('utf8');
    this.#heads.push(this.#head);
    this.#head = Buffer.alloc(0);
    if (this.#heads.length >= 2 * this.#headsMax) this.#heads = this.#heads.slice(this.#headsMax);
  }

  /** A quote within a value is doubled: it closes and opens again. */
  #endOfQuoted(bytes: Buffer, begin: number): number {
    for (let index = begin; index < bytes.length; index++) {
      const byte = bytes[index];
      if (byte === QUOTE) this.#isInQuotes = !this.#isInQuotes;
      else if (byte === NEWLINE && !this.#isInQuotes) return index;
    }
    return -1;
  }
}
