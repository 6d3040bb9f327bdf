/** Writes one commit unit at a time: tries until it is written, refused for good, or lost since there is
 *  no time left. While the database fails, waits between the tries grow. A unit that is refused for
 *  single rows of it is written without them.
 *
 *  A disk that hangs never answers. Closing gives such a unit up: it counts as lost, so that its
 *  records are not acknowledged, whatever the disk makes of it later. */

import { backoffMs } from '../../src/domain/backoff.ts';
import type { Clock } from '../../src/domain/clock.ts';
import { errorFacts, HeadgateError, remedyOf, type ErrorFacts } from '../../src/domain/errors.ts';
import type { WriteBatch } from '../../src/domain/timeline.ts';
import type { CommitResult, RefusedRow } from '../../storage/event-store.ts';
import { CommitStats, type CommitCounts } from './commit-stats.ts';

/** The part of the storage's interface that is needed here. */
export interface Committer {
  commit(unit: WriteBatch): Promise<CommitResult>;
  /** Left out: a unit that is refused is refused as a whole. */
  examine?(unit: WriteBatch): Promise<readonly RefusedRow[]>;
}

export interface CommitRetrierOptions {
  /** Null: nothing is kept; everything counts as written at once. */
  readonly store: Committer | null;
  readonly clock: Clock;
  /** Rows could not be written and never will be. */
  readonly onGivenUp: (rows: number, error: ErrorFacts) => void;
  readonly onFailed: (error: ErrorFacts) => void;
  readonly onRecovered: (afterMs: number) => void;
  /** The storage has ended for good; nothing can be written any more. */
  readonly onGone: (error: ErrorFacts) => void;
  /** A try has failed, and another one comes: what waits meanwhile is to stay within its bounds. */
  readonly onWaiting: () => void;
}

export interface WrittenBatch {
  /** `lost`: there will be no more tries, of this unit or of another. */
  readonly outcome: 'written' | 'refused' | 'lost';
  /** The unit without the rows that were refused. */
  readonly unit: WriteBatch;
}

/** Takes refused rows out of a unit. */
export type TakeOut = (unit: WriteBatch, refused: readonly RefusedRow[]) => WriteBatch;

/** How often a unit is examined: refused rows may be replaced by others, which may be refused as well. */
const EXAMINATIONS_MAX = 3;

/** Failures after which a writer that is in a hurry gives up: some 750 ms of waits between them. */
const HURRIED_FAILURES_MAX = 5;

const RETRY = { kind: 'exponential', initialMs: 50, maxMs: 5_000, factor: 2, jitter: 'none' } as const;

const NOTHING_KEPT: CommitResult = { lastRecordSeq: 0, duplicates: 0 };

export class CommitRetrier {
  readonly #options: CommitRetrierOptions;
  readonly #tally = new CommitStats();
  readonly #abort = new AbortController();
  /** Gives up the unit that is being written. */
  #giveUpNow: (() => void) | null = null;
  #isAbandoned = false;
  #failedAtMs: number | null = null;
  #failedBy: ErrorFacts | null = null;
  #lastFailure: ErrorFacts | null = null;
  #attempts = 0;
  /** Failures until the unit at hand is given up. */
  #failuresLeft = Number.POSITIVE_INFINITY;
  #lastRecordSeq = 0;

  constructor(options: CommitRetrierOptions) {
    this.#options = options;
  }

  /** Whether the last try failed and there is to be another. */
  get isStalled(): boolean {
    return this.#failedAtMs !== null;
  }

  /** A unit was given up since the storage did not answer. */
  get isAbandoned(): boolean {
    return this.#isAbandoned;
  }

  /** Why the latest try that failed did; null: none has. */
  get lastFailure(): ErrorFacts | null {
    return this.#lastFailure;
  }

  /** The highest `seq` the record log had after the last unit that was written. */
  get lastRecordSeq(): number {
    return this.#lastRecordSeq;
  }

  stats(): CommitCounts & { readonly isStalled: boolean; readonly stalledBy: ErrorFacts | null } {
    return { ...this.#tally.counts(), isStalled: this.isStalled, stalledBy: this.#failedBy };
  }

  /** To be called again only when the unit before has come to its end. `takeOut` is given the rows that the
   *  database refuses. */
  write(unit: WriteBatch, takeOut: TakeOut): Promise<WrittenBatch> {
    return new Promise((resolve, reject) => {
      this.#giveUpNow = () => {
        this.#giveUp(unit, new HeadgateError('HG_STORAGE_STOPPED', 'the storage does not answer'));
        resolve({ outcome: 'lost', unit });
      };
      this.#tryOn(unit, takeOut).then((written) => {
        this.#giveUpNow = null;
        resolve(written);
      }, reject);
    });
  }

  /** There is little time left. A database that has been failing gets one last try, at once; one that fails
   *  only now gets a few. */
  limitRetries(): void {
    this.#failuresLeft = this.isStalled ? 1 : HURRIED_FAILURES_MAX;
    if (this.isStalled) this.#abort.abort();
  }

  /** Waits no longer for an answer: the unit under way is lost. */
  abandon(): void {
    const giveUpNow = this.#giveUpNow;
    if (giveUpNow === null) return;
    this.#isAbandoned = true;
    this.#giveUpNow = null;
    giveUpNow();
  }

  async #tryOn(whole: WriteBatch, takeOut: TakeOut): Promise<WrittenBatch> {
    let unit = whole;
    for (let examinationsLeft = EXAMINATIONS_MAX; ;) {
      try {
        const refused = await this.#commitOrExamine(unit, examinationsLeft > 0);
        if (this.#isAbandoned) return { outcome: 'lost', unit };
        if (refused === null) return { outcome: 'written', unit };
        unit = takeOut(unit, refused);
        examinationsLeft--;
      } catch (error) {
        if (this.#isAbandoned) return { outcome: 'lost', unit };
        const outcome = this.#outcomeOf(error);
        if (outcome !== null) this.#giveUp(unit, error);
        if (isGone(error)) this.#options.onGone(errorFacts(error));
        if (outcome !== null) return { outcome, unit };
        this.#failed(error);
        this.#options.onWaiting();
        const { clock } = this.#options;
        await clock.sleep(backoffMs(RETRY, this.#attempts, 0), this.#abort.signal);
        if (this.#isAbandoned) return { outcome: 'lost', unit };
      }
    }
  }

  /** Null: it is written. Else the rows for which it was refused. */
  async #commitOrExamine(unit: WriteBatch, mayExamine: boolean): Promise<readonly RefusedRow[] | null> {
    try {
      await this.#commit(unit);
      return null;
    } catch (error) {
      if (!mayExamine || this.#isAbandoned || remedyOf(error) !== 'drop') throw error;
      const refused = (await this.#options.store?.examine?.(unit)) ?? [];
      if (refused.length === 0) throw error;
      return refused;
    }
  }

  async #commit(unit: WriteBatch): Promise<void> {
    const { store, clock } = this.#options;
    const sinceMs = clock.monotonicMs();
    const result = (await store?.commit(unit)) ?? NOTHING_KEPT;
    if (this.#isAbandoned) return;
    const monoMs = clock.monotonicMs();
    this.#lastRecordSeq = result.lastRecordSeq;
    this.#tally.count(unit, result, { tookMs: monoMs - sinceMs, wallMs: clock.wallMs(), monoMs });
  }

  /** What the unit has come to by this failure; null: it is tried again. */
  #outcomeOf(error: unknown): WrittenBatch['outcome'] | null {
    if (isGone(error)) return 'lost';
    if (remedyOf(error) === 'drop') return 'refused';
    return --this.#failuresLeft <= 0 ? 'lost' : null;
  }

  #giveUp(unit: WriteBatch, error: unknown): void {
    this.#lastFailure = errorFacts(error, 'HG_STORAGE_FAILED');
    this.#options.onGivenUp(worthOf(unit), this.#lastFailure);
  }

  #failed(error: unknown): void {
    this.#attempts++;
    this.#failedBy = errorFacts(error, 'HG_STORAGE_FAILED');
    if (this.#failedAtMs !== null) return;
    this.#failedAtMs = this.#options.clock.monotonicMs();
    this.#options.onFailed(this.#failedBy);
  }

  /** The database takes what it is given, or refuses it for good. To be called when a unit has come to such
   *  an end. */
  recovered(): void {
    if (this.#failedAtMs === null) return;
    const afterMs = Math.round(this.#options.clock.monotonicMs() - this.#failedAtMs);
    this.#failedAtMs = null;
    this.#failedBy = null;
    this.#attempts = 0;
    this.#options.onRecovered(afterMs);
  }
}

/** Rows that are lost with a unit. */
export function worthOf({ timeline, records, spilled, deadLetters }: WriteBatch): number {
  return timeline.length + records.length + spilled.length + deadLetters.length;
}

/** Whoever writes the database is no more. All else is tried again, even what bears the remedy `stop`: a file
 *  that cannot be written today can be tomorrow. */
function isGone(error: unknown): boolean {
  return error instanceof HeadgateError && error.code === 'HG_STORAGE_STOPPED';
}
