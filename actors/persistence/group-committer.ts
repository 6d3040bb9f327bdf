/** The committer: writes everything that is to be written, one transaction at a time, in order. What comes in
 *  while a commit is under way goes with the next one, so commits grow with the load by themselves. Between
 *  two transactions with records lies a least time, for the sake of flash; each is bounded in rows and bytes.
 *
 *  Guarantee: what `flush` promises is stored when it resolves. When the database cannot take a unit, it is
 *  kept and tried again with growing waits; nothing is lost but what goes beyond the bound on waiting
 *  timeline rows, and that leaves a gap row. A row that the database refuses takes no other row with it. */

import { isSinkName } from '../../src/domain/address.ts';
import type { Clock, TimerHandle } from '../../src/domain/clock.ts';
import type { ErrorFacts } from '../../src/domain/errors.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import type { OriginRemoval } from '../../src/domain/receipt.ts';
import type {
  WriteBatch,
  DeadLetter,
  DeadlineRow,
  HealthRow,
  LetterFailure,
  SinkCursorRow,
  SinkRow,
  SourceRow,
  TimelineRow,
} from '../../src/domain/timeline.ts';
import { PendingWrites, type CommitLimits, type RecordWrite } from './pending-writes.ts';
import type { CommitCounts } from './commit-stats.ts';
import { RefusedRows } from './refused-rows.ts';
import { CommitRetrier, worthOf, type Committer } from './commit-retrier.ts';

/** How it stands, as `StorageStats` of src/engine/engine-stats.ts has it. */
export interface GroupCommitterStats extends CommitCounts {
  readonly waitingSinceMonoMs: number | null;
  readonly isStalled: boolean;
  readonly stalledBy: ErrorFacts | null;
  readonly pendingRecords: number;
  readonly pendingRows: number;
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

export interface GroupCommitterOptions {
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

/** How long lifecycle rows wait for company. */
const GATHER_MS = 10;

const LETTERS_GAVE_WAY: ErrorFacts = {
  code: 'HG_STORAGE_FAILED',
  message: 'the database could not be written, and more dead letters wait than may; the oldest gave way',
};

/** Why rows that were never tried are lost. */
const NO_ANSWER: ErrorFacts = { code: 'HG_STORAGE_STOPPED', message: 'the storage does not answer' };

export class GroupCommitter {
  readonly #options: GroupCommitterOptions;
  readonly #limits: GroupCommitOptions;
  readonly #pending = new PendingWrites();
  #timer: { readonly handle: TimerHandle; readonly dueMs: number } | null = null;
  #writing: Promise<void> | null = null;
  /** When a transaction with records was last begun. */
  #lastParcelsMs = Number.NEGATIVE_INFINITY;
  readonly #writer: CommitRetrier;
  readonly #refusedRows: RefusedRows;
  /** Since when something is in the pending, about; monotonic. */
  #waitingSinceMs: number | null = null;
  /** The unit that is being written, and since when it waits. */
  #underWay: { readonly unit: WriteBatch; readonly sinceMs: number } | null = null;
  #isClosed = false;
  /** Somebody waits for what has been added. */
  #isUrgent = false;
  /** Rows that were lost in closing. */
  #lost = 0;
  #lostLetters = 0;

  constructor(options: GroupCommitterOptions) {
    this.#options = options;
    this.#limits = options.groupCommit ?? DEFAULT_GROUP_COMMIT;
    const { store, clock, onGivenUp, onFailed, onRecovered, onGone = () => {} } = options;
    this.#writer = new CommitRetrier({
      ...{ store, clock, onGivenUp, onFailed, onRecovered, onGone },
      onWaiting: () => this.#boundWaitingRows(),
    });
    this.#refusedRows = new RefusedRows({ takeLetters: () => this.#pending.takeLetters(), onGivenUp });
  }

  /** Whether the last commit failed and is being tried again. */
  get isStalled(): boolean {
    return this.#writer.isStalled;
  }

  /** Whether a commit was given up since the storage did not answer. */
  get isAbandoned(): boolean {
    return this.#writer.isAbandoned;
  }

  /** Dead letters of sources that were lost: each was the last that was left of its record. A sink's
   *  record is in the log. */
  get lostLetters(): number {
    return this.#lostLetters;
  }

  /** What was written since it was made, and what waits. */
  stats(): GroupCommitterStats {
    const { unit, sinceMs = this.#waitingSinceMs } = this.#underWay ?? {};
    return {
      ...this.#writer.stats(),
      waitingSinceMonoMs: sinceMs,
      pendingRecords: this.#pending.parcelRows + (unit?.records.length ?? 0) + (unit?.spilled.length ?? 0),
      pendingRows: this.#pending.timelineRows + (unit?.timeline.length ?? 0),
    };
  }

  addRow(row: TimelineRow): void {
    this.#pending.addRow(row);
    this.#schedule(GATHER_MS);
  }

  /** The row of this source is to be written anew, as it is when the unit is made. */
  markDirty(source: { row(): SourceRow }): void {
    this.#pending.touchSource(source);
    this.#schedule(GATHER_MS);
  }

  touchSink(sink: { row(): SinkRow }): void {
    this.#pending.touchSink(sink);
    this.#schedule(GATHER_MS);
  }

  /** `isAwaited`: somebody acts on it once it is stored, a source by its acknowledgement, a sink by its
   *  cursor. It is written or they are told that it is lost; others may give way while the database fails. */
  addDeadLetter(letter: DeadLetter, { isAwaited }: { readonly isAwaited: boolean }): void {
    this.#pending.addDeadLetter(letter, isAwaited);
    if (this.#pending.isOverfull) this.#boundWaitingRows();
    this.#schedule(GATHER_MS);
  }

  addLetterFailure(failure: LetterFailure): void {
    this.#pending.addLetterFailure(failure);
    this.#schedule(GATHER_MS);
  }

  addHealth(rows: readonly HealthRow[]): void {
    this.#pending.addHealth(rows);
    this.#schedule(GATHER_MS);
  }

  /** Crosses out where a record came from that is not stored after all. */
  addOriginRemoval(mark: OriginRemoval): void {
    this.#pending.addOriginRemoval(mark);
    this.#schedule(GATHER_MS);
  }

  /** Where this sink goes on after a crash; the last one counts. */
  setSinkCursor(cursor: SinkCursorRow): void {
    this.#pending.setSinkCursor(cursor);
    this.#schedule(GATHER_MS);
  }

  setDeadline(deadline: DeadlineRow): void {
    this.#pending.setDeadline(deadline);
    this.#schedule(GATHER_MS);
  }

  /** Nothing is taken any more. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** The cursors of these sources (`tenant/source`) that wait for their transaction do not count any
   *  more: what came before them is lost. */
  forgetCursors(names: ReadonlySet<string>): void {
    this.#pending.forgetCursors(names);
  }

  /** Adds records, or a wait for what was added before. */
  addRecords(write: RecordWrite): void {
    if (this.#isClosed) {
      write.onSettled('lost');
      return;
    }
    this.#pending.addRecords(write);
    this.#schedule(this.#parcelDelayMs());
  }

  /** Resolves when everything added so far is stored. Does not resolve while the database cannot take it.
   *  Once it is closed there is nothing to wait for. */
  flush(): Promise<void> {
    if (this.#pending.isEmpty || this.#isClosed) return this.#writing ?? Promise.resolve();
    return new Promise((resolve) => {
      this.#pending.addRecords({ onSettled: () => resolve() });
      this.#isUrgent = true;
      this.#write();
    });
  }

  /** Writes what is left, then takes nothing more. A database that has been failing gets one last try, at
   *  once; one that fails only now gets a few; one that does not answer is given up after a while. Returns
   *  how many rows and records were lost. */
  async close(): Promise<number> {
    const { clock } = this.#options;
    const endMs = clock.monotonicMs() + LIMITS.closingMsMax;
    this.#writer.limitRetries();
    while (!this.#isClosed && (!this.#pending.isEmpty || this.#writing !== null)) {
      const patienceMs = Math.min(LIMITS.storageAnswerMsMax, Math.max(0, endMs - clock.monotonicMs()));
      const timer = clock.setTimeout(() => this.#writer.abandon(), patienceMs);
      this.#write();
      await this.#writing;
      clock.clearTimeout(timer);
    }
    this.#isClosed = true;
    this.#waitingSinceMs = null;
    this.#clearTimer();
    const { worth } = this.#pending;
    if (worth > 0) this.#options.onGivenUp(worth, this.#writer.lastFailure ?? NO_ANSWER);
    const lost = this.#lost + worth;
    this.#lostLetters += sourceLetters(this.#pending.takeLetters().deadLetters);
    this.#pending.lose();
    return lost;
  }

  #parcelDelayMs(): number {
    if (this.#isUrgent || this.#pending.fills(this.#limits)) return 0;
    const restMs = this.#options.clock.monotonicMs() - this.#lastParcelsMs;
    return Math.max(0, this.#limits.ageMs - restMs);
  }

  #schedule(delayMs: number): void {
    // What was added may be nothing: the health of no sources.
    if (this.#isClosed || this.#pending.isEmpty) return;
    const { clock } = this.#options;
    this.#waitingSinceMs ??= clock.monotonicMs();
    if (this.#writing !== null) return;
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
    if (this.#writing !== null || this.#pending.isEmpty) return;
    const { unit, writes } = this.#pending.take(this.#limits);
    const nowMs = this.#options.clock.monotonicMs();
    this.#underWay = { unit, sinceMs: this.#waitingSinceMs ?? nowMs };
    // What is left came later than the rest; how much later is not known.
    this.#waitingSinceMs = this.#pending.isEmpty ? null : nowMs;
    this.#isUrgent = this.#isUrgent && this.#pending.hasParcels;
    if (writes.length > 0) this.#lastParcelsMs = nowMs;
    this.#writing = this.#commit(unit, writes);
  }

  /** The next transaction is begun before anybody is told of this one: what they do then takes its time, and
   *  the thread of the storage need not wait for it. */
  async #commit(unit: WriteBatch, writes: readonly RecordWrite[]): Promise<void> {
    const { outcome, unit: written } = await this.#writer.write(unit, (part, refused) =>
      this.#refusedRows.takenOut(part, writes, refused),
    );
    const { lastRecordSeq } = this.#writer;
    if (outcome === 'lost') {
      this.#isClosed = true;
      this.#lost += worthOf(written);
    } else this.#writer.recovered();
    if (outcome !== 'written') this.#lostLetters += sourceLetters(written.deadLetters);
    this.#writing = null;
    this.#underWay = null;
    // After a loss the waiting cursors may be invalid: the handler of the loss decides that first.
    const mayGoOn = outcome === 'written' && !this.#isClosed;
    if (mayGoOn && this.#pending.hasParcels && this.#parcelDelayMs() === 0) this.#write();
    try {
      for (const { onSettled } of writes) onSettled(outcome === 'written' ? 'stored' : 'lost');
      if (outcome !== 'written') return;
      this.#options.onWritten(written.timeline);
      if (written.records.length > 0) this.#options.onRecords?.(lastRecordSeq);
    } finally {
      if (this.#pending.hasParcels) this.#schedule(this.#parcelDelayMs());
      else if (!this.#pending.isEmpty) this.#schedule(GATHER_MS);
    }
  }

  #boundWaitingRows(): void {
    const letters = this.#pending.boundWaitingRows();
    this.#lostLetters += letters;
    if (letters > 0) this.#options.onGivenUp(letters, LETTERS_GAVE_WAY);
  }
}

function sourceLetters(letters: readonly DeadLetter[]): number {
  return letters.filter(({ stage }) => !isSinkName(stage)).length;
}
