/** Reads CSV (RFC 4180): the first row names the columns, each further one is an object of strings. Without
 *  its header a table has no meaning: a bad one is told, and nothing of the rest is looked at.
 *
 *  A row takes the names of its columns with it, so that it is weighed as the record it will be, before one
 *  is made of it. */

import { crc32 } from 'node:zlib';
import { lineSplitter, type Line } from '../../pipeline/decode/line-splitter.ts';
import { rowDecoder } from '../../pipeline/decode/rows.ts';
import { asDecodeError } from '../../pipeline/decode/text.ts';
import { emptyChunk, isFullChunk, Rejecter, tooLarge } from './parsed-chunk.ts';
import type { BodyReader, ParsedChunk, ReaderOptions } from './parsed-chunk.ts';
import { weighRow } from './record-weight.ts';

/** Bytes that are split into lines at a time: a line of one byte costs more than a hundred while it waits. */
const SLICE_BYTES = 4_096;

/** Around a field and its name as JSON: `"name":"field",`. */
const FIELD_JSON_BYTES = 6;

export function csvReader(options: ReaderOptions): BodyReader {
  return new CsvReader(options);
}

class CsvReader implements BodyReader {
  readonly #options: ReaderOptions;
  readonly #splitter;
  readonly #rows = rowDecoder('csv');
  readonly #rejecter = new Rejecter();
  /** Of the columns, known from the first row: how many there are, and their bytes in every record. */
  #columns = 0;
  #namesBytes = 0;

  constructor(options: ReaderOptions) {
    this.#options = options;
    this.#splitter = lineSplitter({ lineBytesMax: options.recordBytesMax, csv: true });
  }

  *push(chunk: Buffer): Iterable<ParsedChunk> {
    for (let from = 0; from < chunk.length; from += SLICE_BYTES) {
      yield* this.#piecesOf(this.#splitter.push(chunk.subarray(from, from + SLICE_BYTES)));
    }
  }

  *end(): Iterable<ParsedChunk> {
    yield* this.#piecesOf(this.#splitter.end());
  }

  *#piecesOf(lines: readonly Line[]): Iterable<ParsedChunk> {
    let piece = emptyChunk();
    for (const line of lines) {
      this.#take(piece, line);
      if (!isFullChunk(piece)) continue;
      yield piece;
      piece = emptyChunk();
    }
    if (piece.values.length > 0 || piece.rejections.length > 0) yield piece;
  }

  #take(piece: ParsedChunk, line: Line): void {
    const { recordBytesMax, isMarked } = this.#options;
    try {
      const jsonBytes = line.bytes.length + this.#namesBytes;
      if (line.overlong || jsonBytes > recordBytesMax) throw tooLarge(recordBytesMax);
      for (const value of this.#rows.decode(line)) {
        piece.values.push(value);
        piece.lines.push(line.number);
        if (isMarked) piece.marks.push(crc32(line.bytes));
        piece.bytes += weighRow(jsonBytes, this.#columns);
        piece.jsonBytes += jsonBytes;
        if (this.#columns === 0) this.#learnColumns(value as object);
      }
    } catch (error) {
      this.#rejecter.reject(piece, line.number, asDecodeError(error));
      if (!this.#rows.ready) piece.isLast = true;
    }
  }

  #learnColumns(row: object): void {
    const names = Object.keys(row);
    this.#columns = names.length;
    this.#namesBytes = names.reduce((sum, name) => sum + name.length + FIELD_JSON_BYTES, 0);
  }
}
