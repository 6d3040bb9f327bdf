/** Reads CSV (RFC 4180): the first row names the columns, each further one is an object of strings. Without
 *  its header a table has no meaning: a bad one is told, and nothing of the rest is looked at. */

import { crc32 } from 'node:zlib';
import { lineSplitter, type Line } from '../../pipeline/decode/line-splitter.ts';
import { rowDecoder } from '../../pipeline/decode/rows.ts';
import { asDecodeError } from '../../pipeline/decode/text.ts';
import { emptyPiece, Rejecter, tooLarge, type BodyReader, type Piece, type ReaderOptions } from './piece.ts';

export function csvReader({ recordBytesMax, isMarked }: ReaderOptions): BodyReader {
  const splitter = lineSplitter({ lineBytesMax: recordBytesMax, csv: true });
  const rows = rowDecoder('csv');
  const rejecter = new Rejecter();

  const take = (piece: Piece, line: Line): void => {
    try {
      if (line.overlong) throw tooLarge(recordBytesMax);
      for (const value of rows.decode(line)) {
        piece.values.push(value);
        piece.lines.push(line.number);
        if (isMarked) piece.marks.push(crc32(line.bytes));
      }
    } catch (error) {
      rejecter.reject(piece, line.number, asDecodeError(error));
      if (!rows.ready) piece.isLast = true;
    }
  };
  const pieceOf = (lines: readonly Line[]): Piece => {
    const piece = emptyPiece();
    for (const line of lines) if (!piece.isLast) take(piece, line);
    return piece;
  };
  return { push: (chunk) => pieceOf(splitter.push(chunk)), end: () => pieceOf(splitter.end()) };
}
