/** What was committed, counted: how much, how long it took, when last. Counters only rise. */

import type { WriteBatch } from '../../src/domain/timeline.ts';
import type { CommitResult } from '../../storage/event-store.ts';

/** Upper bounds of the histogram, seconds: from a fast disk to one that is about to fail. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

export interface CommitCounts {
  readonly commits: number;
  readonly committedRecords: number;
  /** Records whose dedup key was in the log already. */
  readonly duplicateRecords: number;
  /** Rows of the timeline. */
  readonly committedRows: number;
  /** Time from the begin of a commit to its answer: a cumulative histogram, as Prometheus has them. */
  readonly commitSeconds: {
    /** Upper bounds, seconds, rising; `counts[i]` commits took no longer than `bounds[i]`. */
    readonly bounds: readonly number[];
    readonly counts: readonly number[];
    readonly sum: number;
  };
  /** When the last commit succeeded, epoch milliseconds and monotonic ones; null before the first. */
  readonly lastCommitAtMs: number | null;
  readonly lastCommitMonoMs: number | null;
}

export class CommitStats {
  #commits = 0;
  #records = 0;
  #duplicates = 0;
  #rows = 0;
  #secondsSum = 0;
  readonly #slots = SECONDS.map(() => 0);
  #lastAtMs: number | null = null;
  #lastMonoMs: number | null = null;

  count(
    unit: Pick<WriteBatch, 'records' | 'timeline'>,
    { duplicates }: Pick<CommitResult, 'duplicates'>,
    at: { readonly tookMs: number; readonly wallMs: number; readonly monoMs: number },
  ): void {
    this.#commits++;
    this.#records += unit.records.length - duplicates;
    this.#duplicates += duplicates;
    this.#rows += unit.timeline.length;
    const seconds = at.tookMs / 1_000;
    this.#secondsSum += seconds;
    const slot = SECONDS.findIndex((bound) => seconds <= bound);
    if (slot >= 0) this.#slots[slot] = (this.#slots[slot] as number) + 1;
    this.#lastAtMs = at.wallMs;
    this.#lastMonoMs = at.monoMs;
  }

  counts(): CommitCounts {
    let below = 0;
    return {
      commits: this.#commits,
      committedRecords: this.#records,
      duplicateRecords: this.#duplicates,
      committedRows: this.#rows,
      commitSeconds: {
        bounds: SECONDS,
        counts: this.#slots.map((count) => (below += count)),
        sum: this.#secondsSum,
      },
      lastCommitAtMs: this.#lastAtMs,
      lastCommitMonoMs: this.#lastMonoMs,
    };
  }
}
