/** The two formats a file sink writes. In both every record bears its key, and a file can be read from its
 *  beginning to where its last whole record ends. */

import { stringify } from 'csv-stringify/sync';
import { HeadgateError } from '../../../src/domain/errors.ts';
import type { OutboundRecord } from '../../../src/domain/sink.ts';
import { writeJson } from '../../../src/domain/json-text.ts';
import { withoutFormula } from '../../../src/domain/formula-text.ts';
import { fieldOf } from '../address-template.ts';
import { recordAsJson } from '../outbound-text.ts';

export interface FileFormat {
  /** What every file of the format begins with. */
  readonly start: string;
  /** The first line of a file, with its line break; empty where there is none. */
  readonly header: string;
  /** Whether a line break between double quotes belongs to a value. */
  readonly isQuoted: boolean;
  /** One record, with its line break. @throws HeadgateError HG_RECORD_UNSTORABLE */
  line(record: OutboundRecord): string;
  /** The key in the beginning of a record that {@link line} wrote; null where the text is none. */
  keyOf(head: string): string | null;
}

export const NDJSON: FileFormat = {
  start: '{"key":"',
  header: '',
  isQuoted: false,
  line: (record) => `${recordAsJson(record, 'record')}\n`,
  keyOf(head) {
    const [, text] = /^\{"key":("(?:[^"\\]|\\.)*")/.exec(head) ?? [];
    return text === undefined ? null : (JSON.parse(text) as string);
  },
};

export interface CsvFormatOptions {
  readonly columns: readonly string[];
  /** Whether an apostrophe stands before what a spreadsheet would take for a formula. */
  readonly escapeFormulas: boolean;
}

/** CSV (RFC 4180) with a header and the column `key` first, whether or not `columns` names it. */
export function csvFormat({ columns, escapeFormulas }: CsvFormatOptions): FileFormat {
  const names = ['key', ...columns.filter((name) => name !== 'key')];
  const shown = (name: string, text: string) =>
    // A key is read again, to know the record by.
    escapeFormulas && name !== 'key' ? withoutFormula(text) : text;
  const row = (values: readonly string[]) => stringify([values], { record_delimiter: 'unix' });
  return {
    start: 'key',
    header: row(names),
    isQuoted: true,
    line: (record) => row(names.map((name) => shown(name, cell(fieldOf(record, name))))),
    keyOf(head) {
      const [, quoted, plain] = /^(?:"((?:[^"]|"")*)"|([^",\r\n]+))[,\r\n]/.exec(head) ?? [];
      return quoted?.replaceAll('""', '"') ?? plain ?? null;
    },
  };
}

/** A value as the text of a cell. NUL marks what a power cut left of a file, and is not written.
 *  @throws HeadgateError HG_SINK_REFUSED where it holds half a surrogate pair. */
function cell(value: unknown): string {
  if (value === undefined || value === null) return '';
  const text = typeof value === 'string' ? value : writeJson(value);
  // As UTF-8 it would be other text. JSON writes it as an escape.
  if (!text.isWellFormed())
    throw new HeadgateError('HG_SINK_REFUSED', 'a text of it holds half a surrogate pair');
  return text.replaceAll('\0', '\uFFFD');
}
