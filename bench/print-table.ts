/** Measurements as a table for a person. */

import type { Output } from '../src/cli/output.ts';
import { createTable } from '../src/cli/table.ts';
import { rowOf, type BenchRow, type Measured } from './result.ts';

interface Line {
  readonly row: BenchRow;
  readonly measured: Measured;
}

const NUMBERS = new Intl.NumberFormat('en', { maximumSignificantDigits: 4 });

export async function printTable(measured: readonly Measured[], output: Output): Promise<void> {
  const table = createTable<Line>(
    [
      { title: 'benchmark', cell: ({ row }) => row.name },
      { title: 'value', cell: valueText, align: 'right' },
      { title: 'spread', cell: ({ measured: { values } }) => spread(values), align: 'right' },
      { title: 'reference', cell: ({ row }) => unlessSkipped(row, row.reference), align: 'right' },
      { title: '', cell: ({ row }) => row.referenceName },
      { title: 'ratio', cell: ({ row }) => unlessSkipped(row, row.ratio), align: 'right' },
      { title: 'bound', cell: boundText },
      {
        title: 'met',
        cell: ({ row }) => (row.skipped !== undefined ? 'skipped' : row.met ? 'yes' : 'NO'),
        style: ({ row }) => (row.met ? 'green' : 'red'),
      },
    ],
    output,
  );
  const rows = measured.map((one) => ({ row: rowOf(one), measured: one }));
  for (const { row } of rows) if (row.skipped !== undefined) output.note(`${row.name}: ${row.skipped}`);
  const lines = table.lines(rows);
  await output.write(`${lines.join('\n')}\n`);
}

function valueText({ row }: Line): string {
  return row.skipped === undefined ? `${NUMBERS.format(row.value)} ${row.unit}` : '';
}

function unlessSkipped({ skipped }: BenchRow, value: number): string {
  return skipped === undefined ? NUMBERS.format(value) : '';
}

/** Smallest and largest of several runs. */
function spread(values: readonly number[]): string {
  if (values.length < 2) return '';
  return `${NUMBERS.format(Math.min(...values))}–${NUMBERS.format(Math.max(...values))}`;
}

function boundText({ measured: { better, bound, unit } }: Line): string {
  const sign = better === 'higher' ? '≥' : '≤';
  return `${sign} ${NUMBERS.format(bound.limit)} ${bound.of === 'ratio' ? '× reference' : unit}`;
}
