/** The tables that hold what is so now: one row each, replaced. What goes into which column. */

import type { CursorRow, DeadlineRow, SinkCursorRow, SinkRow, SourceRow } from '../../src/domain/timeline.ts';
import type { BulkTable } from './bulk-insert.ts';
import { wholeMs, wholeMsOrNull } from './log-tables.ts';

const SOURCE_COLUMNS = [
  'tenant',
  'source_id',
  'type',
  'state',
  'incarnation',
  'restarts',
  'records_produced',
  'dropped',
  'consecutive_errors',
  'last_read_at_ms',
  'last_error',
  'registered_at_ms',
  'deregistered_at_ms',
  'dead_lettered',
] as const;

const SINK_COLUMNS = [
  'tenant',
  'sink_id',
  'type',
  'state',
  'incarnation',
  'delivered',
  'filtered',
  'dead_lettered',
  'consecutive_errors',
  'last_delivery_at_ms',
  'last_error',
  'registered_at_ms',
  'deregistered_at_ms',
] as const;

/** Takes the place of what is known of the one named by the first two columns, unless that is of a later
 *  incarnation. */
function replaceUnlessOlder(table: string, columns: readonly string[]): string {
  const [tenant, id, ...replaced] = columns;
  const settings = replaced.map((column) => `${column} = excluded.${column}`).join(', ');
  return `ON CONFLICT (${tenant}, ${id}) DO UPDATE SET ${settings}
    WHERE excluded.incarnation >= ${table}.incarnation`;
}

/** Rows of an older incarnation may come late, after its successor registered; they change nothing. */
export const SOURCES: BulkTable<SourceRow> = {
  table: 'sources',
  columns: SOURCE_COLUMNS,
  conflict: replaceUnlessOlder('sources', SOURCE_COLUMNS),
  values: (row, out) =>
    out.push(
      row.tenant,
      row.sourceId,
      row.type,
      row.state,
      row.incarnation,
      row.restarts,
      row.recordsProduced,
      row.dropped,
      row.consecutiveErrors,
      wholeMsOrNull(row.lastReadAtMs),
      row.lastError,
      wholeMs(row.registeredAtMs),
      wholeMsOrNull(row.deregisteredAtMs),
      row.deadLettered,
    ),
};

/** Cursors that stand; those of sources that are gone are deleted. */
export const CURSORS: BulkTable<CursorRow & { readonly cursor: string }> = {
  table: 'source_cursors',
  columns: ['tenant', 'source_id', 'cursor'],
  conflict: 'ON CONFLICT (tenant, source_id) DO UPDATE SET cursor = excluded.cursor',
  values: (row, out) => out.push(row.tenant, row.sourceId, row.cursor),
};

/** As {@link SOURCES}. */
export const SINKS: BulkTable<SinkRow> = {
  table: 'sinks',
  columns: SINK_COLUMNS,
  conflict: replaceUnlessOlder('sinks', SINK_COLUMNS),
  values: (row, out) =>
    out.push(
      row.tenant,
      row.sinkId,
      row.type,
      row.state,
      row.incarnation,
      row.delivered,
      row.filtered,
      row.deadLettered,
      row.consecutiveErrors,
      wholeMsOrNull(row.lastDeliveryAtMs),
      row.lastError,
      wholeMs(row.registeredAtMs),
      wholeMsOrNull(row.deregisteredAtMs),
    ),
};

/** Cursors that stand; those of sinks that are gone are deleted. */
export const SINK_CURSORS: BulkTable<SinkCursorRow & { readonly seq: number }> = {
  table: 'sink_cursors',
  columns: ['tenant', 'sink_id', 'seq', 'reads'],
  conflict: 'ON CONFLICT (tenant, sink_id) DO UPDATE SET seq = excluded.seq, reads = excluded.reads',
  values: (row, out) => out.push(row.tenant, row.sinkId, row.seq, row.reads),
};

/** Deadlines that stand; those that are over are deleted. */
export const DEADLINES: BulkTable<DeadlineRow & { readonly dueAtMs: number }> = {
  table: 'source_deadlines',
  columns: [
    ...['tenant', 'source_id', 'kind', 'state', 'due_at_ms', 'failures'],
    ...['address_crc', 'options_crc'],
  ],
  conflict: `
    ON CONFLICT (tenant, source_id, kind) DO UPDATE SET
      state = excluded.state, due_at_ms = excluded.due_at_ms, failures = excluded.failures,
      address_crc = excluded.address_crc, options_crc = excluded.options_crc`,
  values: ({ farEnd: { addressCrc, optionsCrc }, ...row }, out) => {
    out.push(row.tenant, row.sourceId, row.kind, row.state, wholeMs(row.dueAtMs), row.failures);
    out.push(addressCrc, optionsCrc);
  },
};
