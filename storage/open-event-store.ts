/** Opens a database for one engine.
 *
 *  In this order, so that nothing is touched that is not ours: look at the file; take the engine's lock;
 *  finish a restore that was cut off; look again, at every page; move a damaged database aside, or what
 *  is left of one that is gone; connect; close the run that crashed and begin the next; hold the numbers
 *  against the mark. Whatever fails on the way frees the lock again. */

import type Database from 'better-sqlite3';
import { existsSync } from 'node:fs';
import { uptime } from 'node:os';
import { HeadgateError } from '../src/domain/errors.ts';
import type { Ancestor } from '../src/domain/record-keys.ts';
import type { WriteBatch } from '../src/domain/timeline.ts';
import { canonicalPath, IN_MEMORY, isInMemory } from './file/database-path.ts';
import { lockIsMarked, takeEngineLock, type EngineLock } from './file/engine-lock.ts';
import type {
  LeftAlert,
  EventStore,
  LostDatabase,
  OpenOptions,
  RestoredFrom,
  TruncatedRows,
  UnfinishedActor,
} from './event-store.ts';
import { inspectDatabase, notADatabase } from './file/inspect-database.ts';
import { readLeftAlerts } from './tables/left-alerts.ts';
import { followCursors, readRecoveredState, type RecoveredState } from './tables/recovered-state.ts';
import { nameAnew, readAncestors, readRestored } from './tables/lineage.ts';
import { readMark } from './file/mark-file.ts';
import { KeptFiles } from './kept-files.ts';
import { logIsGone, moveLostAside, noteLoss, replacedDatabase, cutLog } from './lost-database.ts';
import { createMarkWriter } from './database/mark-writer.ts';
import { moveAside } from './file/move-aside.ts';
import { finishRestore } from './file/pending-restore.ts';
import { readState, writeState } from './tables/program-state.ts';
import { beginRun, endRun, type BegunRun } from './tables/runs.ts';
import { closedError, guardStorage, storageError } from './file/storage-error.ts';
import { StoreSession } from './store-session.ts';
import { UNFINISHED_SQL } from './reading/timeline-queries.ts';
import { isLogCut } from './file/wal-index.ts';
import { noteTruncation } from './truncation.ts';
import { openInMemory, openWritable } from './file/writable-database.ts';

/** Tries to open a database on which another connection holds a write lock. Each waits the busy timeout. */
const BUSY_TRIES_MAX = 3;

/** A connection with what the engine must know before it writes. */
interface OpenDatabase extends BegunRun, RecoveredState {
  readonly db: Database.Database;
  readonly unfinished: readonly UnfinishedActor[];
  readonly leftAlerts: readonly LeftAlert[];
  readonly truncated: TruncatedRows | null;
  readonly lost: LostDatabase | null;
  readonly markIsUnreadable: boolean;
  readonly ancestors: readonly Ancestor[];
  readonly restored: RestoredFrom | null;
}

/** Whether the write-ahead log was there before anybody opened the file. */
type LockedOptions = OpenOptions & { readonly hadLog: boolean; readonly isCut: boolean };

/** A store in the thread of its caller. */
export interface LocalStore extends EventStore {
  /** Its connection, for whoever hosts it; another one after an I/O error. Throws while there is none. */
  readonly db: Database.Database;
  /** Carries out what copies or cuts its log. */
  copying<Result>(action: () => Result): Result;
}

/** @throws HeadgateError HG_STORAGE_LOCKED, _READONLY, _NOT_A_DATABASE, _VERSION, _BUSY, _FULL or _FAILED. */
export async function openEventStore(options: OpenOptions): Promise<LocalStore> {
  if (isInMemory(options.path)) {
    return eventStore(IN_MEMORY, begin(openInMemory(), options, NOTHING_BEFORE), null, null);
  }
  const file = canonicalPath(options.path);
  // Before anybody opens it: that alone makes a new log.
  const hadLog = existsSync(`${file}-wal`);
  const isCut = isLogCut(file, options.nowMs - uptime() * 1_000);
  const first = retryBusy(file, () => inspectDatabase(file, { checkPages: false }));
  if (first === 'foreign' || (first === 'unreadable' && !lockIsMarked(file))) throw notADatabase(file, first);
  const lock = takeEngineLock(file);
  try {
    const { opened, movedAside } = openLocked(file, lock, { ...options, hadLog, isCut });
    return eventStore(file, opened, lock, movedAside);
  } catch (error) {
    lock.release();
    throw storageError(error, file);
  }
}

function openLocked(
  file: string,
  lock: EngineLock,
  options: LockedOptions,
): { opened: OpenDatabase; movedAside: string | null } {
  finishRestore(file);
  const finding = retryBusy(file, () => inspectDatabase(file, { checkPages: true }));
  // Without a header the file could be anybody's; with our mark beside it, it is ours and damaged.
  if (finding === 'foreign' || (finding === 'unreadable' && lock.gatewayId === null)) {
    throw notADatabase(file, finding);
  }
  if (finding !== 'damaged' && finding !== 'unreadable') {
    try {
      const isAbsent = finding === 'absent' || finding === 'blank';
      const lost = isAbsent ? moveLostAside(file, lock, options.nowMs) : null;
      return { opened: connect(file, lock, options, lost), movedAside: null };
    } catch (error) {
      // What the look at the pages could not see, the first queries did.
      if (storageError(error, file).code !== 'HG_STORAGE_CORRUPT') throw error;
    }
  }
  const movedAside = moveAside(file, 'damaged', options.nowMs);
  return { opened: connect(file, lock, options, null), movedAside };
}

function connect(
  file: string,
  lock: EngineLock,
  options: LockedOptions,
  lost: LostDatabase | null,
): OpenDatabase {
  const db = retryBusy(file, () => openWritable(file));
  try {
    const opened = retryBusy(file, () =>
      begin(db, options, {
        ...{ gatewayId: lock.gatewayId, mark: readMark(file), lost },
        ...{ hadLog: options.hadLog, isCut: options.isCut },
      }),
    );
    // The name of a new database goes into the main file at once: the mark knows it by its name, even where
    // the whole log is lost.
    if (opened.run === 1) db.pragma('wal_checkpoint(PASSIVE)');
    lock.remember(opened.gatewayId);
    return opened;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Facts about the file from the files beside it. */
interface Before {
  readonly gatewayId: string | null;
  readonly mark: ReturnType<typeof readMark>;
  readonly lost: LostDatabase | null;
  readonly hadLog: boolean;
  /** The log is gone, or was cut short, before the database was opened. */
  readonly isCut: boolean;
}

const NOTHING_BEFORE: Before = { gatewayId: null, mark: null, lost: null, hadLog: true, isCut: false };

function begin(db: Database.Database, options: OpenOptions, before: Before): OpenDatabase {
  const { gatewayId, mark, hadLog, isCut } = before;
  // Numbers of what is gone may come again: with another name no key does.
  const nameBefore = isCut ? nameAnew(db, options.uuid()) : null;
  const begun = beginRun(db, options, gatewayId);
  const isOfThis = mark !== null && mark !== 'unreadable' && mark.dbUuid === (nameBefore ?? begun.dbUuid);
  const hasCrashed = begun.previousRun?.end === 'crash';
  const found = readRecoveredState(db);
  const numbers = { timelineSeq: found.lastSeq, recordSeq: found.lastRecordSeq };
  const isOfAnother = mark !== null && mark !== 'unreadable' && !isOfThis;
  const lost = noteLoss(
    db,
    before.lost ??
      (isOfAnother
        ? replacedDatabase(mark)
        : isCut
          ? cutLog(isOfThis ? mark : null)
          : logIsGone({ hadLog, hasCrashed }, isOfThis ? mark : null, numbers)),
  );
  const truncated = noteTruncation(db, isOfThis ? mark : null);
  const known = readRecoveredState(db);
  const lastIncarnation = Math.max(known.lastIncarnation, isOfThis ? mark.incarnation : 0);
  const unfinished = hasCrashed ? (db.prepare(UNFINISHED_SQL).all() as UnfinishedActor[]) : [];
  const markIsUnreadable = mark === 'unreadable';
  const lineage = { ancestors: readAncestors(db), restored: readRestored(db) };
  return {
    db,
    ...known,
    ...begun,
    ...lineage,
    lastIncarnation,
    unfinished,
    leftAlerts: readLeftAlerts(db, options.lastingAlerts ?? []),
    truncated,
    lost,
    markIsUnreadable,
  };
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

function eventStore(
  file: string,
  opened: OpenDatabase,
  lock: EngineLock | null,
  movedAside: string | null,
): LocalStore {
  const { db, cursors, ...known } = opened;
  const reconnect = () => {
    files?.demandOwn();
    return openWritable(file);
  };
  const session = new StoreSession(db, { ...known, file }, lock === null ? null : reconnect);
  const files = lock === null ? null : new KeptFiles(file, session, lock);
  const using = <Result>(action: () => Result): Result => (files === null ? action() : files.use(action));
  const mark = createMarkWriter(lock === null ? null : file, known.dbUuid, () => session.tail());
  let isOpen = true;
  const guard = <Result>(action: () => Result): Result => {
    if (!isOpen) throw closedError(file);
    return guardStorage(file, action);
  };
  return {
    ...known,
    get db() {
      return session.parts.db;
    },
    cursors,
    movedAside,
    async commit(unit: WriteBatch) {
      const write = () => session.commit(unit);
      const result = guard(() => (files === null ? write() : files.commit(unit, write)));
      followCursors(cursors, unit.cursors);
      mark.committed();
      return result;
    },
    examine: async (unit) => guard(() => session.examine(unit)),
    readRecords: async (query) => guard(() => session.parts.logs.records(query)),
    readAlerts: async (query) => guard(() => session.parts.logs.alerts(query)),
    readSpilled: async (query) => guard(() => session.parts.logs.spilled(query)),
    lagOf: async (log, afterSeq) => guard(() => session.parts.logs.lagOf(log, afterSeq)),
    readLetters: async (query) => guard(() => session.parts.letters.read(query)),
    markLetters: async (query, status) => guard(() => using(() => session.parts.letters.mark(query, status))),
    async purgeLetters(query) {
      const purged = guard(() => using(() => session.parts.letters.purge(query)));
      session.parts.maintenance.forgetSizes();
      return purged;
    },
    readState: async (key) => guard(() => readState(session.parts.db, key)),
    writeState: async (key, value) => guard(() => using(() => writeState(session.parts.db, key, value))),
    async maintain(request) {
      const report = guard(() => using(() => session.parts.maintenance.maintain(request)));
      mark.write();
      return { ...report, incidents: files?.takeIncidents() ?? [] };
    },
    async close(end) {
      if (!isOpen) return;
      isOpen = false;
      try {
        if (end !== null) {
          const write = () => {
            session.parts.maintenance.close();
            endRun(session.parts.db, known.run, end.atMs);
          };
          guardStorage(file, () => using(write));
        }
      } finally {
        mark.write();
        session.close();
        files?.release();
      }
    },
    copying: (action) => (files === null ? action() : files.copying(action)),
    // Whoever calls it here waits for the disk himself.
    abandon() {},
  };
}
