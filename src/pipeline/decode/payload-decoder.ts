/** Hands the payloads of a source to the engine so that of many rows in one payload only the bad ones are
 *  lost: good rows go in as records, a few at a time, bad ones as dead letters of their own. */

import type { HeadgateError } from '../../domain/errors.ts';
import { LIMITS } from '../../domain/limits.ts';
import type { RecordMeta } from '../../domain/record.ts';
import type { DecodeFunction, SourceIo } from '../../domain/source.ts';
import { decoderFor, type PayloadFormat } from './decoder.ts';
import { lineSplitter } from './line-splitter.ts';
import { rowDecoder, type RowFormat } from './rows.ts';
import { asDecodeError, decodeError } from './text.ts';

type Intake = Pick<SourceIo, 'emitAll' | 'receive' | 'readSucceeded'>;

export interface PayloadDecoder {
  /** For the source's spec: refuses what `receive` found bad, decodes anything else. */
  readonly decode: DecodeFunction;
  /** Hands in one payload. Gives after each piece of it whether there is room for more: where it says false,
   *  await `io.room()` before going on. To be iterated to its end. */
  receive(io: Intake, payload: Uint8Array, meta?: RecordMeta): Iterable<boolean>;
}

export interface PayloadDecoderOptions {
  readonly format: PayloadFormat;
  /** `each`: what the format decodes to must be lists, each element of which is a record. */
  readonly items?: 'whole' | 'each';
}

export function payloadDecoder({ format, items = 'whole' }: PayloadDecoderOptions): PayloadDecoder {
  const rejections = decodeErrorReporter(decoderFor(format));
  if (format === 'ndjson' || format === 'csv') {
    return {
      decode: rejections.decode,
      receive: (io, payload, meta) => receiveRows(format, rejections, io, payload, meta),
    };
  }
  if (items === 'each') {
    return {
      decode: rejections.decode,
      receive: (io, payload, meta) => receiveItems(format, rejections, io, payload, meta),
    };
  }
  return { decode: rejections.decode, receive: (io, payload, meta) => [io.receive(payload, meta)] };
}

/** A decoder that also knows of pieces found bad elsewhere: the engine asks for the decoding of such a piece
 *  and is told why it failed, with the line it had in the whole. */
export interface DecodeErrorReporter {
  readonly decode: DecodeFunction;
  /** Hands in `payload` as a dead letter that bears `error`. */
  reject(
    io: Pick<SourceIo, 'receive'>,
    payload: Uint8Array,
    error: HeadgateError,
    meta?: RecordMeta,
  ): boolean;
}

export function decodeErrorReporter(decode: DecodeFunction): DecodeErrorReporter {
  const known = new WeakMap<Uint8Array, HeadgateError>();
  return {
    decode(payload, contentType) {
      const error = known.get(payload);
      if (error !== undefined) throw error;
      const values: unknown = decode(payload, contentType);
      if (Array.isArray(values)) return values;
      throw decodeError('the decode function must return a list of values; it must not be async');
    },
    reject(io, payload, error, meta) {
      // A copy, since a line is but a view that soon shows something else.
      const piece = payload.slice();
      known.set(piece, error);
      return io.receive(piece, meta);
    },
  };
}

function* receiveRows(
  format: RowFormat,
  rejections: DecodeErrorReporter,
  io: Intake,
  payload: Uint8Array,
  meta?: RecordMeta,
): Iterable<boolean> {
  const rows = rowDecoder(format);
  const splitter = lineSplitter({ lineBytesMax: payload.length, csv: format === 'csv' });
  let good: unknown[] = [];
  let handedIn = 0;
  for (const line of [...splitter.push(payload), ...splitter.end()]) {
    try {
      for (const value of rows.decode(line)) good.push(value);
    } catch (error) {
      if (good.length > 0) yield io.emitAll(good, meta);
      handedIn += good.length + 1;
      good = [];
      // Without its header a table has no meaning: it is one dead letter, not one for each row.
      const whole = !rows.ready;
      yield rejections.reject(io, whole ? payload : line.bytes, asDecodeError(error, line.number), meta);
      if (whole) return;
    }
    if (good.length >= LIMITS.mergeQuantumRecords) {
      yield io.emitAll(good, meta);
      handedIn += good.length;
      good = [];
    }
  }
  if (good.length > 0) yield io.emitAll(good, meta);
  else if (handedIn === 0) io.readSucceeded();
}

function* receiveItems(
  format: PayloadFormat,
  rejections: DecodeErrorReporter,
  io: Intake,
  payload: Uint8Array,
  meta?: RecordMeta,
): Iterable<boolean> {
  let items: readonly unknown[];
  try {
    items = decoderFor(format)(payload, meta?.contentType).flatMap(listOf);
  } catch (error) {
    yield rejections.reject(io, payload, asDecodeError(error), meta);
    return;
  }
  for (let index = 0; index < items.length; index += LIMITS.mergeQuantumRecords) {
    yield io.emitAll(items.slice(index, index + LIMITS.mergeQuantumRecords), meta);
  }
  if (items.length === 0) io.readSucceeded();
}

function listOf(value: unknown): readonly unknown[] {
  if (!Array.isArray(value))
    throw decodeError('not a list, though items is "each"; set items to "whole" to take it as one');
  return value;
}
