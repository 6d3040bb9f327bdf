/** Keeps the files of an open database where they belong. Nothing is acknowledged that is only in files which
 *  are lost: before an answer leaves, the files are looked at, and what can be put right is.
 *
 *  - The database is gone: everything that was stored is copied from the open connection, the copy takes its
 *    place and is opened.
 *  - Another file stands in its place: that one is left alone. What was stored is copied beside it once, and
 *    nothing is stored until the file is back.
 *  - The log or the shared memory is gone: the log is copied into the database, which is opened again.
 *  - The database or the log was cut off: what is gone cannot be told. Nothing is stored any more; the next
 *    start looks at every page and at the mark.
 *  - The lock is gone: it is taken again; where another engine has it, nothing is stored. */

import type Database from 'better-sqlite3';
import { existsSync, renameSync, rmSync } from 'node:fs';
import { basename } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { HeadgateError } from '../src/domain/errors.ts';
import type { WriteBatch } from '../src/domain/timeline.ts';
import type { CommitResult, FileIncident } from './event-store.ts';
import { syncFolderOf } from './file/durable-file.ts';
import { takeEngineLock, type EngineLock } from './file/engine-lock.ts';
import { FileWatch, type FileChange } from './file/file-watch.ts';
import { storageError } from './file/storage-error.ts';
import { isLogWhole } from './file/wal-index.ts';
import type { StoreSession } from './store-session.ts';

/** Pages that an action may store after it gave pages back, and a checkpoint between. */
const SLACK_PAGES = 64;

/** Incidents that were not collected yet; further ones of one kind add nothing. */
const INCIDENTS_MAX = 16;

export class KeptFiles {
  readonly #file: string;
  readonly #session: StoreSession;
  readonly #watch: FileWatch;
  #lock: EngineLock;
  /** The connection whose files are watched; after an I/O error the session opens another one. */
  #db: Database.Database | null;
  /** A unit that is stored in files that were not where they should be, so that it was not acknowledged. */
  #unanswered: { readonly unit: WriteBatch; readonly result: CommitResult } | null = null;
  /** A copy that is to take the place of a database that is gone; it stays until it has. */
  #copyToPlace: string | null = null;
  /** A copy that was made beside a file that is not ours. */
  #rescuedTo: string | null = null;
  #incidents: FileIncident[] = [];
  /** Pages of the database at the end of the last action. */
  #pages = 0;
  /** The last reported change, so that a lasting one is reported once. */
  #told: FileChange | null = null;

  constructor(file: string, session: StoreSession, lock: EngineLock) {
    this.#file = file;
    this.#session = session;
    this.#lock = lock;
    this.#db = session.connection;
    this.#watch = new FileWatch(file);
    this.#notePages();
  }

  /** Incidents since the last call. */
  takeIncidents(): readonly FileIncident[] {
    const incidents = this.#incidents;
    this.#incidents = [];
    return incidents;
  }

  /** Carries out what reads or writes the files; what it gives back holds only if they are still the ones in
   *  use. Throws what `action` throws, and HeadgateError HG_STORAGE_FAILED, _LOCKED or _CORRUPT while they
   *  are not. */
  use<Result>(action: () => Result): Result {
    this.#restore();
    const result = action();
    this.#confirm(SLACK_PAGES);
    return result;
  }

  /** As {@link use}. A unit that was stored and could not be answered is handed in again: it is stored once.
   *  */
  commit(unit: WriteBatch, action: () => CommitResult): CommitResult {
    this.#restore();
    const before = this.#unanswered;
    this.#unanswered = null;
    if (before !== null && isDeepStrictEqual(before.unit, unit)) return before.result;
    const result = action();
    this.#unanswered = { unit, result };
    // A commit gives no pages back.
    this.#confirm(0);
    this.#unanswered = null;
    return result;
  }

  /** As {@link use}, for what needs no answer: the next use finds what has changed. */
  copying<Result>(action: () => Result): Result {
    const change = this.#watch.check();
    const result = action();
    if (change === null && this.#isWhole(this.#watch.check(), 0)) this.#watch.rebase();
    return result;
  }

  /** Throws unless the database stands where it did: a connection opened now would make another one. */
  demandOwn(): void {
    const change = this.#watch.check();
    if (change === 'gone' || change === 'replaced') throw this.#refusal(change);
  }

  release(): void {
    this.#lock.release();
  }

  /** After an action: the files are the ones in use, or are made so. */
  #confirm(slackPages: number): void {
    this.#follow();
    const change = this.#watch.check();
    if (change !== null && !this.#isWhole(change, slackPages)) this.#restore();
    this.#watch.rebase();
    this.#notePages();
  }

  #notePages(): void {
    if (this.#session.connection !== null) this.#pages = pagesOf(this.#session.connection);
  }

  /** Whether a file that became smaller holds all it should: a checkpoint, also one of another program's
   *  connection, cuts off pages that were given back, and a log of which all is in the database. */
  #isWhole(change: FileChange | null, slackPages: number): boolean {
    const { connection } = this.#session;
    if (change === 'logShorter') return isLogWhole(this.#file);
    if (change !== 'shorter' || connection === null) return change === null;
    const pages = Math.min(this.#pages, pagesOf(connection)) - slackPages;
    const pageBytes = connection.pragma('page_size', { simple: true }) as number;
    return this.#watch.databaseBytes() >= pages * pageBytes;
  }

  /** The session may have another connection, to new files of the same names. */
  #follow(): void {
    const { connection } = this.#session;
    if (connection === null || connection === this.#db) return;
    this.#db = connection;
    this.#watch.adopt();
  }

  /** Puts right what can be put right. */
  #restore(): void {
    this.#follow();
    // Without a connection there is nothing to copy from; the session opens one, or says why not.
    if (this.#session.connection === null && this.#copyToPlace === null) return;
    for (let change = this.#watch.check(); change !== null; change = this.#watch.check()) {
      // Another connection made a checkpoint, as a backup or the sqlite3 shell does.
      if (this.#isWhole(change, 0)) {
        this.#watch.rebase();
        continue;
      }
      try {
        const outcome = this.#mend(change);
        if (outcome === null) throw this.#refusal(change);
        this.#told = null;
        this.#tell({ change, outcome, rescuedTo: null });
      } catch (error) {
        if (this.#told !== change) this.#tell({ change, outcome: 'stopped', rescuedTo: this.#rescuedTo });
        this.#told = change;
        throw storageError(error, this.#file);
      }
    }
    this.#told = null;
  }

  /** Null: there is nothing to be done about it. */
  #mend(change: FileChange): FileIncident['outcome'] | null {
    switch (change) {
      case 'gone':
        this.#putBack();
        return 'restored';
      case 'replaced':
        this.#rescuedTo ??= this.#copyTo(freeName(`${this.#file}.rescued`));
        return null;
      case 'logGone':
        this.#session.reopen();
        this.#follow();
        return 'reopened';
      case 'lockGone':
        this.#takeLock();
        return 'locked';
      case 'shorter':
      case 'logShorter':
        return null;
    }
  }

  #putBack(): void {
    this.#copyToPlace ??= this.#copyTo(freeName(`${this.#file}.rescued`));
    const copy = this.#copyToPlace;
    this.#session.exchange(() => {
      // A log that lies there would be taken for that of the copy.
      for (const left of [`${this.#file}-wal`, `${this.#file}-shm`]) rmSync(left, { force: true });
      renameSync(copy, this.#file);
      this.#copyToPlace = null;
      syncFolderOf(this.#file);
      this.#watch.adopt();
    });
    this.#follow();
  }

  #copyTo(target: string): string {
    try {
      this.#session.copyTo(target);
      return target;
    } catch (error) {
      rmSync(target, { force: true });
      throw error;
    }
  }

  #takeLock(): void {
    const lock = takeEngineLock(this.#file);
    this.#lock.release();
    this.#lock = lock;
    lock.remember(this.#session.gatewayId);
    this.#watch.adoptLock();
  }

  #tell(incident: FileIncident): void {
    if (this.#incidents.length < INCIDENTS_MAX) this.#incidents.push(incident);
  }

  #refusal(change: FileChange): HeadgateError {
    const details = { file: this.#file, change };
    const isCut = change === 'shorter' || change === 'logShorter';
    const copy = this.#rescuedTo === null ? '' : `; what was stored is kept as ${basename(this.#rescuedTo)}`;
    const message = `${this.#file}: ${REASONS[change]}${copy}`;
    return new HeadgateError(isCut ? 'HG_STORAGE_CORRUPT' : 'HG_STORAGE_FAILED', message, {
      remedy: 'retry',
      details,
    });
  }
}

const REASONS: Readonly<Record<FileChange, string>> = {
  gone: 'was removed while in use; put it back',
  replaced: 'another file was put in its place while in use; put it back, or restart the engine',
  shorter: 'was cut off by another program; restart the engine, which looks at what is left',
  logGone: 'its log was removed while in use',
  logShorter: 'its log was cut off by another program; restart the engine, which looks at what is left',
  lockGone: 'its lock was removed while in use',
};

/** In the log or in the file. */
function pagesOf(db: Database.Database): number {
  return db.pragma('page_count', { simple: true }) as number;
}

function freeName(name: string): string {
  let free = name;
  for (let copy = 2; existsSync(free); copy++) free = `${name}-${copy}`;
  return free;
}
