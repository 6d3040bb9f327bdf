/** The tables that only grow: the timeline, the records and what waits for them, dead letters, samples. What
 *  goes into which column. */

import type { RecordRow } from '../../src/domain/record-row.ts';
import type { DeadLetter, HealthRow, SpillRow, TimelineRow } from '../../src/domain/timeline.ts';
import type { BulkTable, SharedColumns, SqlValue } from './bulk-insert.ts';
import { recordChecksum } from './checksum.ts';

/** Columns of times are whole milliseconds; monotonic clocks and devices give fractions, which the table
 *  would refuse. */
export function wholeMs(ms: number): number {
  return Math.round(ms);
}

export function wholeMsOrNull(ms: number | null): number | null {
  return ms === null ? null : Math.round(ms);
}

export const TIMELINE: BulkTable<TimelineRow> = {
  table: 'timeline',
  columns: [
    'seq',
    'run',
    'at_ms',
    'mono_ms',
    'tenant',
    'actor',
    'incarnation',
    'kind',
    'event',
    'from_state',
    'to_state',
    'cause',
    'data',
  ],
  values: (row, out) =>
    out.push(
      row.seq,
      row.run,
      wholeMs(row.atMs),
      wholeMs(row.monoMs),
      row.tenant,
      row.actor,
      row.incarnation,
      row.kind,
      row.event,
      row.fromState,
      row.toState,
      row.cause,
      row.data === null ? null : JSON.stringify(row.data),
    ),
};

const RECORD_COLUMNS = ['source_seq', 'dedup_key', 'at_ms', 'data', 'crc'] as const;

/** Records of one source come together. */
const RECORD_OWNER: SharedColumns<RecordRow> = {
  columns: ['tenant', 'source_id', 'incarnation', 'content_type'],
  values: (row) => [row.tenant, row.sourceId, row.incarnation, row.contentType],
  isSame: (one, other) =>
    one.sourceId === other.sourceId &&
    one.incarnation === other.incarnation &&
    one.tenant === other.tenant &&
    one.contentType === other.contentType,
};

export const RECORDS: BulkTable<RecordRow> = {
  table: 'records',
  columns: RECORD_COLUMNS,
  shared: RECORD_OWNER,
  // Only a repeated key is passed over; any other flaw of a row still fails the transaction.
  conflict: 'ON CONFLICT (tenant, source_id, dedup_key) WHERE dedup_key IS NOT NULL DO NOTHING',
  values: pushRecord,
};

export const SPILL: BulkTable<SpillRow> = {
  table: 'spill',
  columns: [...RECORD_COLUMNS, 'cursor'],
  shared: RECORD_OWNER,
  values(row, out) {
    pushRecord(row, out);
    out.push(row.cursor);
  },
};

function pushRecord(row: RecordRow, out: SqlValue[]): void {
  out.push(row.sourceSeq, row.dedupKey, wholeMs(row.atMs), row.data, recordChecksum(row));
}

export const DEAD_LETTERS: BulkTable<DeadLetter> = {
  table: 'dead_letters',
  columns: [
    'tenant',
    'source_id',
    'stage',
    'code',
    'message',
    'payload',
    'attempts',
    'first_at_ms',
    'last_at_ms',
    'status',
    'origin',
    'truncated',
  ],
  values: (row, out) =>
    out.push(
      row.tenant,
      row.sourceId,
      row.stage,
      row.code,
      row.message,
      row.payload,
      row.attempts,
      wholeMs(row.firstAtMs),
      wholeMs(row.lastAtMs),
      row.status ?? 'new',
      row.origin === null ? null : JSON.stringify(row.origin),
      row.isTruncated ? 1 : 0,
    ),
};

/** Samples bear their run, so that the time a crashed run was last alive can be told. */
export function healthOf(run: number): BulkTable<HealthRow> {
  return {
    table: 'health',
    columns: [
      'at_ms',
      'tenant',
      'source_id',
      'state',
      'records_produced',
      'last_read_timestamp',
      'consecutive_errors',
      'incarnation',
      'restarts',
      'rate1s',
      'queue_depth',
      'dropped_count',
      'run',
      'dead_lettered_count',
    ],
    values: (row, out) =>
      out.push(
        wholeMs(row.atMs),
        row.tenant,
        row.sourceId,
        row.state,
        row.recordsProduced,
        wholeMsOrNull(row.lastReadTimestamp),
        row.consecutiveErrors,
        row.incarnation,
        row.restarts,
        row.rate1s,
        row.queueDepth,
        row.droppedCount,
        run,
        row.deadLetteredCount,
      ),
  };
}
