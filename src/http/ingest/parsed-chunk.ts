/** What a reader makes of one chunk of a body: records, and what could not become one. */

import { crc32 } from 'node:zlib';
import { HeadgateError } from '../../domain/errors.ts';
import { LIMITS } from '../../domain/limits.ts';
import { parseShallow } from '../../pipeline/decode/json.ts';
import { weighText } from './record-weight.ts';

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
export interface ParsedChunk {
  readonly values: unknown[];
  readonly lines: number[];
  /** What tells one record's text from another's; empty where nobody asks. */
  readonly marks: number[];
  readonly rejections: Rejection[];
  /** Memory that the values take until they are stored, estimated. */
  bytes: number;
  /** How long they are as JSON, about. */
  jsonBytes: number;
  /** The rest of the body is of no use: it is not read on. */
  isLast: boolean;
  /** Why the whole body is refused. */
  failure: HeadgateError | null;
}

export function emptyChunk(): ParsedChunk {
  return {
    values: [],
    lines: [],
    marks: [],
    rejections: [],
    bytes: 0,
    jsonBytes: 0,
    isLast: false,
    failure: null,
  };
}

/** Makes records of a body that comes in chunks; how it was cut into them changes nothing. Holds one record
 *  of `recordBytesMax` at most, and the chunk it was given. Never throws for what the body holds.
 *
 *  A few bytes of a body can come to many records, so that they are given in pieces of at most
 *  `ingestPieceBytesMax`, or one record. A piece is made when it is asked for, and not before: ask while
 *  there is room for it. Behind a piece that is the last, or bears a failure, nothing is to be asked for. */
export interface BodyReader {
  push(chunk: Buffer): Iterable<ParsedChunk>;
  /** What is left at the end of the body. */
  end(): Iterable<ParsedChunk>;
  /** Bytes of the body that it keeps until its end. */
  readonly heldBytes?: number;
}

/** Whether no more should be added to a piece. */
export function isFullChunk({ bytes, isLast }: ParsedChunk): boolean {
  return isLast || bytes >= LIMITS.ingestPieceBytesMax;
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

  reject(piece: ParsedChunk, line: number, error: unknown): void {
    const { code, message } = error as HeadgateError;
    piece.rejections.push({ line, code, message });
    if (++this.#count >= LIMITS.ingestRejectionsMax) piece.isLast = true;
  }
}

/** Adds the record of a JSON text.
 *  @throws HeadgateError HG_DECODE_FAILED, HG_RECORD_TOO_DEEP */
export function addRecord(
  piece: ParsedChunk,
  text: string,
  line: number,
  { depthMax, isMarked }: ReaderOptions,
): void {
  const weight = weighText(text, depthMax);
  if (weight < 0) throw new HeadgateError('HG_RECORD_TOO_DEEP', `nested deeper than ${depthMax} levels`);
  piece.values.push(parseShallow(text));
  piece.lines.push(line);
  if (isMarked) piece.marks.push(crc32(text));
  piece.bytes += weight;
  piece.jsonBytes += text.length;
}

export function tooLarge(recordBytesMax: number): HeadgateError {
  return new HeadgateError('HG_RECORD_TOO_LARGE', `longer than ${recordBytesMax} bytes`);
}
