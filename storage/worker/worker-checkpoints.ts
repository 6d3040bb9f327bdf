/** When the write-ahead log is copied into the database file, where a thread of its own has time for that:
 *  while nobody waits. A log that has grown long is copied between two commits all the same, so that it stays
 *  bounded; only a reader of another process that stays at one place for long can hold that up, since what it
 *  still sees must stay. */

import type Database from 'better-sqlite3';
import { statSync } from 'node:fs';

export interface CheckpointOptions {
  /** Pages that are worth a checkpoint while nobody waits. */
  readonly idlePages: number;
  /** Bytes of pages after which a checkpoint no longer waits for a pause. */
  readonly pendingBytesMax: number;
  /** Length of the log at which it is cut back as soon as nobody waits. */
  readonly logBytesMax: number;
  /** The same after a while of quiet. */
  readonly quietLogBytesMax: number;
}

const MIB = 1024 * 1024;

const DEFAULT_CHECKPOINTS: CheckpointOptions = {
  idlePages: 1_000,
  pendingBytesMax: 16 * MIB,
  logBytesMax: 64 * MIB,
  quietLogBytesMax: 4 * MIB,
};

interface LogState {
  /** Another connection was in the way. */
  readonly busy: number;
  /** Pages in the log; -1 where there is none. */
  readonly log: number;
  /** Those of them that are in the database file. */
  readonly checkpointed: number;
}

/** Carries out a checkpoint: whoever watches the files knows then that they became smaller by it. */
type Copying = <Result>(action: () => Result) => Result;

type Mode = 'NOOP' | 'PASSIVE' | 'TRUNCATE';

export class Checkpoints {
  readonly #connection: () => Database.Database;
  readonly #file: string;
  readonly #options: CheckpointOptions;
  readonly #copying: Copying;
  readonly #pageBytes: number;
  /** Pages that the last checkpoint could not copy: so many are no reason for another one. */
  #stuckPages = 0;
  /** Length from which on it is worth another try to cut the log, after one that failed. */
  #cutAgainAtBytes = 0;

  /** `connection` gives the one that is in use. It must not make checkpoints of its own. */
  constructor(
    connection: () => Database.Database,
    file: string,
    options = DEFAULT_CHECKPOINTS,
    copying: Copying = (action) => action(),
  ) {
    this.#connection = connection;
    this.#file = file;
    this.#options = options;
    this.#copying = copying;
    this.#pageBytes = connection().pragma('page_size', { simple: true }) as number;
  }

  /** After every commit. */
  afterCommit(): void {
    this.#copyBeyond(this.#options.pendingBytesMax / this.#pageBytes);
  }

  /** Nobody waits just now. */
  whenIdle(): void {
    this.#copyBeyond(this.#options.idlePages);
    this.#cutBeyond(this.#options.logBytesMax);
  }

  /** Nobody has waited for a while. */
  whenQuiet(): void {
    this.#cutAgainAtBytes = 0;
    this.#cutBeyond(this.#options.quietLogBytesMax);
  }

  beforeClose(): void {
    this.#try('TRUNCATE');
  }

  #copyBeyond(pagesMax: number): void {
    const pages = pendingPages(this.#try('NOOP'));
    // A log that was begun anew is no longer stuck.
    this.#stuckPages = Math.min(this.#stuckPages, pages);
    if (pages - this.#stuckPages < pagesMax) return;
    this.#stuckPages = pendingPages(this.#try('PASSIVE'));
  }

  #cutBeyond(bytesMax: number): void {
    const bytes = logBytes(this.#file);
    if (bytes <= Math.max(bytesMax, this.#cutAgainAtBytes)) return;
    const { busy } = this.#try('TRUNCATE');
    this.#cutAgainAtBytes = busy === 0 ? 0 : bytes + this.#options.pendingBytesMax;
  }

  /** A checkpoint that fails loses nothing: what is in the log is stored, and is copied again. If the disk is
   *  at fault, the next commit says so. */
  #try(mode: Mode): LogState {
    try {
      const copy = () => this.#connection().pragma(`wal_checkpoint(${mode})`) as LogState[];
      const [state] = mode === 'NOOP' ? copy() : this.#copying(copy);
      return state ?? NOTHING_KNOWN;
    } catch {
      return NOTHING_KNOWN;
    }
  }
}

const NOTHING_KNOWN: LogState = { busy: 1, log: 0, checkpointed: 0 };

function pendingPages({ log, checkpointed }: LogState): number {
  return Math.max(0, log - checkpointed);
}

/** Length of the write-ahead log of this database file; 0 where there is none. */
function logBytes(file: string): number {
  return statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0;
}
