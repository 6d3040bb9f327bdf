/** The ledger: writes everything that is to be written, one transaction at a time, in order. What comes in
 *  while a commit is under way goes with the next one, so commits grow with the load by themselves. Between
 *  two transactions with records lies a least time, for the sake of flash; each is bounded in rows and bytes.
 *
 *  Guarantee: what `flush` promises is stored when it resolves. When the database cannot take a unit, it is
 *  kept and tried again with growing waits; nothing is lost but what goes beyond the bound on waiting
 *  timeline rows, and that leaves a gap row. */

import { backoffMs } from '../../src/domain/backoff.ts';
import type { Clock, TimerHandle } from '../../src/domain/clock.ts';
import { errorFacts, HeadgateError, remedyOf, type ErrorFacts } from '../../src/domain/errors.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import type { CommitMark } from '../../src/domain/receipt.ts';
import type {
  CommitUnit,
  DeadLetter,
  DeadlineRow,
  HealthRow,
  LetterFailure,
  SinkCursorRow,
  SinkRow,
  SourceRow,
  TimelineRow,
} from '../../src/domain/timeline.ts';
import type { CommitResult } from '../../storage/event-store.ts';
import { Basket, type CommitLimits, type Parcel } from './basket.ts';

/** The part of the storage's interface that the ledger needs. */
export interface Committer {
  commit(unit: CommitUnit): Promise<Pick<CommitResult, 'lastRecordSeq'>>;
}

export interface GroupCommitOptions extends CommitLimits {
  /** How long records wait for company before they are written, milliseconds. Those that come while a commit
   *  is under way have that much less to wait. */
  readonly ageMs: number;
}

export const DEFAULT_GROUP_COMMIT: GroupCommitOptions = {
  rowsMax: LIMITS.commitRowsMax,
  bytesMax: LIMITS.commitBytesMax,
  ageMs: LIMITS.commitAgeMs,
};

export interface LedgerOptions {
  /** Null: nothing is kept; everything counts as written at once. */
  readonly store: Committer | null;
  readonly clock: Clock;
  readonly groupCommit?: GroupCommitOptions;
  /** Rows that are stored now. */
  readonly onWritten: (rows: readonly TimelineRow[]) => void;
  /** The record log has grown up to this `seq`. */
  readonly onRecords?: (lastRecordSeq: number) => void;
  /** Rows could not be written and never will be. */
  readonly onGivenUp: (rows: number, error: ErrorFacts) => void;
  readonly onFailed: (error: ErrorFacts) => void;
  readonly onRecovered: (afterMs: number) => void;
  /** The storage has ended for good; nothing can be written any more. */
  readonly onGone?: (error: ErrorFacts) => void;
}

/** Failures after which a ledger that is being closed gives up: some 750 ms of waits between them. */
const CLOSING_FAILURES_MAX = 5;

/** How long lifecycle rows wait for company. */
const GATHER_MS = 10;

const RETRY = { kind: 'exponential', initialMs: 50, maxMs: 5_000, factor: 2, jitter: 'none' } as const;

const LETTERS_GAVE_WAY: ErrorFacts = {
  code: 'HG_STORAGE_FAILED',
  message: 'the database could not be written, and more dead letters wait than may; the oldest gave way',
};

export class Ledger {
  readonly #options: LedgerOptions;
  readonly #limits: GroupCommitOptions;
  readonly #basket = new Basket();
  #timer: { readonly handle: TimerHandle; readonly dueMs: number } | null = null;
  #writing: Promise<void> | null = null;
  /** When a transaction with records was last begun. */
  #lastParcelsMs = Number.NEGATIVE_INFINITY;
  #failedAtMs: number | null = null;
  #attempts = 0;
  #isClosed = false;
  /** Somebody waits for what has been added. */
  #isUrgent = false;
  /** Failures until the unit at hand is given up; bounded only while closing. */
  #failuresLeft = Number.POSITIVE_INFINITY;
  /** Rows that were lost in closing. */
  #lost = 0;
  #lastRecordSeq = 0;
  readonly #abort = new AbortController();

  constructor(options: LedgerOptions) {
    this.#options = options;
    this.#limits = options.groupCommit ?? DEFAULT_GROUP_COMMIT;
  }

  /** Whether the last commit failed and is being tried again. */
  get isStalled(): boolean {
    return this.#failedAtMs !== null;
  }

  addRow(row: TimelineRow): void {
    this.#basket.addRow(row);
    this.#schedule(GATHER_MS);
  }

  /** The row of this source is to be written anew, as it is when the unit is made. */
  touch(source: { row(): SourceRow }): void {
    this.#basket.touchSource(source);
    this.#schedule(GATHER_MS);
  }

  touchSink(sink: { row(): SinkRow }): void {
    this.#basket.touchSink(sink);
    this.#schedule(GATHER_MS);
  }

  /** `isAwaited`: somebody acts on it once it is stored, a source by its acknowledgement, a sink by its
   *  cursor. It is written or they are told that it is lost; others may give way while the database fails. */
  addDeadLetter(letter: DeadLetter, { isAwaited }: { readonly isAwaited: boolean }): void {
    this.#basket.addDeadLetter(letter, isAwaited);
    if (this.#basket.isOverfull) this.#boundWaitingRows();
    this.#schedule(GATHER_MS);
  }

  addLetterFailure(failure: LetterFailure): void {
    this.#basket.addLetterFailure(failure);
    this.#schedule(GATHER_MS);
  }

  addHealth(rows: readonly HealthRow[]): void {
    this.#basket.addHealth(rows);
    this.#schedule(GATHER_MS);
  }

  /** Crosses out where a record came from that is not stored after all. */
  addMark(mark: CommitMark): void {
    this.#basket.addMark(mark);
    this.#schedule(GATHER_MS);
  }

  /** Where this sink goes on after a crash; the last one counts. */
  setSinkCursor(cursor: SinkCursorRow): void {
    this.#basket.setSinkCursor(cursor);
    this.#schedule(GATHER_MS);
  }

  setDeadline(deadline: DeadlineRow): void {
    this.#basket.setDeadline(deadline);
    this.#schedule(GATHER_MS);
  }

  /** Adds records, or a wait for what was added before. */
  addParcel(parcel: Parcel): void {
    if (this.#isClosed) {
      parcel.onSettled('lost');
      return;
    }
    this.#basket.addParcel(parcel);
    this.#schedule(this.#parcelDelayMs());
  }

  /** Resolves when everything added so far is stored. Does not resolve while the database cannot take it.
   *  Once it is closed there is nothing to wait for. */
  flush(): Promise<void> {
    if (this.#basket.isEmpty || this.#isClosed) return this.#writing ?? Promise.resolve();
    return new Promise((resolve) => {
      this.#basket.addParcel({ onSettled: () => resolve() });
      this.#isUrgent = true;
      this.#write();
    });
  }

  /** Writes what is left, then takes nothing more. A database that has been failing gets one last try, at
   *  once; one that fails only now gets a few. Returns how many rows and records were lost. */
  async close(): Promise<number> {
    this.#failuresLeft = this.isStalled ? 1 : CLOSING_FAILURES_MAX;
    if (this.isStalled) this.#abort.abort();
    while (!this.#isClosed && (!this.#basket.isEmpty || this.#writing !== null)) {
      this.#write();
      await this.#writing;
    }
    this.#isClosed = true;
    this.#clearTimer();
    const lost = this.#lost + this.#basket.worth;
    this.#basket.lose();
    return lost;
  }

  #parcelDelayMs(): number {
    if (this.#isUrgent || this.#basket.fills(this.#limits)) return 0;
    const restMs = this.#options.clock.monotonicMs() - this.#lastParcelsMs;
    return Math.max(0, this.#limits.ageMs - restMs);
  }

  #schedule(delayMs: number): void {
    if (this.#isClosed || this.#writing !== null) return;
    const { clock } = this.#options;
    const dueMs = clock.monotonicMs() + delayMs;
    if (this.#timer !== null && this.#timer.dueMs <= dueMs) return;
    this.#clearTimer();
    this.#timer = { handle: clock.setTimeout(() => this.#write(), delayMs), dueMs };
  }

  #clearTimer(): void {
    if (this.#timer !== null) this.#options.clock.clearTimeout(this.#timer.handle);
    this.#timer = null;
  }

  /** Begins a commit unless one is under way. */
  #write(): void {
    this.#clearTimer();
    if (this.#writing !== null || this.#basket.isEmpty) return;
    const { unit, parcels } = this.#basket.take(this.#limits);
    this.#isUrgent = this.#isUrgent && this.#basket.hasParcels;
    if (parcels.length > 0) this.#lastParcelsMs = this.#options.clock.monotonicMs();
    this.#writing = this.#commit(unit, parcels);
  }

  /** The next transaction is begun before anybody is told of this one: what they do then takes its time, and
   *  the thread of the storage need not wait for it. */
  async #commit(unit: CommitUnit, parcels: readonly Parcel[]): Promise<void> {
    const outcome = await this.#tryOn(unit);
    const lastRecordSeq = this.#lastRecordSeq;
    if (outcome !== 'lost') this.#recovered();
    this.#writing = null;
    if (!this.#isClosed && this.#basket.hasParcels && this.#parcelDelayMs() === 0) this.#write();
    try {
      for (const { onSettled } of parcels) onSettled(outcome === 'written' ? 'stored' : 'lost');
      if (outcome !== 'written') return;
      this.#options.onWritten(unit.timeline);
      if (unit.records.length > 0) this.#options.onRecords?.(lastRecordSeq);
    } finally {
      if (this.#basket.hasParcels) this.#schedule(this.#parcelDelayMs());
      else if (!this.#basket.isEmpty) this.#schedule(GATHER_MS);
    }
  }

  /** Tries until the unit is written, refused for good, or lost because there is no time left. */
  async #tryOn(unit: CommitUnit): Promise<'written' | 'refused' | 'lost'> {
    const { store, clock } = this.#options;
    for (;;) {
      try {
        const result = await store?.commit(unit);
        this.#lastRecordSeq = result?.lastRecordSeq ?? 0;
        return 'written';
      } catch (error) {
        if (isGone(error)) {
          this.#isClosed = true;
          this.#lost += this.#giveUp(unit, error);
          this.#options.onGone?.(errorFacts(error));
          return 'lost';
        }
        if (remedyOf(error) === 'drop') {
          this.#giveUp(unit, error);
          return 'refused';
        }
        if (--this.#failuresLeft <= 0) {
          this.#isClosed = true;
          this.#lost += this.#giveUp(unit, error);
          return 'lost';
        }
        this.#failed(error);
        this.#boundWaitingRows();
        await clock.sleep(backoffMs(RETRY, this.#attempts, 0), this.#abort.signal);
      }
    }
  }

  #boundWaitingRows(): void {
    const letters = this.#basket.boundWaitingRows();
    if (letters > 0) this.#options.onGivenUp(letters, LETTERS_GAVE_WAY);
  }

  #giveUp(unit: CommitUnit, error: unknown): number {
    const { timeline, records, spilled, deadLetters } = unit;
    const rows = timeline.length + records.length + spilled.length + deadLetters.length;
    this.#options.onGivenUp(rows, errorFacts(error, 'HG_STORAGE_FAILED'));
    return rows;
  }

  #failed(error: unknown): void {
    this.#attempts++;
    if (this.#failedAtMs !== null) return;
    this.#failedAtMs = this.#options.clock.monotonicMs();
    this.#options.onFailed(errorFacts(error, 'HG_STORAGE_FAILED'));
  }

  #recovered(): void {
    if (this.#failedAtMs === null) return;
    const afterMs = Math.round(this.#options.clock.monotonicMs() - this.#failedAtMs);
    this.#failedAtMs = null;
    this.#attempts = 0;
    this.#options.onRecovered(afterMs);
  }
}

/** Whoever writes the database is no more. All else is tried again, even what bears the remedy `stop`: a file
 *  that cannot be written today can be tomorrow. */
function isGone(error: unknown): boolean {
  return error instanceof HeadgateError && error.code === 'HG_STORAGE_STOPPED';
}
