/** Reads NDJSON: one JSON value a line, empty lines are none. Many lines are made text at once, since that is
 *  what most of the time would go to otherwise. */

import { isUtf8 } from 'node:buffer';
import { decodeError } from '../../pipeline/decode/text.ts';
import { addRecord, emptyChunk, isFullChunk, Rejecter, tooLarge } from './parsed-chunk.ts';
import type { BodyReader, ParsedChunk, ReaderOptions } from './parsed-chunk.ts';

const LINE_FEED = 0x0a;
const BYTE_ORDER_MARK = '\uFEFF';
/** A unit of a JavaScript string takes three bytes of UTF-8 at most. */
const UNIT_BYTES_MAX = 3;

export function ndjsonReader(options: ReaderOptions): BodyReader {
  return new NdjsonReader(options);
}

class NdjsonReader implements BodyReader {
  readonly #options: ReaderOptions;
  readonly #rejecter = new Rejecter();
  /** The line begun, as it came. */
  #begun: Buffer[] = [];
  #begunBytes = 0;
  /** The line begun is too long: it is passed over. */
  #isSkipping = false;
  #line = 1;

  constructor(options: ReaderOptions) {
    this.#options = options;
  }

  *push(chunk: Buffer): Iterable<ParsedChunk> {
    let rest = chunk;
    if (this.#isSkipping) {
      const index = rest.indexOf(LINE_FEED);
      if (index < 0) return;
      this.#isSkipping = false;
      this.#line++;
      rest = rest.subarray(index + 1);
    }
    const last = rest.lastIndexOf(LINE_FEED);
    if (last >= 0) {
      yield* this.#takeLines(this.#withBegun(rest.subarray(0, last)));
      rest = rest.subarray(last + 1);
    }
    const piece = emptyChunk();
    this.#begin(piece, rest);
    if (piece.rejections.length > 0) yield piece;
  }

  *end(): Iterable<ParsedChunk> {
    if (!this.#isSkipping && this.#begunBytes > 0) yield* this.#takeLines(this.#withBegun(null));
  }

  #withBegun(bytes: Buffer | null): Buffer {
    if (this.#begunBytes === 0) return bytes ?? Buffer.alloc(0);
    const parts = bytes === null ? this.#begun : [...this.#begun, bytes];
    this.#begun = [];
    this.#begunBytes = 0;
    return Buffer.concat(parts);
  }

  #begin(piece: ParsedChunk, bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#begun.push(bytes);
    this.#begunBytes += bytes.length;
    if (this.#begunBytes <= this.#options.recordBytesMax) return;
    this.#rejecter.reject(piece, this.#line, tooLarge(this.#options.recordBytesMax));
    this.#begun = [];
    this.#begunBytes = 0;
    this.#isSkipping = true;
  }

  *#takeLines(bytes: Buffer): Iterable<ParsedChunk> {
    let piece = emptyChunk();
    for (const line of isUtf8(bytes) ? bytes.toString('utf8').split('\n') : linesOf(bytes)) {
      this.#take(piece, line);
      if (!isFullChunk(piece)) continue;
      yield piece;
      piece = emptyChunk();
    }
    yield piece;
  }

  /** `raw`: null where it is no UTF-8. */
  #take(piece: ParsedChunk, raw: string | null): void {
    const line = this.#line++;
    const { recordBytesMax } = this.#options;
    try {
      if (raw === null) throw decodeError('not valid UTF-8; send UTF-8');
      const mayBeLong = raw.length * UNIT_BYTES_MAX > recordBytesMax;
      if (mayBeLong && Buffer.byteLength(raw) > recordBytesMax) throw tooLarge(recordBytesMax);
      const text = line === 1 && raw.startsWith(BYTE_ORDER_MARK) ? raw.slice(1) : raw;
      if (!isBlank(text)) addRecord(piece, text, line, this.#options);
    } catch (error) {
      this.#rejecter.reject(piece, line, error);
    }
  }
}

/** Line by line, so that only those which are no UTF-8 are refused: they are null. */
function* linesOf(bytes: Buffer): Iterable<string | null> {
  for (let from = 0; from <= bytes.length;) {
    const index = bytes.indexOf(LINE_FEED, from);
    const to = index < 0 ? bytes.length : index;
    const line = bytes.subarray(from, to);
    yield isUtf8(line) ? line.toString('utf8') : null;
    from = to + 1;
  }
}

/** Whether there is nothing but spaces, tabs and carriage returns. */
function isBlank(text: string): boolean {
  return text.length === 0 || (text.charCodeAt(0) <= 0x20 && /^[ \t\r]*$/.test(text));
}
