/** CSV (RFC 4180): commas, double quotes, the first row names the columns. Every field stays a string: a leading zero
 *  or a twenty-digit counter must not be lost on the way in; a transform makes numbers of what is known to be one. */

import { parse } from 'csv-parse/sync';
import { asDecodeError, decodeError, decodeText } from './text.ts';

/** The fields of one row, given without its line end.
 *  @throws HeadgateError HG_DECODE_FAILED for a stray or unclosed quote. */
export function csvFields(text: string, line?: number): string[] {
  // Without a quote there is nothing to interpret; csv-parse's set-up is dear for a single row.
  if (!text.includes('"')) return text.split(',');
  let rows: string[][];
  try {
    rows = parse(text, { record_delimiter: '\n', max_record_size: text.length + 1, skip_empty_lines: false });
  } catch (error) {
    throw asDecodeError(error, line);
  }
  const [row] = rows;
  if (row === undefined || rows.length !== 1) throw decodeError('a quoted field is broken', line);
  return row;
}

/** The names of the columns.
 *  @throws HeadgateError HG_DECODE_FAILED where one is empty or stands twice. */
export function csvHeader(bytes: Uint8Array, line: number): readonly string[] {
  const names = csvFields(decodeText(bytes, line), line);
  const seen = new Set<string>();
  for (const [index, name] of names.entries()) {
    if (name.trim() === '') throw decodeError(`column ${index + 1} of the header has no name`, line);
    if (seen.has(name)) throw decodeError(`column "${name}" stands twice in the header`, line);
    seen.add(name);
  }
  return names;
}

/** One row as an object, its fields under the names of `header`.
 *  @throws HeadgateError HG_DECODE_FAILED where the row has more or fewer fields. */
export function csvRow(bytes: Uint8Array, header: readonly string[], line: number): Record<string, string> {
  const fields = csvFields(decodeText(bytes, line), line);
  if (fields.length !== header.length) {
    throw decodeError(`the row has ${fields.length} fields, the header ${header.length}`, line);
  }
  // fromEntries defines properties, so that a column named `__proto__` is one like any other.
  return Object.fromEntries(header.map((name, index) => [name, fields[index] ?? '']));
}
