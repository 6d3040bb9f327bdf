/** Writes one commit unit: everything in one transaction, or nothing. */

import type Database from 'better-sqlite3';
import type {
  CommitUnit,
  CursorRow,
  DeadLetter,
  HealthRow,
  RecordRow,
  SourceRow,
  TimelineRow,
} from '../src/domain/timeline.ts';
import { bulkInsert, type BulkTable } from './bulk-insert.ts';

/** Prepares the statements; the returned function commits one unit. Throws SQLite's own errors. */
export function createCommitWriter(db: Database.Database, run: number): (unit: CommitUnit) => void {
  const timeline = bulkInsert(db, TIMELINE);
  const records = bulkInsert(db, RECORDS);
  const sources = bulkInsert(db, SOURCES);
  const deadLetters = bulkInsert(db, DEAD_LETTERS);
  const health = bulkInsert(db, healthOf(run));
  const cursors = bulkInsert(db, CURSORS);
  const write = db.transaction((unit: CommitUnit) => {
    timeline(unit.timeline);
    records(unit.records);
    sources(unit.sources);
    deadLetters(unit.deadLetters);
    health(unit.health);
    cursors(unit.cursors);
  });
  // Immediate: a transaction that begins as a reader and turns writer fails where it would have to wait.
  return (unit) => {
    if (!isEmpty(unit)) write.immediate(unit);
  };
}

function isEmpty(unit: CommitUnit): boolean {
  const rows = [unit.timeline, unit.records, unit.sources, unit.deadLetters, unit.health, unit.cursors];
  return rows.every((list) => list.length === 0);
}

/** Columns of times are whole milliseconds; monotonic clocks and devices give fractions, which the table
 *  would refuse. */
function wholeMs(ms: number): number {
  return Math.round(ms);
}

function wholeMsOrNull(ms: number | null): number | null {
  return ms === null ? null : Math.round(ms);
}

const TIMELINE: BulkTable<TimelineRow> = {
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

const RECORDS: BulkTable<RecordRow> = {
  table: 'records',
  columns: ['tenant', 'source_id', 'incarnation', 'source_seq', 'dedup_key', 'at_ms', 'data'],
  // Only a repeated key is passed over; any other flaw of a row still fails the transaction.
  conflict: 'ON CONFLICT (tenant, source_id, dedup_key) WHERE dedup_key IS NOT NULL DO NOTHING',
  values: (row, out) =>
    out.push(
      row.tenant,
      row.sourceId,
      row.incarnation,
      row.sourceSeq,
      row.dedupKey,
      wholeMs(row.atMs),
      row.data,
    ),
};

/** Rows of an older incarnation may come late, after its successor registered; they change nothing. */
const SOURCES: BulkTable<SourceRow> = {
  table: 'sources',
  columns: [
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
  ],
  conflict: `
    ON CONFLICT (tenant, source_id) DO UPDATE SET
      type = excluded.type,
      state = excluded.state,
      incarnation = excluded.incarnation,
      restarts = excluded.restarts,
      records_produced = excluded.records_produced,
      dropped = excluded.dropped,
      consecutive_errors = excluded.consecutive_errors,
      last_read_at_ms = excluded.last_read_at_ms,
      last_error = excluded.last_error,
      registered_at_ms = excluded.registered_at_ms,
      deregistered_at_ms = excluded.deregistered_at_ms
    WHERE excluded.incarnation >= sources.incarnation`,
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
    ),
};

const DEAD_LETTERS: BulkTable<DeadLetter> = {
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
    ),
};

const CURSORS: BulkTable<CursorRow> = {
  table: 'source_cursors',
  columns: ['tenant', 'source_id', 'cursor'],
  conflict: 'ON CONFLICT (tenant, source_id) DO UPDATE SET cursor = excluded.cursor',
  values: (row, out) => out.push(row.tenant, row.sourceId, row.cursor),
};

/** Samples bear their run, so that the time a crashed run was last alive can be told. */
function healthOf(run: number): BulkTable<HealthRow> {
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
      ),
  };
}
