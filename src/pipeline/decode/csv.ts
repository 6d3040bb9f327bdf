/** CSV (RFC 4180): commas, double quotes, the first row names the columns. Every field stays a string: a
 *  leading zero or a twenty-digit counter must not be lost on the way in; a transform makes numbers of what
 *  is known to be one. */

import { parse } from 'csv-parse/sync';
import { LIMITS } from '../../domain/limits.ts';
import type { HeadgateError } from '../../domain/errors.ts';
import { asDecodeError, decodeError, decodeText } from './text.ts';

export interface CsvOptions {
  /** A quote where none belongs is text. Default false: the row cannot be read. */
  readonly lenientQuotes?: boolean;
}

/** The fields of one row, given without its line end.
 *  @throws HeadgateError HG_DECODE_FAILED for a stray or unclosed quote. */
export function csvFields(text: string, line?: number, { lenientQuotes = false }: CsvOptions = {}): string[] {
  // csv-parse is dear to set up for a single row: what is well-formed is read here, the odd is left to it.
  const fields = text.includes('"') ? quotedFields(text) : text.split(',');
  if (fields !== null) return fields;
  if (lenientQuotes) return lenientFields(text);
  let rows: string[][];
  try {
    rows = parse(text, { record_delimiter: '\n', max_record_size: text.length + 1 });
  } catch (error) {
    throw quoteError(error, line);
  }
  const [row] = rows;
  if (row === undefined || rows.length !== 1) throw decodeError(UNCLOSED, line);
  return row;
}

const UNCLOSED = 'a quoted field is not closed';

/** The parser sees one row and counts its lines by itself; the line that helps is that of the file. */
function quoteError(error: unknown, line: number | undefined): HeadgateError {
  const { code, column } = error as { readonly code?: unknown; readonly column?: unknown };
  if (code === 'CSV_QUOTE_NOT_CLOSED') return decodeError(UNCLOSED, line, error);
  const isQuote = code === 'CSV_INVALID_CLOSING_QUOTE' || code === 'INVALID_OPENING_QUOTE';
  if (!isQuote || typeof column !== 'number') return asDecodeError(error, line);
  const where = `field ${column + 1} has a quote where none belongs`;
  return decodeError(`${where}; double it, or set csv.lenientQuotes`, line, error);
}

/** A field that is quoted as it should be is read as ever; in any other field quotes are text. */
function lenientFields(text: string): string[] {
  const fields: string[] = [];
  for (let from = 0; from <= text.length;) {
    const end = text[from] === '"' ? lenientEnd(text, from + 1) : -1;
    if (end >= 0) {
      fields.push(text.slice(from + 1, end).replaceAll('""', '"'));
      from = end + 2;
      continue;
    }
    const comma = text.indexOf(',', from);
    const to = comma < 0 ? text.length : comma;
    fields.push(text.slice(from, to));
    from = to + 1;
  }
  return fields;
}

function lenientEnd(text: string, from: number): number {
  const end = closingQuote(text, from);
  return end + 1 === text.length || text[end + 1] === ',' ? end : -1;
}

/** The fields of a row with quotes, null where a quote stands where none belongs. */
function quotedFields(text: string): string[] | null {
  const fields: string[] = [];
  for (let from = 0; ; from++) {
    const isQuoted = text[from] === '"';
    const to = isQuoted ? closingQuote(text, from + 1) : text.indexOf(',', from);
    if (isQuoted && to < 0) return null;
    const end = to < 0 ? text.length : to;
    const field = text.slice(isQuoted ? from + 1 : from, end);
    if (!isQuoted && field.includes('"')) return null;
    fields.push(isQuoted ? field.replaceAll('""', '"') : field);
    from = isQuoted ? end + 1 : end;
    if (from === text.length) return fields;
    if (text[from] !== ',') return null;
  }
}

/** The index of the quote that closes the field, doubled ones passed over; -1 if there is none. */
function closingQuote(text: string, from: number): number {
  for (let index = text.indexOf('"', from); index >= 0; index = text.indexOf('"', index + 2)) {
    if (text[index + 1] !== '"') return index;
  }
  return -1;
}

/** The names of the columns.
 *  @throws HeadgateError HG_DECODE_FAILED where one is empty or stands twice, or they are too long or too
 *  many: every record takes them with it. */
export function csvHeader(bytes: Uint8Array, line: number, options?: CsvOptions): readonly string[] {
  const { csvHeaderBytesMax, csvColumnsMax } = LIMITS;
  if (bytes.length > csvHeaderBytesMax) {
    throw decodeError(`the header has ${bytes.length} bytes; it may have ${csvHeaderBytesMax}`, line);
  }
  const names = csvFields(decodeText(bytes, line), line, options);
  if (names.length > csvColumnsMax) {
    throw decodeError(`the header has ${names.length} columns; it may have ${csvColumnsMax}`, line);
  }
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
export function csvRow(
  bytes: Uint8Array,
  header: readonly string[],
  line: number,
  options?: CsvOptions,
): Record<string, string> {
  const fields = csvFields(decodeText(bytes, line), line, options);
  if (fields.length !== header.length) {
    throw decodeError(`the row has ${fields.length} fields, the header ${header.length}`, line);
  }
  const row: Record<string, string> = {};
  for (const [index, name] of header.entries()) {
    const value = fields[index] ?? '';
    if (name === '__proto__') Object.defineProperty(row, name, { ...PLAIN, value });
    else row[name] = value;
  }
  return row;
}

/** Whether the row is the header once more: every field is the name of its column. Programs that append to
 *  a table write its header at each of their starts. */
export function isHeader(row: Readonly<Record<string, string>>, header: readonly string[]): boolean {
  return header.every((name) => row[name] === name);
}

/** Assigning to `__proto__` would reach the prototype; defined, it is a property like any other. */
const PLAIN = { enumerable: true, configurable: true, writable: true };
