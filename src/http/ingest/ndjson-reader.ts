/** Reads NDJSON: one JSON value a line, empty lines are none. Many lines are made text at once, since that is
 *  what most of the time would go to otherwise. */

import { isUtf8 } from 'node:buffer';
import { crc32 } from 'node:zlib';
import { decodeError } from '../../pipeline/decode/text.ts';
import { emptyPiece, recordOf, Rejecter, tooLarge, type BodyReader, type Piece } from './piece.ts';
import type { ReaderOptions } from './piece.ts';

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

  push(chunk: Buffer): Piece {
    const piece = emptyPiece();
    let rest = chunk;
    if (this.#isSkipping) {
      const index = rest.indexOf(LINE_FEED);
      if (index < 0) return piece;
      this.#isSkipping = false;
      this.#line++;
      rest = rest.subarray(index + 1);
    }
    const last = rest.lastIndexOf(LINE_FEED);
    if (last >= 0) {
      this.#takeLines(piece, this.#withBegun(rest.subarray(0, last)));
      rest = rest.subarray(last + 1);
    }
    this.#begin(piece, rest);
    return piece;
  }

  end(): Piece {
    const piece = emptyPiece();
    if (!this.#isSkipping && this.#begunBytes > 0) this.#takeLines(piece, this.#withBegun(null));
    return piece;
  }

  #withBegun(bytes: Buffer | null): Buffer {
    if (this.#begunBytes === 0) return bytes ?? Buffer.alloc(0);
    const parts = bytes === null ? this.#begun : [...this.#begun, bytes];
    this.#begun = [];
    this.#begunBytes = 0;
    return Buffer.concat(parts);
  }

  #begin(piece: Piece, bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#begun.push(bytes);
    this.#begunBytes += bytes.length;
    if (this.#begunBytes <= this.#options.recordBytesMax) return;
    this.#rejecter.reject(piece, this.#line, tooLarge(this.#options.recordBytesMax));
    this.#begun = [];
    this.#begunBytes = 0;
    this.#isSkipping = true;
  }

  #takeLines(piece: Piece, bytes: Buffer): void {
    if (!isUtf8(bytes)) this.#takeStrictly(piece, bytes);
    else for (const line of bytes.toString('utf8').split('\n')) this.#take(piece, line);
  }

  /** Line by line, so that only those which are no UTF-8 are refused. */
  #takeStrictly(piece: Piece, bytes: Buffer): void {
    for (let from = 0; from <= bytes.length && !piece.isLast;) {
      const index = bytes.indexOf(LINE_FEED, from);
      const to = index < 0 ? bytes.length : index;
      const line = bytes.subarray(from, to);
      if (isUtf8(line) || line.length > this.#options.recordBytesMax)
        this.#take(piece, line.toString('utf8'));
      else this.#rejecter.reject(piece, this.#line++, decodeError('not valid UTF-8; send UTF-8'));
      from = to + 1;
    }
  }

  #take(piece: Piece, raw: string): void {
    if (piece.isLast) return;
    const line = this.#line++;
    const { recordBytesMax, depthMax, isMarked } = this.#options;
    const mayBeLong = raw.length * UNIT_BYTES_MAX > recordBytesMax;
    if (mayBeLong && Buffer.byteLength(raw) > recordBytesMax) {
      this.#rejecter.reject(piece, line, tooLarge(recordBytesMax));
      return;
    }
    const text = line === 1 && raw.startsWith(BYTE_ORDER_MARK) ? raw.slice(1) : raw;
    if (isBlank(text)) return;
    try {
      piece.values.push(recordOf(text, depthMax));
    } catch (error) {
      this.#rejecter.reject(piece, line, error);
      return;
    }
    piece.lines.push(line);
    if (isMarked) piece.marks.push(crc32(text));
  }
}

/** Whether there is nothing but spaces, tabs and carriage returns. */
function isBlank(text: string): boolean {
  return text.length === 0 || (text.charCodeAt(0) <= 0x20 && /^[ \t\r]*$/.test(text));
}
