/** A message of an ingest WebSocket: `{ "id": 7, "records": [ … ] }`, or a first line `{ "id": 7 }` and a
 *  record as JSON in each further one. */

import { crc32 } from 'node:zlib';
import { errorFacts, HeadgateError } from '../../domain/errors.ts';
import { writeJson } from '../../domain/json-text.ts';
import { isDeeperThan, parseJson, parseShallow } from '../../pipeline/decode/json.ts';
import { decodeText } from '../../pipeline/decode/text.ts';
import { ndjsonReader } from './ndjson-reader.ts';
import { emptyChunk, type ParsedChunk, type ReaderOptions } from './parsed-chunk.ts';
import { RECORD_WEIGHT, weighText } from './record-weight.ts';

export interface SocketMessage {
  readonly id: number;
  /** Its lines count the records, from 1. */
  readonly piece: ParsedChunk;
}

const LINE_FEED = 0x0a;
/** The message itself, and its list. */
const LEVELS_AROUND = 2;

/** @throws HeadgateError HG_INGEST_PROTOCOL where there is no id to answer to. */
export function readMessage(bytes: Buffer, options: ReaderOptions): SocketMessage {
  const lineEnd = bytes.indexOf(LINE_FEED);
  const head = lineEnd < 0 ? null : headOf(bytes.subarray(0, lineEnd));
  if (head !== null) return { id: head, piece: readLines(bytes.subarray(lineEnd + 1), options) };
  const text = textOf(bytes);
  const mayBeDeep = isDeeperThan(options.depthMax + LEVELS_AROUND, text);
  const message = jsonOf(text, mayBeDeep);
  const { id, records } = message as { id?: unknown; records?: unknown };
  if (!Array.isArray(records) || !isId(id)) {
    throw protocolError('a message must be { "id": number, "records": [ … ] }');
  }
  const piece = readRecords(records, mayBeDeep, options);
  piece.bytes = weighText(text, Infinity) + RECORD_WEIGHT * piece.values.length;
  return { id, piece };
}

/** The id where a line is nothing but that. */
function headOf(line: Buffer): number | null {
  const text = line.toString('utf8');
  if (!/^\s*\{\s*"id"\s*:\s*\d+\s*\}\s*$/.test(text)) return null;
  const { id } = JSON.parse(text) as { id: number };
  return isId(id) ? id : null;
}

function readLines(bytes: Buffer, options: ReaderOptions): ParsedChunk {
  const reader = ndjsonReader(options);
  const whole = emptyChunk();
  for (const pieces of [reader.push(bytes), reader.end()]) {
    for (const piece of pieces) {
      for (const value of piece.values) whole.values.push(value);
      for (const line of piece.lines) whole.lines.push(line);
      for (const mark of piece.marks) whole.marks.push(mark);
      for (const rejection of piece.rejections) whole.rejections.push(rejection);
      whole.bytes += piece.bytes;
    }
  }
  return whole;
}

/** `mayBeDeep`: the message as a whole is deeper than it would be if every record were as deep as it may. */
function readRecords(
  records: readonly unknown[],
  mayBeDeep: boolean,
  { depthMax, isMarked }: ReaderOptions,
): ParsedChunk {
  const piece = emptyChunk();
  for (let line = 1; line <= records.length; line++) {
    const record = records[line - 1];
    if (mayBeDeep && isDeeperThan(depthMax, writeJson(record))) {
      const message = `nested deeper than ${depthMax} levels`;
      piece.rejections.push({ line, code: 'HG_RECORD_TOO_DEEP', message });
      continue;
    }
    piece.values.push(record);
    piece.lines.push(line);
    if (isMarked) piece.marks.push(crc32(writeJson(record)));
  }
  return piece;
}

function isId(id: unknown): id is number {
  return Number.isSafeInteger(id) && (id as number) >= 0;
}

function textOf(bytes: Buffer): string {
  try {
    return decodeText(bytes);
  } catch (error) {
    throw protocolError(errorFacts(error).message);
  }
}

function jsonOf(text: string, mayBeDeep: boolean): object {
  let value: unknown;
  try {
    value = mayBeDeep ? parseJson(text) : parseShallow(text);
  } catch (error) {
    throw protocolError(`a message cannot be read: ${errorFacts(error).message}`);
  }
  if (typeof value === 'object' && value !== null) return value;
  throw protocolError('a message must be an object');
}

export function protocolError(message: string): HeadgateError {
  return new HeadgateError('HG_INGEST_PROTOCOL', message);
}
