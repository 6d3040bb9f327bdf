/** The sources of a run as rows of a live view, and the tables beside them. */

import type { SourceHealth } from '../domain/health.ts';
import type { Output } from './output.ts';
import { stateColour } from './readable.ts';
import { createTable, type Column } from './table.ts';

export const INDENT = '  ';
const ROWS_MAX = 12;

/** A row for each source, as many as a view has room for. */
export function sourceLines(sources: readonly SourceHealth[], output: Output): string[] {
  const shown = sources.slice(0, ROWS_MAX);
  const isNarrow = output.columns !== null && output.columns < WIDE_COLUMNS;
  const columns = isNarrow ? SOURCE_COLUMNS.filter(({ title }) => !SPARED.includes(title)) : SOURCE_COLUMNS;
  const lines = indentedTable(columns, shown, output);
  if (sources.length > shown.length) lines.push(`${INDENT}and ${sources.length - shown.length} more`);
  return lines;
}

/** A table two columns from the left, and one short of the right: a full last line would make a terminal
 *  scroll. */
export function indentedTable<Item>(
  columns: readonly Column<Item>[],
  items: readonly Item[],
  output: Output,
): string[] {
  const room = output.columns === null ? null : output.columns - INDENT.length - 1;
  return createTable(columns, { ...output, columns: room })
    .lines(items)
    .map((line) => INDENT + line);
}

/** From so many columns on, a source's row is shown whole; without those spared it fits into 60. */
const WIDE_COLUMNS = 78;
const SPARED = ['type', 'waiting', 'errors'];

const SOURCE_COLUMNS: readonly Column<SourceHealth>[] = [
  { title: 'source', cell: (source) => source.sourceId, shrinks: true },
  { title: 'type', cell: (source) => source.type },
  { title: 'state', cell: (source) => source.state, style: (source) => stateColour(source.state) },
  { title: 'records', cell: (source) => String(source.recordsProduced), align: 'right' },
  { title: 'rate/s', cell: (source) => source.rate1s.toFixed(0), align: 'right' },
  { title: 'waiting', cell: (source) => String(source.queueDepth), align: 'right' },
  {
    title: 'errors',
    cell: (source) => String(source.consecutiveErrors),
    align: 'right',
    style: (source) => (source.consecutiveErrors > 0 ? 'yellow' : undefined),
  },
  {
    title: 'dead',
    cell: (source) => String(source.deadLetteredCount),
    align: 'right',
    style: (source) => (source.deadLetteredCount > 0 ? 'red' : undefined),
  },
  {
    title: 'dropped',
    cell: (source) => String(source.droppedCount),
    align: 'right',
    style: (source) => (source.droppedCount > 0 ? 'red' : undefined),
  },
];
