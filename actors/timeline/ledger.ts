/** The ledger: gathers everything that is to be written and writes it, one transaction at a time, in order.
 *  What comes in while a commit is under way goes with the next one, so commits grow with the load by
 *  themselves.
 *
 *  Guarantee: what `flush` promises is stored when it resolves. When the database cannot take a unit, it is
 *  kept and tried again with growing waits; nothing is lost but what goes beyond the bound on waiting
 *  timeline rows, and that leaves a gap row. */

import { backoffMs } from '../../src/domain/backoff.ts';
import type { Clock, TimerHandle } from '../../src/domain/clock.ts';
import { errorFacts, remedyOf, type ErrorFacts } from '../../src/domain/errors.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import type {
  CommitUnit,
  CursorRow,
  DeadLetter,
  HealthRow,
  RecordRow,
  SourceRow,
  TimelineRow,
} from '../../src/domain/timeline.ts';

/** The part of the storage's interface that the ledger needs. */
export interface Committer {
  commit(unit: CommitUnit): Promise<void>;
}

export interface LedgerOptions {
  /** Null: nothing is kept; everything counts as written at once. */
  readonly store: Committer | null;
  readonly clock: Clock;
  /** Rows that are stored now. */
  readonly onWritten: (rows: readonly TimelineRow[]) => void;
  /** Rows could not be written and never will be. */
  readonly onGivenUp: (rows: number, error: ErrorFacts) => void;
  readonly onFailed: (error: ErrorFacts) => void;
  readonly onRecovered: (afterMs: number) => void;
}

/** Failures after which a ledger that is being closed gives up: some 750 ms of waits between them. */
const CLOSING_FAILURES_MAX = 5;

/** How long rows wait for company; records do not wait. */
const GATHER_MS = 10;

const RETRY = { kind: 'exponential', initialMs: 50, maxMs: 5_000, factor: 2, jitter: 'none' } as const;

interface SourceOfRow {
  row(): SourceRow;
}

export class Ledger {
  readonly #options: LedgerOptions;
  #timeline: TimelineRow[] = [];
  #records: RecordRow[] = [];
  #deadLetters: DeadLetter[] = [];
  #health: HealthRow[] = [];
  #cursors = new Map<string, CursorRow>();
  #dirty = new Set<SourceOfRow>();
  /** Told when what was added before it is stored. */
  #onStored: (() => void)[] = [];
  #timer: { readonly handle: TimerHandle; readonly dueMs: number } | null = null;
  #writing: Promise<void> | null = null;
  #failedAtMs: number | null = null;
  #attempts = 0;
  #isClosed = false;
  /** Somebody waits for what has been added. */
  #isUrgent = false;
  /** Failures until the unit at hand is given up; bounded only while closing. */
  #failuresLeft = Number.POSITIVE_INFINITY;
  /** Rows that were lost in closing. */
  #lost = 0;
  readonly #abort = new AbortController();

  constructor(options: LedgerOptions) {
    this.#options = options;
  }

  /** Whether the last commit failed and is being tried again. */
  get isStalled(): boolean {
    return this.#failedAtMs !== null;
  }

  addRow(row: TimelineRow): void {
    this.#timeline.push(row);
    this.#schedule(GATHER_MS);
  }

  /** The row of this source is to be written anew, as it is when the unit is made. */
  touch(source: SourceOfRow): void {
    this.#dirty.add(source);
    this.#schedule(GATHER_MS);
  }

  addDeadLetter(letter: DeadLetter): void {
    this.#deadLetters.push(letter);
    this.#schedule(GATHER_MS);
  }

  addHealth(rows: readonly HealthRow[]): void {
    for (const row of rows) this.#health.push(row);
    this.#schedule(GATHER_MS);
  }

  /** Adds records and where their sources go on after them; `onStored` is called once they are stored. */
  addRecords(rows: readonly RecordRow[], cursors: readonly CursorRow[], onStored: () => void): void {
    for (const row of rows) this.#records.push(row);
    for (const cursor of cursors) this.#cursors.set(`${cursor.tenant}/${cursor.sourceId}`, cursor);
    this.#onStored.push(onStored);
    this.#schedule(0);
  }

  /** Resolves when everything added so far is stored. Does not resolve while the database cannot take it. */
  flush(): Promise<void> {
    if (!this.#hasContent()) return this.#writing ?? Promise.resolve();
    return new Promise((resolve) => {
      this.#onStored.push(resolve);
      this.#isUrgent = true;
      this.#write();
    });
  }

  /** Writes what is left, then takes nothing more. A database that has been failing gets one last try, at
   *  once; one that fails only now gets a few. Returns how many rows and records were lost. */
  async close(): Promise<number> {
    this.#failuresLeft = this.isStalled ? 1 : CLOSING_FAILURES_MAX;
    if (this.isStalled) this.#abort.abort();
    while (!this.#isClosed && (this.#hasContent() || this.#writing !== null)) {
      this.#write();
      await this.#writing;
    }
    this.#isClosed = true;
    this.#clearTimer();
    return this.#lost + this.#timeline.length + this.#records.length + this.#deadLetters.length;
  }

  #hasContent(): boolean {
    return (
      this.#timeline.length > 0 ||
      this.#records.length > 0 ||
      this.#dirty.size > 0 ||
      this.#deadLetters.length > 0 ||
      this.#health.length > 0 ||
      this.#onStored.length > 0
    );
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
    if (this.#writing !== null || !this.#hasContent()) return;
    this.#writing = this.#commit(this.#takeUnit(), this.#onStored.splice(0)).finally(() => {
      this.#writing = null;
      if (this.#hasContent()) this.#schedule(this.#isUrgent || this.#records.length > 0 ? 0 : GATHER_MS);
    });
  }

  #takeUnit(): CommitUnit {
    this.#isUrgent = false;
    const unit: CommitUnit = {
      timeline: this.#timeline,
      records: this.#records,
      sources: Array.from(this.#dirty, (source) => source.row()),
      deadLetters: this.#deadLetters,
      health: this.#health,
      cursors: [...this.#cursors.values()],
    };
    this.#timeline = [];
    this.#records = [];
    this.#deadLetters = [];
    this.#health = [];
    this.#cursors = new Map();
    this.#dirty = new Set();
    return unit;
  }

  async #commit(unit: CommitUnit, onStored: readonly (() => void)[]): Promise<void> {
    const outcome = await this.#tryOn(unit);
    if (outcome === 'lost') return;
    this.#recovered();
    // What can never be written is settled all the same: those who wait for it must not wait for ever.
    for (const tell of onStored) tell();
    if (outcome === 'written') this.#options.onWritten(unit.timeline);
  }

  /** Tries until the unit is written, refused for good, or lost because there is no time left. */
  async #tryOn(unit: CommitUnit): Promise<'written' | 'refused' | 'lost'> {
    const { store, clock } = this.#options;
    for (;;) {
      try {
        await store?.commit(unit);
        return 'written';
      } catch (error) {
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

  #giveUp(unit: CommitUnit, error: unknown): number {
    const rows = unit.timeline.length + unit.records.length + unit.deadLetters.length;
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

  /** Rows beyond the bound give way, the oldest first; the row at their place says how many. */
  #boundWaitingRows(): void {
    const { journalPendingRowsMax: max } = LIMITS;
    this.#health.splice(0, Math.max(0, this.#health.length - max));
    this.#deadLetters.splice(0, Math.max(0, this.#deadLetters.length - max));
    const excess = this.#timeline.length - max;
    if (excess <= 0) return;
    // One more than that: the row that says so takes a place of its own.
    const gone = this.#timeline.splice(0, excess + 1);
    const first = gone[0] as TimelineRow;
    const lostRows = gone.reduce((sum, row) => sum + (row.event === ROWS_LOST ? lostIn(row) : 1), 0);
    const data = { reason: 'the database could not be written', lostRows };
    this.#timeline.unshift({ ...first, kind: 'gap', event: ROWS_LOST, cause: null, data });
  }
}

const ROWS_LOST = 'rows.lost';

function lostIn(row: TimelineRow): number {
  return Number(row.data?.['lostRows'] ?? 0);
}
