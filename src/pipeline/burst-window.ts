/** Finds bursts in the arrivals of one source. Pure: time is handed in, monotonic milliseconds. */

import { RunLog } from './rate-limiter.ts';

export interface BurstOptions {
  /** A window that holds more than this is a burst. */
  readonly thresholdRecords: number;
  readonly windowMs: number;
  /** The burst is over when the window holds this many or fewer: at most the threshold. */
  readonly clearRecords: number;
  /** A burst that goes on is reported again after so long; null: never. */
  readonly realertMs: number | null;
}

export type BurstEdge =
  | {
      readonly edge: 'began' | 'again';
      readonly windowRecords: number;
      readonly oldestMs: number;
      readonly newestMs: number;
    }
  | {
      readonly edge: 'over';
      readonly beganMs: number;
      readonly overMs: number;
      readonly peakRecords: number;
    };

/** Above so many runs, arrivals closer together than a 4,096th of the window count as one instant: memory
 *  stays bounded, and a record leaves the window at most that much early. */
const EXACT_RUNS_MAX = 4_096;

export class BurstWindow {
  readonly options: BurstOptions;
  readonly #runs: RunLog;
  #bursting = false;
  #beganMs = 0;
  #alertedMs = 0;
  #peakRecords = 0;

  /** `before`: the window whose place it takes; what arrived there counts, and a burst there goes on. */
  constructor(options: BurstOptions, before: BurstWindow | null = null) {
    this.options = options;
    this.#runs = before === null ? new RunLog() : before.#runs;
    if (before === null) return;
    this.#bursting = before.#bursting;
    this.#beganMs = before.#beganMs;
    this.#alertedMs = before.#alertedMs;
    this.#peakRecords = before.#peakRecords;
  }

  get isBursting(): boolean {
    return this.#bursting;
  }

  get records(): number {
    return this.#runs.total;
  }

  /** Counts `records` that arrived together at `nowMs`; returns the edges this makes, in order. */
  arrive(records: number, nowMs: number): readonly BurstEdge[] {
    const edges = this.settle(nowMs);
    const before = this.#runs.total;
    this.#runs.add(
      records,
      nowMs,
      this.#runs.length < EXACT_RUNS_MAX ? 0 : this.options.windowMs / EXACT_RUNS_MAX,
    );
    const raised = this.#raise(before, nowMs);
    if (this.#bursting) this.#peakRecords = Math.max(this.#peakRecords, this.#runs.total);
    return raised === undefined ? edges : [...edges, raised];
  }

  /** Lets time pass up to `nowMs`; returns the end of the burst if it is over by then. */
  settle(nowMs: number): readonly BurstEdge[] {
    const { windowMs, clearRecords } = this.options;
    const leftAtMs = this.#runs.expire(nowMs - windowMs, clearRecords);
    if (!this.#bursting || leftAtMs === undefined) return NO_EDGES;
    return this.#over(leftAtMs + windowMs);
  }

  /** Bursts are not looked for any more; one that is on counts as over. */
  end(nowMs: number): readonly BurstEdge[] {
    return this.#bursting ? this.#over(nowMs) : NO_EDGES;
  }

  #over(overMs: number): readonly BurstEdge[] {
    this.#bursting = false;
    return [{ edge: 'over', beganMs: this.#beganMs, overMs, peakRecords: this.#peakRecords }];
  }

  /** When the burst is over if nothing more arrives; null outside a burst. */
  get clearAtMs(): number | null {
    if (!this.#bursting) return null;
    const leavingMs = this.#runs.timeToFallTo(this.options.clearRecords);
    return (leavingMs ?? this.#beganMs) + this.options.windowMs;
  }

  #raise(before: number, nowMs: number): BurstEdge | undefined {
    const { thresholdRecords, realertMs } = this.options;
    if (this.#runs.total <= thresholdRecords) return undefined;
    const again = this.#bursting;
    if (again && (realertMs === null || nowMs - this.#alertedMs < realertMs)) return undefined;
    if (!again) {
      this.#bursting = true;
      this.#beganMs = nowMs;
      this.#peakRecords = 0;
    }
    this.#alertedMs = nowMs;
    return {
      edge: again ? 'again' : 'began',
      // The record that raises it is the first above the threshold, even where more arrived with it.
      windowRecords: Math.max(before, thresholdRecords) + 1,
      oldestMs: this.#runs.oldestMs ?? nowMs,
      newestMs: nowMs,
    };
  }
}

const NO_EDGES: readonly BurstEdge[] = [];
