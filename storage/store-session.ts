/** A connection and what is prepared on it; replaced where it can no longer be trusted.
 *
 *  When writing or syncing fails with an I/O error, the transaction may be in the file or not, and the next
 *  sync may seem to go well although pages were lost: the system reports a failed write once, then forgets
 *  it. So the connection is closed, and opened anew, and everything that the log then really holds is copied
 *  into the main file and synced as new. What is there afterwards is durable. The logs' counters tell whether
 *  the transaction is among it. */

import type Database from 'better-sqlite3';
import { isDeepStrictEqual } from 'node:util';
import { HeadgateError } from '../src/domain/errors.ts';
import { recordKeys, type Ancestor } from '../src/domain/record-keys.ts';
import type { WriteBatch } from '../src/domain/timeline.ts';
import { createCommitWriter, type CommitWriter, type Counters, type StoreTail } from './commit-writer.ts';
import type { CommitResult, LostDatabase, RefusedRow, RestoredFrom, TruncatedRows } from './event-store.ts';
import { createDeadLetters, type DeadLetters } from './tables/dead-letters.ts';
import { createLogReader, type LogReader } from './tables/log-reader.ts';
import { Maintenance } from './retention/maintenance.ts';
import { makePrivate, syncFile } from './file/durable-file.ts';
import { sqliteCode } from './file/storage-error.ts';

interface Parts {
  readonly db: Database.Database;
  readonly writer: CommitWriter;
  readonly logs: LogReader;
  readonly letters: DeadLetters;
  readonly maintenance: Maintenance;
}

export interface SessionFacts {
  readonly file: string;
  readonly run: number;
  readonly gatewayId: string;
  readonly dbUuid: string;
  readonly ancestors: readonly Ancestor[];
  readonly truncated: TruncatedRows | null;
  readonly lost: LostDatabase | null;
  readonly restored: RestoredFrom | null;
}

/** A unit of which nobody knows whether it is stored. */
interface Doubt {
  readonly unit: WriteBatch;
  readonly counters: Counters;
}

/** Tries of one commit: a second one on a new connection. */
const TRIES = 2;

export class StoreSession {
  readonly #facts: SessionFacts;
  readonly #connect: (() => Database.Database) | null;
  /** Null after a connection was closed and could not be opened again. */
  #parts: Parts | null;
  #doubt: Doubt | null = null;
  #tail: StoreTail;
  #counters: Counters;

  /** `connect` opens the same database anew; null where it would be another one, in memory. */
  constructor(db: Database.Database, facts: SessionFacts, connect: (() => Database.Database) | null) {
    this.#facts = facts;
    this.#connect = connect;
    this.#parts = this.#prepare(db);
    this.#tail = this.#parts.writer.tail();
    this.#counters = this.#parts.writer.counters();
  }

  /** Throws SQLite's own errors, or HG_STORAGE_FAILED while there is no connection. */
  get parts(): Parts {
    if (this.#parts === null) {
      throw new HeadgateError('HG_STORAGE_FAILED', 'the database could not be opened again; try again');
    }
    return this.#parts;
  }

  /** What is known to be committed, whether or not there is a connection. */
  tail(): StoreTail {
    if (this.#parts !== null && this.#doubt === null) this.#tail = this.#parts.writer.tail();
    const timelineSeq = this.#counters.get('timeline') ?? 0;
    return { ...this.#tail, timelineSeq, recordSeq: this.#counters.get('records') ?? 0 };
  }

  /** Throws SQLite's own errors. After an I/O error the same unit is to be handed in again: it is stored
   *  once. */
  commit(unit: WriteBatch): CommitResult {
    for (let attempt = 1; ; attempt++) {
      if (this.#doubt !== null) {
        const stored = this.#resolve(this.#doubt);
        if (stored !== null && isDeepStrictEqual(unit, stored.unit)) return stored.result;
      }
      if (this.#parts === null && this.#connect !== null) this.#parts = this.#prepare(this.#connect());
      const { writer } = this.parts;
      try {
        const result = writer.commit(unit);
        this.#counters = writer.counters();
        return result;
      } catch (error) {
        if (this.#connect === null || !leavesDoubt(error)) throw error;
        this.#doubt = { unit, counters: this.#counters };
        if (attempt === TRIES) throw error;
      }
    }
  }

  /** The connection in use; null while there is none. */
  get connection(): Database.Database | null {
    return this.#parts?.db ?? null;
  }

  get gatewayId(): string {
    return this.#facts.gatewayId;
  }

  /** Copies everything that is committed to a file that is not there yet, and forces it to the disk. */
  copyTo(target: string): void {
    makePrivate(target);
    this.parts.db.prepare('VACUUM INTO ?').run(target);
    syncFile(target);
  }

  /** Copies the log into the database and opens it again. */
  reopen(): void {
    copyLogIntoFile(this.parts.db);
    this.exchange(() => {});
  }

  /** Closes the connection, lets `exchange` put another file of the same content in place, and opens that. */
  exchange(exchange: () => void): void {
    if (this.#connect === null) return;
    this.#tail = this.tail();
    this.close();
    exchange();
    this.#parts = this.#prepare(this.#connect());
  }

  /** As {@link CommitWriter.examine}. */
  examine(unit: WriteBatch): RefusedRow[] {
    return this.parts.writer.examine(unit);
  }

  close(): void {
    const db = this.#parts?.db;
    this.#parts = null;
    db?.close();
  }

  /** Opens the database anew. Gives the unit that was in doubt if it is stored after all, null if it is not.
   *  Throws where there is no telling yet. */
  #resolve({ unit, counters }: Doubt): { unit: WriteBatch; result: CommitResult } | null {
    this.close();
    const db = this.#connect?.();
    if (db === undefined) return null;
    let parts: Parts;
    try {
      copyLogIntoFile(db);
      parts = this.#prepare(db);
      const found = parts.writer.counters();
      if (Array.from(counters).some(([log, seq]) => (found.get(log) ?? 0) < seq)) throw lostRows(counters);
    } catch (error) {
      db.close();
      throw error;
    }
    this.#parts = parts;
    this.#doubt = null;
    this.#counters = parts.writer.counters();
    if (isDeepStrictEqual(this.#counters, counters)) return null;
    const stored = db.prepare('SELECT count(*) FROM records WHERE seq > ?').pluck();
    const inserted = stored.get(counters.get('records') ?? 0) as number;
    const lastRecordSeq = this.#counters.get('records') ?? 0;
    return { unit, result: { lastRecordSeq, duplicates: unit.records.length - inserted } };
  }

  #prepare(db: Database.Database): Parts {
    const { file, run, dbUuid, truncated, lost, restored } = this.#facts;
    return {
      db,
      writer: createCommitWriter(db, {
        run,
        isTruncated: truncated !== null,
        isLost: lost !== null,
        isRestored: restored !== null,
      }),
      logs: createLogReader(db, recordKeys(this.#facts)),
      letters: createDeadLetters(db),
      maintenance: new Maintenance(db, file, dbUuid),
    };
  }
}

/** A full disk leaves none: the transaction is rolled back. */
function leavesDoubt(error: unknown): boolean {
  const sqlite = sqliteCode(error) ?? '';
  return sqlite.startsWith('SQLITE_IOERR') && sqlite !== 'SQLITE_IOERR_SHMSIZE';
}

function copyLogIntoFile(db: Database.Database): void {
  const [outcome] = db.pragma('wal_checkpoint(TRUNCATE)') as { busy: number }[];
  if (outcome?.busy === 0) return;
  throw new HeadgateError('HG_STORAGE_BUSY', 'a reader holds up the check after an I/O error; try again');
}

function lostRows(counters: Counters): HeadgateError {
  const message =
    'rows that had been stored are gone after an I/O error; the disk cannot be trusted. Replace it, or use ' +
    'another file';
  return new HeadgateError('HG_STORAGE_CORRUPT', message, { details: Object.fromEntries(counters) });
}
