/** What an engine must know of its database before it writes: where numbers, cursors and deadlines stand. */

import type Database from 'better-sqlite3';
import type { CursorRow, DeadlineRow, FarEnd, SinkCursor } from '../../src/domain/timeline.ts';
import type { SpillSummary } from '../event-store.ts';

export interface RecoveredState {
  readonly lastSeq: number;
  readonly lastRecordSeq: number;
  readonly lastIncarnation: number;
  /** By `tenant/source`. */
  readonly cursors: Map<string, string>;
  /** By `tenant/sink`. */
  readonly sinkCursors: ReadonlyMap<string, SinkCursor>;
  readonly deadlines: ReadonlyMap<string, readonly DeadlineRow[]>;
  readonly spilled: readonly SpillSummary[];
}

export function readRecoveredState(db: Database.Database): RecoveredState {
  return {
    lastSeq: lastSeqReader(db, 'timeline')(),
    lastRecordSeq: lastSeqReader(db, 'records')(),
    lastIncarnation: lastIncarnation(db),
    cursors: readCursors(db),
    sinkCursors: readSinkCursors(db),
    deadlines: readDeadlines(db),
    spilled: readSpillSummaries(db),
  };
}

/** Reads the counter of a table, not its rows: rows may be deleted by a retention, their numbers never come
 *  back. */
export function lastSeqReader(db: Database.Database, table: string): () => number {
  const read = db.prepare('SELECT seq FROM sqlite_sequence WHERE name = ?').pluck();
  return () => (read.get(table) as number | undefined) ?? 0;
}

/** The highest incarnation any source or sink ever had. */
export function lastIncarnation(db: Database.Database): number {
  const sql =
    'SELECT max(incarnation) FROM (SELECT incarnation FROM sources UNION ALL SELECT incarnation FROM sinks)';
  return (db.prepare(sql).pluck().get() as number | null) ?? 0;
}

function readCursors(db: Database.Database): Map<string, string> {
  const rows = db.prepare('SELECT tenant, source_id, cursor FROM source_cursors').raw().all();
  return new Map(
    (rows as [string, string, string][]).map(([tenant, id, cursor]) => [cursorKey(tenant, id), cursor]),
  );
}

function readSinkCursors(db: Database.Database): Map<string, SinkCursor> {
  const rows = db.prepare('SELECT tenant, sink_id, reads, seq FROM sink_cursors').raw().all();
  return new Map(
    (rows as [string, string, SinkCursor['reads'], number][]).map(([tenant, id, reads, seq]) => [
      cursorKey(tenant, id),
      { reads, seq },
    ]),
  );
}

function readDeadlines(db: Database.Database): Map<string, DeadlineRow[]> {
  const stored = db
    .prepare(
      `SELECT tenant, source_id AS sourceId, kind, state, due_at_ms AS dueAtMs, failures,
              address_crc AS addressCrc, options_crc AS optionsCrc
       FROM source_deadlines`,
    )
    .all() as (Omit<DeadlineRow, 'farEnd'> & FarEnd)[];
  const rows = stored.map(({ addressCrc, optionsCrc, ...row }): DeadlineRow => ({
    ...row,
    farEnd: { addressCrc, optionsCrc },
  }));
  return Map.groupBy(rows, ({ tenant, sourceId }) => cursorKey(tenant, sourceId));
}

function readSpillSummaries(db: Database.Database): SpillSummary[] {
  return db
    .prepare(
      `SELECT tenant, source_id AS sourceId, count(*) AS records, min(seq) AS firstSeq
       FROM spill GROUP BY tenant, source_id`,
    )
    .all() as SpillSummary[];
}

/** Brings what is known of cursors up to a commit of these rows. */
export function followCursors(cursors: Map<string, string>, rows: readonly CursorRow[]): void {
  for (const { tenant, sourceId, cursor } of rows) {
    if (cursor === null) cursors.delete(cursorKey(tenant, sourceId));
    else cursors.set(cursorKey(tenant, sourceId), cursor);
  }
}

export function cursorKey(tenant: string, sourceId: string): string {
  return `${tenant}/${sourceId}`;
}
