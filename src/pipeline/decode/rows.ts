/** Decoding line by line, so that one bad line among good ones costs itself alone. */

import { csvHeader, csvRow, isHeader, type CsvOptions } from './csv.ts';
import { parseJson } from './json.ts';
import type { Line } from './line-splitter.ts';
import { decodeText } from './text.ts';

export type { CsvOptions } from './csv.ts';

/** Formats of one record a line. */
export type RowFormat = 'ndjson' | 'csv' | 'text';

export interface RowDecoder {
  /** The row's value in a list; an empty list for a row that is no record: an empty line, the header, also
   *  where it stands again.
   *  @throws HeadgateError HG_DECODE_FAILED with the number of the line. */
  decode(line: Line): readonly unknown[];
  /** False while the row that names the columns is still to come. */
  readonly ready: boolean;
}

export function rowDecoder(format: RowFormat, csv: CsvOptions = {}): RowDecoder {
  if (format === 'csv') return csvRows(csv);
  const toValues =
    format === 'text'
      ? (line: Line) => [decodeText(line.bytes, line.number)]
      : (line: Line) =>
          isBlank(line.bytes) ? [] : [parseJson(decodeText(line.bytes, line.number), line.number)];
  return { decode: toValues, ready: true };
}

function csvRows(options: CsvOptions): RowDecoder {
  let header: readonly string[] | null = null;
  return {
    decode({ bytes, number }) {
      if (isBlank(bytes)) return [];
      if (header !== null) {
        const row = csvRow(bytes, header, number, options);
        return isHeader(row, header) ? [] : [row];
      }
      header = csvHeader(bytes, number, options);
      return [];
    },
    get ready() {
      return header !== null;
    },
  };
}

/** Whether there is nothing but spaces, tabs and carriage returns. */
function isBlank(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);
}
