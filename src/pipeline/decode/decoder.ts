/** Makes records of a payload: what the option `decode` of a source means.
 *
 *  - `json`: the payload is one JSON value, one record.
 *  - `ndjson`: one JSON value a line; empty lines are no records.
 *  - `csv`: the first row names the columns, each further row is an object of strings.
 *  - `text`: the payload is one string.
 *  - `bytes`: the payload is one binary frame; the record's data is a list of frames, here of one.
 *  - a function: `(payload, contentType) => values`, one record each.
 *
 *  Text is UTF-8, with or without a byte order mark. A payload is decoded as a whole or refused as a whole; a
 *  source whose payloads hold many rows goes through payload-decoder.ts, where a bad row costs itself alone.
 */

import type { DecodeFunction } from '../../domain/source.ts';
import { lineSplitter } from './line-splitter.ts';
import { parseJson } from './json.ts';
import { rowDecoder, type RowFormat } from './rows.ts';
import { decodeText } from './text.ts';

export type PayloadFormat = 'json' | 'ndjson' | 'csv' | 'text' | 'bytes' | DecodeFunction;

/** The function behind a `decode` option. What it throws for a bad payload is a HeadgateError
 *  HG_DECODE_FAILED, for formats of several lines with `details.line`; a function of the user's may throw
 *  anything. */
export function decoderFor(format: PayloadFormat): DecodeFunction {
  if (typeof format === 'function') return format;
  switch (format) {
    case 'json':
      return (payload) => [parseJson(decodeText(payload))];
    case 'text':
      return (payload) => [decodeText(payload)];
    case 'bytes':
      // A copy: the payload may be a small piece of a large buffer that it would keep alive.
      return (payload) => [[new Uint8Array(payload)]];
    case 'ndjson':
    case 'csv':
      return (payload) => decodeRows(format, payload);
  }
}

function decodeRows(format: RowFormat, payload: Uint8Array): unknown[] {
  const rows = rowDecoder(format);
  const values: unknown[] = [];
  const splitter = lineSplitter({ lineBytesMax: payload.length, csv: format === 'csv' });
  for (const lines of [splitter.push(payload), splitter.end()]) {
    for (const line of lines) for (const value of rows.decode(line)) values.push(value);
  }
  return values;
}
