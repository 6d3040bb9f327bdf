/** Rows as CSV (RFC 4180). */

import { stringify } from 'csv-stringify/sync';
import type { CsvOptions } from './csv-options.ts';
import { withoutFormula } from '../domain/formula-text.ts';

export type CsvCell = string | number | null;

export function csvText(
  rows: readonly (readonly CsvCell[])[],
  { escapeFormulas = false }: CsvOptions,
): string {
  if (rows.length === 0) return '';
  const shown = (cell: CsvCell) => (typeof cell === 'string' ? withoutFormula(cell) : cell);
  return stringify(rows.map((row) => (escapeFormulas ? row.map(shown) : [...row])));
}
