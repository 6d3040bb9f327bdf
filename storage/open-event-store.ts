/** Opens a database for one engine.
 *
 *  In this order, so that nothing is touched that is not ours: look at the file; take the engine's lock;
 *  look again, at every page; move a damaged database aside; connect; close the run that crashed and begin
 *  the next. Whatever fails on the way frees the lock again. */

import type Database from 'better-sqlite3';
import { existsSync, renameSync } from 'node:fs';
import { basename } from 'node:path';
import { HeadgateError } from '../src/domain/errors.ts';
import type { CommitUnit, DeadlineRow } from '../src/domain/timeline.ts';
import { createCommitWriter, lastSeqReader } from './commit-writer.ts';
import { canonicalPath, IN_MEMORY, isInMemory } from './database-path.ts';
import { lockIsMarked, takeEngineLock, type EngineLock } from './engine-lock.ts';
import type { EventStore, OpenOptions, SpillSummary, UnfinishedActor } from './event-store.ts';
import { inspectDatabase, notADatabase } from './inspect-database.ts';
import { createLetters } from './letters.ts';
import { createLogReader } from './log-reader.ts';
import { cursorKey } from './row-keys.ts';
import { Maintenance } from './maintenance.ts';
import { beginRun, endRun, type BegunRun } from './runs.ts';
import { closedError, guardStorage, storageError } from './storage-error.ts';
import { UNFINISHED_SQL } from './timeline-queries.ts';
import { openInMemory, openWritable } from './writable-database.ts';

/** Tries to open a database on which another connection holds a write lock. Each waits the busy timeout. */
const BUSY_TRIES_MAX = 3;

/** A connection with what the engine must know before it writes. */
interface OpenDatabase extends BegunRun {
  readonly db: Database.Database;
  readonly lastSeq: number;
  readonly lastRecordSeq: number;
  readonly lastIncarnation: number;
  readonly cursors: Map<string, string>;
  readonly sinkCursors: ReadonlyMap<string, number>;
  readonly deadlines: ReadonlyMap<string, readonly DeadlineRow[]>;
  readonly spilled: readonly SpillSummary[];
  readonly unfinished: readonly UnfinishedActor[];
}

/** A store in the thread of its caller. */
export interface LocalStore extends EventStore {
  /** Its connection, for whoever hosts it. */
  readonly db: Database.Database;
}

/** @throws HeadgateError HG_STORAGE_LOCKED, _READONLY, _NOT_A_DATABASE, _VERSION, _BUSY, _FULL or _FAILED. */
export async function openEventStore(options: OpenOptions): Promise<LocalStore> {
  if (isInMemory(options.path)) {
    return eventStore(IN_MEMORY, begin(openInMemory(), options, null), null, null);
  }
  const file = canonicalPath(options.path);
  const first = retryBusy(file, () => inspectDatabase(file, { checkPages: false }));
  if (first === 'foreign' || (first === 'unreadable' && !lockIsMarked(file))) throw notADatabase(file, first);
  const lock = takeEngineLock(file);
  try {
    const { opened, movedAside } = openLocked(file, lock, options);
    return eventStore(file, opened, lock, movedAside);
  } catch (error) {
    lock.release();
    throw storageError(error, file);
  }
}

function openLocked(
  file: string,
  lock: EngineLock,
  options: OpenOptions,
): { opened: OpenDatabase; movedAside: string | null } {
  const finding = retryBusy(file, () => inspectDatabase(file, { checkPages: true }));
  // Without a header the file could be anybody's; with our mark beside it, it is ours and damaged.
  if (finding === 'foreign' || (finding === 'unreadable' && lock.gatewayId === null)) {
    throw notADatabase(file, finding);
  }
  if (finding !== 'damaged' && finding !== 'unreadable') {
    try {
      return { opened: connect(file, lock, options), movedAside: null };
    } catch (error) {
      // What the look at the pages could not see, the first queries did.
      if (storageError(error, file).code !== 'HG_STORAGE_CORRUPT') throw error;
    }
  }
  const movedAside = moveAside(file, options.nowMs);
  return { opened: connect(file, lock, options), movedAside };
}

function connect(file: string, lock: EngineLock, options: OpenOptions): OpenDatabase {
  const db = retryBusy(file, () => openWritable(file));
  try {
    const opened = retryBusy(file, () => begin(db, options, lock.gatewayId));
    lock.remember(opened.gatewayId);
    return opened;
  } catch (error) {
    db.close();
    throw error;
  }
}

function begin(db: Database.Database, options: OpenOptions, gatewayId: string | null): OpenDatabase {
  const known = {
    lastSeq: lastSeqReader(db, 'timeline')(),
    lastRecordSeq: lastSeqReader(db, 'records')(),
    lastIncarnation: lastIncarnation(db),
    cursors: readCursors(db),
    sinkCursors: readSinkCursors(db),
    deadlines: readDeadlines(db),
    spilled: readSpillSummaries(db),
  };
  const begun = beginRun(db, options, gatewayId);
  const hasCrashed = begun.previousRun?.end === 'crash';
  const unfinished = hasCrashed ? (db.prepare(UNFINISHED_SQL).all() as UnfinishedActor[]) : [];
  return { db, ...known, ...begun, unfinished };
}

function retryBusy<Result>(file: string, action: () => Result): Result {
  for (let attempt = 1; ; attempt++) {
    try {
      return guardStorage(file, action);
    } catch (error) {
      const isBusy = error instanceof HeadgateError && error.code === 'HG_STORAGE_BUSY';
      if (!isBusy || attempt === BUSY_TRIES_MAX) throw error;
    }
  }
}

/** Renames the database and its journals and returns the new file name. The log goes along under the name
 *  SQLite looks for, so that what can still be read can be read together. */
function moveAside(file: string, nowMs: number): string {
  const stem = `${file}.damaged-${Math.round(nowMs)}`;
  let target = stem;
  for (let copy = 2; existsSync(target); copy++) target = `${stem}-${copy}`;
  for (const suffix of ['', '-wal', '-shm', '-journal']) {
    if (existsSync(file + suffix)) renameSync(file + suffix, target + suffix);
  }
  return basename(target);
}

function eventStore(
  file: string,
  opened: OpenDatabase,
  lock: EngineLock | null,
  movedAside: string | null,
): LocalStore {
  const { db, cursors, ...known } = opened;
  const write = createCommitWriter(db, known.run);
  const logs = createLogReader(db, `${known.gatewayId}:${known.dbUuid}`);
  const letters = createLetters(db);
  const maintenance = new Maintenance(db, file, known.dbUuid);
  let isOpen = true;
  const guard = <Result>(action: () => Result): Result => {
    if (!isOpen) throw closedError(file);
    return guardStorage(file, action);
  };
  return {
    ...known,
    db,
    cursors,
    movedAside,
    truncated: null,
    async commit(unit: CommitUnit) {
      const result = guard(() => write(unit));
      for (const row of unit.cursors) cursors.set(cursorKey(row.tenant, row.sourceId), row.cursor);
      return result;
    },
    readRecords: async (query) => guard(() => logs.records(query)),
    readAlerts: async (query) => guard(() => logs.alerts(query)),
    readSpilled: async (query) => guard(() => logs.spilled(query)),
    lagOf: async (log, afterSeq) => guard(() => logs.lagOf(log, afterSeq)),
    readLetters: async (query) => guard(() => letters.read(query)),
    markLetters: async (query, status) => guard(() => letters.mark(query, status)),
    async purgeLetters(query) {
      const purged = guard(() => letters.purge(query));
      maintenance.forgetSizes();
      return purged;
    },
    maintain: async (request) => guard(() => maintenance.maintain(request)),
    async close(end) {
      if (!isOpen) return;
      isOpen = false;
      try {
        if (end !== null) guardStorage(file, () => endRun(db, known.run, end.atMs));
      } finally {
        db.close();
        lock?.release();
      }
    },
  };
}

function lastIncarnation(db: Database.Database): number {
  return (db.prepare('SELECT max(incarnation) FROM sources').pluck().get() as number | null) ?? 0;
}

function readCursors(db: Database.Database): Map<string, string> {
  const rows = db.prepare('SELECT tenant, source_id, cursor FROM source_cursors').raw().all();
  return new Map(
    (rows as [string, string, string][]).map(([tenant, id, cursor]) => [cursorKey(tenant, id), cursor]),
  );
}

function readSinkCursors(db: Database.Database): Map<string, number> {
  const rows = db.prepare('SELECT tenant, sink_id, seq FROM sink_cursors').raw().all();
  return new Map(
    (rows as [string, string, number][]).map(([tenant, id, seq]) => [cursorKey(tenant, id), seq]),
  );
}

function readDeadlines(db: Database.Database): Map<string, DeadlineRow[]> {
  const rows = db
    .prepare(
      `SELECT tenant, source_id AS sourceId, kind, state, due_at_ms AS dueAtMs, failures
       FROM source_deadlines`,
    )
    .all() as DeadlineRow[];
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
