/** Reads JSON: one value is one record; of a list, each item is one. A list may be longer than memory: its
 *  items are found by their commas and brackets, and each is parsed by itself. An item that is no JSON costs
 *  itself alone; where brackets or quotes do not fit, all that follows may be of that item. */

import { HeadgateError } from '../../domain/errors.ts';
import { decodeText } from '../../pipeline/decode/text.ts';
import { addRecord, emptyChunk, isFullChunk, Rejecter, tooLarge } from './parsed-chunk.ts';
import type { BodyReader, ParsedChunk, ReaderOptions } from './parsed-chunk.ts';

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_LIST = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

export function jsonReader(options: ReaderOptions): BodyReader {
  return new JsonReader(options);
}

/** `start`: before the first byte that counts. `whole`: no list. `after`: behind the end of the list. */
type Place = 'start' | 'whole' | 'list' | 'after';

class JsonReader implements BodyReader {
  readonly #options: ReaderOptions;
  readonly #rejecter = new Rejecter();
  #place: Place = 'start';
  #offset = 0;
  /** Bytes of a byte order mark that the body begins with. */
  #markBytes = 0;
  /** Of the item begun: its bytes so far, whether they are more than it may have, how deep it stands. */
  #begun: Buffer[] = [];
  #begunBytes = 0;
  #isSkipping = false;
  #depth = 0;
  #isQuoted = false;
  #isEscaped = false;
  #item = 1;

  constructor(options: ReaderOptions) {
    this.#options = options;
  }

  *push(chunk: Buffer): Iterable<ParsedChunk> {
    let from = 0;
    if (this.#place === 'start') from = this.#findStart(chunk);
    while (this.#place === 'list' && from < chunk.length) {
      const piece = emptyChunk();
      from = this.#takeItems(piece, chunk, from);
      yield piece;
    }
    const piece = emptyChunk();
    if (this.#place === 'after') this.#takeAfter(piece, chunk, from);
    if (this.#place === 'whole') this.#begin(piece, chunk.subarray(from));
    this.#offset += chunk.length;
    yield piece;
  }

  *end(): Iterable<ParsedChunk> {
    const piece = emptyChunk();
    if (this.#place === 'whole' || this.#place === 'start') this.#endItem(piece);
    if (this.#place === 'list') {
      const message = 'the body ends within the list: what follows the last whole item is missing';
      this.#reject(piece, message);
      // Any number of records may be missing: the answer must not be that of a whole list.
      piece.failure = new HeadgateError('HG_DECODE_FAILED', message);
    }
    yield piece;
  }

  /** Where the value begins; the length of the chunk if it does not yet. */
  #findStart(chunk: Buffer): number {
    for (let index = 0; index < chunk.length; index++) {
      const byte = chunk[index] as number;
      if (this.#isOfMark(byte, this.#offset + index)) continue;
      if (this.#markBytes > 0 && this.#markBytes < BYTE_ORDER_MARK.length) {
        // Half a mark is no UTF-8: what follows is refused for it.
        this.#begun.push(BYTE_ORDER_MARK.subarray(0, this.#markBytes));
        this.#begunBytes += this.#markBytes;
        this.#place = 'whole';
        return index;
      }
      if (isSpace(byte)) continue;
      this.#place = byte === OPEN_LIST ? 'list' : 'whole';
      return byte === OPEN_LIST ? index + 1 : index;
    }
    return chunk.length;
  }

  #isOfMark(byte: number, place: number): boolean {
    if (place !== this.#markBytes || BYTE_ORDER_MARK[place] !== byte) return false;
    this.#markBytes++;
    return true;
  }

  /** Returns where the list ends, or the piece is full; the length of the chunk if neither. */
  #takeItems(piece: ParsedChunk, chunk: Buffer, start: number): number {
    let from = start;
    for (let index = start; index < chunk.length; index++) {
      const byte = chunk[index] as number;
      if (this.#isQuoted) {
        if (this.#isEscaped) this.#isEscaped = false;
        else if (byte === BACKSLASH) this.#isEscaped = true;
        else if (byte === QUOTE) this.#isQuoted = false;
      } else if (byte === QUOTE) {
        this.#isQuoted = true;
      } else if (byte === OPEN_OBJECT || byte === OPEN_LIST) {
        this.#depth++;
      } else if (this.#depth > 0) {
        if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) this.#depth--;
      } else if (byte === COMMA || byte === CLOSE_LIST) {
        this.#begin(piece, chunk.subarray(from, index));
        const isEmptyList = byte === CLOSE_LIST && this.#item === 1 && this.#isBlank();
        if (!isEmptyList) this.#endItem(piece);
        from = index + 1;
        if (byte === CLOSE_LIST) this.#place = 'after';
        if (byte === CLOSE_LIST || isFullChunk(piece)) return from;
      }
    }
    this.#begin(piece, chunk.subarray(from));
    return chunk.length;
  }

  #takeAfter(piece: ParsedChunk, chunk: Buffer, from: number): void {
    if (chunk.subarray(from).every(isSpace)) return;
    this.#reject(piece, 'there is more behind the end of the list');
    piece.isLast = true;
  }

  #begin(piece: ParsedChunk, bytes: Buffer): void {
    if (bytes.length === 0 || this.#isSkipping) return;
    this.#begun.push(bytes);
    this.#begunBytes += bytes.length;
    if (this.#begunBytes <= this.#options.recordBytesMax) return;
    this.#rejecter.reject(piece, this.#item, tooLarge(this.#options.recordBytesMax));
    this.#begun = [];
    this.#begunBytes = 0;
    this.#isSkipping = true;
  }

  #isBlank(): boolean {
    return !this.#isSkipping && this.#begun.every((bytes) => bytes.every(isSpace));
  }

  #endItem(piece: ParsedChunk): void {
    const item = this.#item++;
    const parts = this.#begun;
    const wasSkipped = this.#isSkipping;
    this.#begun = [];
    this.#begunBytes = 0;
    this.#isSkipping = false;
    if (wasSkipped) return;
    try {
      const text = decodeText(parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts));
      addRecord(piece, text, item, this.#options);
    } catch (error) {
      this.#rejecter.reject(piece, item, error);
    }
  }

  #reject(piece: ParsedChunk, message: string): void {
    if (!this.#isSkipping) {
      this.#rejecter.reject(piece, this.#item, new HeadgateError('HG_DECODE_FAILED', message));
    }
  }
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}
