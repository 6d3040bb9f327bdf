/** What a reader makes of one chunk of a body: records, and what could not become one. */

import { HeadgateError } from '../../domain/errors.ts';
import { LIMITS } from '../../domain/limits.ts';
import { isDeeperThan, parseShallow } from '../../pipeline/decode/json.ts';

/** One record that was not taken, or several in a row. */
export interface Rejection {
  /** The line where it begins, from 1; of a JSON list, the number of its item. */
  readonly line: number;
  /** Where it is several. */
  readonly lastLine?: number;
  readonly code: string;
  readonly message: string;
}

/** The lists grow together: `lines[i]` and `marks[i]` belong to `values[i]`. */
export interface Piece {
  readonly values: unknown[];
  readonly lines: number[];
  /** What tells one record's text from another's; empty where nobody asks. */
  readonly marks: number[];
  readonly rejections: Rejection[];
  /** The rest of the body is of no use: it is not read on. */
  isLast: boolean;
  /** Why the whole body is refused. */
  failure: HeadgateError | null;
}

export function emptyPiece(): Piece {
  return { values: [], lines: [], marks: [], rejections: [], isLast: false, failure: null };
}

/** Makes records of a body that comes in chunks; how it was cut into them changes nothing. Holds one record
 *  of `recordBytesMax` at most, and the chunk it was given. Never throws for what the body holds. */
export interface BodyReader {
  push(chunk: Buffer): Piece;
  /** What is left at the end of the body. */
  end(): Piece;
}

export interface ReaderOptions {
  readonly recordBytesMax: number;
  readonly depthMax: number;
  /** Whether `marks` are wanted. */
  readonly isMarked: boolean;
}

/** Takes rejections down and knows when there are too many. */
export class Rejecter {
  #count = 0;

  reject(piece: Piece, line: number, error: unknown): void {
    const { code, message } = error as HeadgateError;
    piece.rejections.push({ line, code, message });
    if (++this.#count >= LIMITS.ingestRejectionsMax) piece.isLast = true;
  }
}

/** @throws HeadgateError HG_DECODE_FAILED, HG_RECORD_TOO_DEEP */
export function recordOf(text: string, depthMax: number): unknown {
  if (isDeeperThan(depthMax, text)) {
    throw new HeadgateError('HG_RECORD_TOO_DEEP', `nested deeper than ${depthMax} levels`);
  }
  return parseShallow(text);
}

export function tooLarge(recordBytesMax: number): HeadgateError {
  return new HeadgateError('HG_RECORD_TOO_LARGE', `longer than ${recordBytesMax} bytes`);
}
