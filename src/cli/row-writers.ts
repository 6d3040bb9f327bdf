/** The three shapes rows are written in: one JSON document, NDJSON while following, a table for a person. */

import { printableJson } from '../domain/printable-text.ts';
import type { Row } from '../../storage/reading/timeline-reader.ts';
import type { Output } from './output.ts';
import { createTable, type Column } from './table.ts';

export interface RowWriter {
  rows(rows: readonly Row[]): Promise<void>;
  end(): Promise<void>;
}

/** `{"rows":[…]}`, a row a line, so that a log of any length can be written and compared line by line. */
export function jsonDocumentWriter(output: Output): RowWriter {
  let separator = '{"rows":[\n';
  return {
    async rows(rows) {
      if (rows.length === 0) return;
      const text = rows.map((row) => printableJson(JSON.stringify(row))).join(',\n');
      await output.write(separator + text);
      separator = ',\n';
    },
    end: () => output.write(separator === ',\n' ? '\n]}\n' : '{"rows":[]}\n'),
  };
}

export function ndjsonWriter(output: Output): RowWriter {
  return {
    async rows(rows) {
      if (rows.length > 0)
        await output.write(rows.map((row) => `${printableJson(JSON.stringify(row))}\n`).join(''));
    },
    end: () => Promise.resolve(),
  };
}

/** `nothing` is said on stderr where there was no row at all. */
export function tableWriter(columns: readonly Column<Row>[], output: Output, nothing: string): RowWriter {
  const table = createTable(columns, output);
  let empty = true;
  return {
    async rows(rows) {
      if (rows.length === 0) return;
      empty = false;
      await output.write(`${table.lines(rows).join('\n')}\n`);
    },
    async end() {
      if (empty) output.note(nothing);
    },
  };
}
