/** Hosts a store in a thread of its own: carries out calls that come as messages, and answers each.
 *
 *  Writers go one at a time, in the order they came. Where another process holds the write lock, a writer
 *  waits in short turns, between which readers are answered, and gives up after a while: then the caller
 *  hears that the database is busy, and decides. */

import type Database from 'better-sqlite3';
import type { Clock, TimerHandle } from '../../src/domain/clock.ts';
import { HeadgateError } from '../../src/domain/errors.ts';
import type { CommitResult } from '../event-store.ts';
import type { LocalStore } from '../open-event-store.ts';
import { storageError } from '../file/storage-error.ts';
import { Checkpoints } from './worker-checkpoints.ts';
import { FORWARDED_CALLS, wireError, type FromWorker, type ToWorker } from './worker-protocol.ts';
import { decodeBatch } from './write-batch-codec.ts';

/** How long SQLite itself waits for a lock, in one go. Readers wait as long. */
const BUSY_TIMEOUT_MS = 20;
/** The pause after that. */
const BUSY_PAUSE_MS = 10;
/** After so long a writer gives up. */
const BUSY_PATIENCE_MS = 200;
/** The last write of a run is worth a longer wait; nobody reads any more. */
const CLOSING_TIMEOUT_MS = 1_000;

/** Without a call for so long, nobody waits. */
const IDLE_MS = 5;
const QUIET_MS = 1_000;

export interface HostOptions {
  readonly store: LocalStore;
  readonly file: string;
  readonly clock: Clock;
  readonly post: (message: FromWorker) => void;
  /** The store is closed and the answer to that is posted. */
  readonly onClosed: () => void;
}

export class StoreHost {
  readonly #options: HostOptions;
  readonly #checkpoints: Checkpoints;
  /** Resolves when the last writer so far is through. */
  #writers: Promise<void> = Promise.resolve();
  #waiting = 0;
  #idleTimer: TimerHandle = undefined;
  #isClosing = false;
  #tuned: Database.Database | null = null;

  constructor(options: HostOptions) {
    this.#options = options;
    this.#checkpoints = new Checkpoints(
      () => this.#connection(),
      options.file,
      undefined,
      (action) => options.store.copying(action),
    );
  }

  receive(message: ToWorker): void {
    this.#waiting++;
    this.#clearIdleTimer();
    if (message.call === 'close') {
      this.#inTurn(message.id, () => this.#close(message.end), this.#options.onClosed);
    } else if (message.call === 'commit') {
      this.#inTurn(
        message.id,
        () => this.#commit(message),
        () => this.#checkpoints.afterCommit(),
      );
    } else if (message.call === 'examine') {
      const { id, unit } = message;
      this.#inTurn(id, () => this.#patiently(() => this.#options.store.examine(decodeBatch(unit))));
    } else if (FORWARDED_CALLS[message.call] === 'reads')
      void this.#answer(message.id, this.#forward(message));
    else this.#inTurn(message.id, () => this.#patiently(() => this.#forward(message)));
  }

  async #commit({ unit }: Extract<ToWorker, { call: 'commit' }>): Promise<CommitResult> {
    const decoded = decodeBatch(unit);
    return this.#patiently(() => this.#options.store.commit(decoded));
  }

  async #forward({ call, args }: Extract<ToWorker, { args: readonly unknown[] }>): Promise<unknown> {
    const method = this.#options.store[call] as (...args: readonly unknown[]) => Promise<unknown>;
    return method(...args);
  }

  async #close(end: { readonly atMs: number } | null): Promise<void> {
    const { store } = this.#options;
    this.#isClosing = true;
    this.#checkpoints.beforeClose();
    try {
      this.#connection().pragma(`busy_timeout = ${CLOSING_TIMEOUT_MS}`);
    } catch {
      // There is no connection after an I/O error: closing the store tells.
    }
    await store.close(end);
  }

  /** The store's connection, which is another one after an I/O error, as this thread wants it. */
  #connection(): Database.Database {
    const { db } = this.#options.store;
    if (db !== this.#tuned) {
      db.pragma(`busy_timeout = ${BUSY_TIMEOUT_MS}`);
      db.pragma('wal_autocheckpoint = 0');
      this.#tuned = db;
    }
    return db;
  }

  /** Carries out a writer's call once those before it are through. */
  #inTurn(id: number, action: () => Promise<unknown>, afterwards?: () => void): void {
    this.#writers = this.#writers.then(async () => {
      await this.#answer(id, action());
      afterwards?.();
    });
  }

  async #answer(id: number, result: Promise<unknown>): Promise<void> {
    const { file, post } = this.#options;
    try {
      post({ id, value: await result });
    } catch (error) {
      post({ id, error: wireError(storageError(error, file)) });
    }
    this.#waiting--;
    if (this.#waiting === 0 && !this.#isClosing) this.#awaitIdleness();
  }

  async #patiently<Result>(action: () => Promise<Result>): Promise<Result> {
    const { clock } = this.#options;
    const sinceMs = clock.monotonicMs();
    for (;;) {
      try {
        return await action();
      } catch (error) {
        const isBusy = error instanceof HeadgateError && error.code === 'HG_STORAGE_BUSY';
        if (!isBusy || clock.monotonicMs() - sinceMs >= BUSY_PATIENCE_MS) throw error;
        await clock.sleep(BUSY_PAUSE_MS);
      }
    }
  }

  #awaitIdleness(): void {
    const { clock } = this.#options;
    this.#idleTimer = clock.setTimeout(() => {
      this.#checkpoints.whenIdle();
      this.#idleTimer = clock.setTimeout(() => {
        this.#idleTimer = undefined;
        this.#checkpoints.whenQuiet();
      }, QUIET_MS);
    }, IDLE_MS);
  }

  #clearIdleTimer(): void {
    if (this.#idleTimer !== undefined) this.#options.clock.clearTimeout(this.#idleTimer);
    this.#idleTimer = undefined;
  }
}
