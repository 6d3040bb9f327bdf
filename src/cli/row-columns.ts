/** What a person sees of each kind of row, column by column. */

import { DEFAULT_TENANT } from '../domain/address.ts';
import type { Row } from '../../storage/reading/timeline-reader.ts';
import {
  readableCell,
  readableChange,
  readableData,
  readableDuration,
  readableTime,
  severityColour,
  stateColour,
} from './readable.ts';
import type { Style } from './output.ts';
import type { Column } from './table.ts';

export const TIMELINE_COLUMNS: readonly Column<Row>[] = [
  { title: 'seq', align: 'right', cell: (row) => readableCell(row.seq) },
  { title: 'time', cell: (row) => readableTime(row.at_ms) },
  { title: 'actor', shrinks: true, cell: (row) => readableCell(row.actor), style: () => 'cyan' },
  { title: 'kind', cell: (row) => readableCell(row.kind), style: kindStyle },
  { title: 'event', shrinks: true, cell: (row) => readableCell(row.event) },
  {
    title: 'state',
    shrinks: true,
    cell: (row) => readableChange(row.from_state, row.to_state),
    style: (row) => stateColour(row.to_state),
  },
  { title: 'cause', align: 'right', cell: (row) => readableCell(row.cause), style: () => 'gray' },
  { title: 'data', shrinks: true, cell: (row) => readableData(row.data), style: () => 'gray' },
];

function kindStyle(row: Row): Style | undefined {
  if (row.kind === 'alert' || row.kind === 'dead_letter') return 'red';
  return row.kind === 'gap' || row.kind === 'clock' || row.kind === 'storage' ? 'yellow' : undefined;
}

export const ALERT_COLUMNS: readonly Column<Row>[] = [
  { title: 'seq', align: 'right', cell: (row) => readableCell(row.seq) },
  { title: 'time', cell: (row) => readableTime(row.at_ms) },
  {
    title: 'severity',
    cell: (row) => readableCell(row.severity),
    style: (row) => severityColour(row.severity),
  },
  { title: 'actor', shrinks: true, cell: (row) => readableCell(row.actor), style: () => 'cyan' },
  { title: 'event', cell: (row) => readableCell(row.event) },
  { title: 'data', shrinks: true, cell: (row) => readableData(row.data), style: () => 'gray' },
];

export const SOURCE_COLUMNS: readonly Column<Row>[] = [
  { title: 'source', shrinks: true, cell: (row) => nameOf(row, row.source_id), style: () => 'cyan' },
  { title: 'type', spare: 3, cell: (row) => readableCell(row.type) },
  { title: 'state', cell: (row) => readableCell(row.state), style: (row) => stateColour(row.state) },
  { title: 'incarnation', spare: 1, align: 'right', cell: (row) => readableCell(row.incarnation) },
  { title: 'restarts', spare: 2, align: 'right', cell: (row) => readableCell(row.restarts) },
  { title: 'records', align: 'right', cell: (row) => readableCell(row.records_produced) },
  { title: 'dead', align: 'right', cell: (row) => readableCell(row.dead_lettered) },
  { title: 'dropped', align: 'right', cell: (row) => readableCell(row.dropped) },
  { title: 'errors', align: 'right', cell: (row) => readableCell(row.consecutive_errors) },
  { title: 'last read', spare: 4, cell: (row) => readableTime(row.last_read_at_ms) },
  { title: 'last error', shrinks: true, cell: (row) => readableCell(row.last_error) },
];

export const SINK_COLUMNS: readonly Column<Row>[] = [
  { title: 'sink', shrinks: true, cell: (row) => nameOf(row, row.sink_id), style: () => 'cyan' },
  { title: 'type', spare: 3, cell: (row) => readableCell(row.type) },
  { title: 'state', cell: (row) => readableCell(row.state), style: (row) => stateColour(row.state) },
  { title: 'incarnation', spare: 1, align: 'right', cell: (row) => readableCell(row.incarnation) },
  { title: 'reads', spare: 2, cell: (row) => readableCell(row.reads) },
  { title: 'cursor', spare: 4, align: 'right', cell: (row) => readableCell(row.cursor) },
  { title: 'lag', align: 'right', cell: (row) => readableCell(row.lag_records) },
  { title: 'delivered', align: 'right', cell: (row) => readableCell(row.delivered) },
  { title: 'filtered', align: 'right', cell: (row) => readableCell(row.filtered) },
  { title: 'dead', align: 'right', cell: (row) => readableCell(row.dead_lettered) },
  { title: 'errors', align: 'right', cell: (row) => readableCell(row.consecutive_errors) },
  { title: 'last delivery', spare: 5, cell: (row) => readableTime(row.last_delivery_at_ms) },
  { title: 'last error', shrinks: true, cell: (row) => readableCell(row.last_error) },
];

function nameOf(row: Row, id: unknown): string {
  return row.tenant === DEFAULT_TENANT ? readableCell(id) : `${readableCell(row.tenant)}/${readableCell(id)}`;
}

/** Columns of the state of every actor at `atMs`. */
export function stateColumns(atMs: number): readonly Column<Row>[] {
  const heldMs = (row: Row) => (typeof row.since_ms === 'number' ? atMs - row.since_ms : 0);
  return [
    { title: 'state', cell: (row) => readableCell(row.state), style: (row) => stateColour(row.state) },
    { title: 'actor', shrinks: true, cell: (row) => readableCell(row.actor), style: () => 'cyan' },
    { title: 'for', align: 'right', cell: (row) => readableDuration(heldMs(row)) },
    { title: 'since', cell: (row) => readableTime(row.since_ms) },
    { title: 'incarnation', align: 'right', cell: (row) => readableCell(row.incarnation) },
    { title: 'seq', align: 'right', cell: (row) => readableCell(row.seq) },
  ];
}

/** Actors in the same state stand together. */
export function byStateThenActor(left: Row, right: Row): number {
  return compareText(left.state, right.state) || compareText(left.actor, right.actor);
}

function compareText(left: unknown, right: unknown): number {
  const [a, b] = [String(left), String(right)];
  return a < b ? -1 : a > b ? 1 : 0;
}
