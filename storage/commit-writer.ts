/** Writes one commit unit: everything in one transaction, or nothing. */

import type Database from 'better-sqlite3';
import { messageOf } from '../src/domain/errors.ts';
import type { OriginRemoval } from '../src/domain/receipt.ts';
import type {
  WriteBatch,
  CursorRow,
  DeadlineRow,
  LetterFailure,
  SinkCursorRow,
} from '../src/domain/timeline.ts';
import { bulkInsert, type SqlValue } from './tables/bulk-insert.ts';
import type { CommitResult, RefusedRow } from './event-store.ts';
import { isFaultOfRows } from './file/storage-error.ts';
import { lastIncarnation, lastSeqReader } from './tables/recovered-state.ts';
import { forgetRestored, RESTORED_EVENT } from './tables/lineage.ts';
import { DEAD_LETTERS, healthOf, RECORDS, SPILL, TIMELINE } from './tables/log-tables.ts';
import { CURSORS, DEADLINES, SINK_CURSORS, SINKS, SOURCES } from './tables/state-tables.ts';
import { createChainWriter, type ChainLink } from './tables/timeline-chain.ts';
import { forgetLoss, LOST_EVENT } from './lost-database.ts';
import { forgetTruncation, TRUNCATED_EVENT } from './truncation.ts';

/** How far the logs have come, by what is committed. */
export interface StoreTail {
  /** The highest `seq` ever given out. */
  readonly timelineSeq: number;
  readonly recordSeq: number;
  readonly incarnation: number;
  /** The last link of the timeline's chain; null in a database that lost its chain. */
  readonly link: ChainLink | null;
}

export interface CommitWriter {
  /** Commits one unit. Throws SQLite's own errors. */
  commit(unit: WriteBatch): CommitResult;
  /** The rows that the tables refuse. Writes nothing. Throws SQLite's own errors that no row is the cause
   *  of. */
  examine(unit: WriteBatch): RefusedRow[];
  tail(): StoreTail;
  counters(): Counters;
}

export interface WriterFacts {
  readonly run: number;
  readonly isTruncated: boolean;
  readonly isLost: boolean;
  readonly isRestored: boolean;
}

/** The last number given out of each table that counts, by its name. */
export type Counters = ReadonlyMap<string, number>;

/** Prepares the statements. `isTruncated`, `isLost`, `isRestored`: the database owes a row about that. */
export function createCommitWriter(
  db: Database.Database,
  { run, isTruncated, isLost, isRestored }: WriterFacts,
): CommitWriter {
  const chain = createChainWriter(db);
  const tables = tableWriters(db, run, (values) => chain.take(values));
  const lastRecordSeq = lastSeqReader(db, 'records');
  const lastTimelineSeq = lastSeqReader(db, 'timeline');
  const counters = db.prepare('SELECT name, seq FROM sqlite_sequence').raw();
  const write = db.transaction((unit: WriteBatch): number => {
    tables.timeline(unit.timeline);
    const lastRow = unit.timeline.at(-1);
    if (lastRow !== undefined) chain.close(lastRow.seq);
    const says = (event: string) => unit.timeline.some((row) => row.event === event);
    if (isTruncated && says(TRUNCATED_EVENT)) forgetTruncation(db);
    if (isLost && says(LOST_EVENT)) forgetLoss(db);
    if (isRestored && says(RESTORED_EVENT)) forgetRestored(db);
    const inserted = tables.records(unit.records);
    tables.sources(unit.sources);
    tables.deadLetters(unit.deadLetters);
    tables.health(unit.health);
    tables.cursors(unit.cursors);
    tables.spilled(unit.spilled);
    tables.marks(unit.marks);
    tables.letterFailures(unit.letterFailures);
    tables.sinks(unit.sinks);
    tables.sinkCursors(unit.sinkCursors);
    tables.deadlines(unit.deadlines);
    return unit.records.length - inserted;
  });
  const examine = rowExaminer(db, tables);
  return {
    commit(unit) {
      chain.begin();
      // Immediate: a transaction that begins as a reader and turns writer fails where it would have to wait.
      const duplicates = isEmpty(unit) ? 0 : write.immediate(unit);
      chain.committed();
      return { duplicates, lastRecordSeq: lastRecordSeq() };
    },
    examine(unit) {
      try {
        return examine(unit);
      } finally {
        chain.begin();
      }
    },
    tail: () => ({
      timelineSeq: lastTimelineSeq(),
      recordSeq: lastRecordSeq(),
      incarnation: lastIncarnation(db),
      link: chain.tail,
    }),
    counters: () => new Map(counters.all() as [string, number][]),
  };
}

/** Writes rows of one table, in order, and returns how many it wrote where that may be fewer. */
type TableWriter<Row> = (rows: readonly Row[]) => number | void;

type TableWriters = {
  readonly [Table in Exclude<keyof WriteBatch, 'records'>]: TableWriter<WriteBatch[Table][number]>;
} & { readonly records: (rows: WriteBatch['records']) => number };

function tableWriters(
  db: Database.Database,
  run: number,
  seen: (values: readonly SqlValue[]) => void,
): TableWriters {
  return {
    timeline: bulkInsert(db, TIMELINE, seen),
    records: bulkInsert(db, RECORDS),
    sources: bulkInsert(db, SOURCES),
    deadLetters: bulkInsert(db, DEAD_LETTERS),
    health: bulkInsert(db, healthOf(run)),
    cursors: cursorWriter(db),
    spilled: bulkInsert(db, SPILL),
    marks: markWriter(db),
    letterFailures: letterFailureWriter(db),
    sinks: bulkInsert(db, SINKS),
    sinkCursors: sinkCursorWriter(db),
    deadlines: deadlineWriter(db),
  };
}

/** Thrown to random a trial back. */
const TRIAL_IS_OVER = new Error('the trial is over');

/** Tries each row in a savepoint of its own, within a transaction that is rolled back. Rows that are accepted
 *  stay until then, so that a row that collides with another of the unit is found too. */
function rowExaminer(db: Database.Database, tables: TableWriters): (unit: WriteBatch) => RefusedRow[] {
  const inSavepoint = db.transaction((write: TableWriter<unknown>, row: unknown) => void write([row]));
  const trial = db.transaction((unit: WriteBatch, refused: RefusedRow[]): never => {
    for (const table of Object.keys(tables) as (keyof WriteBatch)[]) {
      for (const [index, row] of unit[table].entries()) {
        try {
          inSavepoint(tables[table] as TableWriter<unknown>, row);
        } catch (error) {
          if (!isFaultOfRows(error)) throw error;
          refused.push({ table, index, reason: messageOf(error) });
        }
      }
    }
    throw TRIAL_IS_OVER;
  });
  return (unit) => {
    const refused: RefusedRow[] = [];
    try {
      trial.immediate(unit, refused);
    } catch (error) {
      if (error !== TRIAL_IS_OVER) throw error;
    }
    return refused;
  };
}

function isEmpty(unit: WriteBatch): boolean {
  return Object.values(unit).every((rows: readonly unknown[]) => rows.length === 0);
}

function cursorWriter(db: Database.Database): (rows: readonly CursorRow[]) => void {
  const insert = bulkInsert(db, CURSORS);
  const remove = db.prepare('DELETE FROM source_cursors WHERE tenant = ? AND source_id = ?');
  return (rows) => {
    if (rows.every(stands)) return void insert(rows);
    for (const row of rows) {
      if (stands(row)) insert([row]);
      else remove.run(row.tenant, row.sourceId);
    }
  };
}

function stands(row: CursorRow): row is CursorRow & { readonly cursor: string } {
  return row.cursor !== null;
}

function sinkCursorWriter(db: Database.Database): (rows: readonly SinkCursorRow[]) => void {
  const insert = bulkInsert(db, SINK_CURSORS);
  const remove = db.prepare('DELETE FROM sink_cursors WHERE tenant = ? AND sink_id = ?');
  return (rows) => {
    for (const row of rows) {
      if (row.seq === null) remove.run(row.tenant, row.sinkId);
      else insert([{ ...row, seq: row.seq }]);
    }
  };
}

function deadlineWriter(db: Database.Database): (rows: readonly DeadlineRow[]) => void {
  const insert = bulkInsert(db, DEADLINES);
  const remove = db.prepare('DELETE FROM source_deadlines WHERE tenant = ? AND source_id = ? AND kind = ?');
  return (rows) => {
    for (const row of rows) {
      if (row.dueAtMs === null) remove.run(row.tenant, row.sourceId, row.kind);
      else insert([{ ...row, dueAtMs: row.dueAtMs }]);
    }
  };
}

function markWriter(db: Database.Database): (marks: readonly OriginRemoval[]) => void {
  const unspill = db.prepare('DELETE FROM spill WHERE seq = ?');
  const deliver = db.prepare("UPDATE dead_letters SET status = 'delivered' WHERE id = ?");
  return (marks) => {
    for (const mark of marks) {
      if (mark.kind === 'spill') unspill.run(mark.seq);
      else deliver.run(mark.id);
    }
  };
}

function letterFailureWriter(db: Database.Database): (failures: readonly LetterFailure[]) => void {
  const note = db.prepare(
    `UPDATE dead_letters SET attempts = attempts + 1, code = ?, message = ?, last_at_ms = ?, status = ?
     WHERE id = ?`,
  );
  return (failures) => {
    for (const { id, code, message, atMs, status } of failures) {
      note.run(code, message, Math.round(atMs), status, id);
    }
  };
}
