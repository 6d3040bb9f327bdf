/** Windows that say how many records may pass now. Pure: time is handed in, monotonic milliseconds. */

export interface RateWindow {
  /** How many may pass at `nowMs`. */
  room(nowMs: number): number;
  /** Counts `records` as passed at `nowMs`: at most what `room` said, or what passed another window before.
   *  */
  pass(records: number, nowMs: number): void;
  /** When there will be room for one, if there is none at `nowMs`. */
  freeAtMs(nowMs: number): number;
  /** How many count against it at `nowMs`. */
  used(nowMs: number): number;
}

export const RATE_WINDOW_MS = 1_000;

/** A sliding-window log: never more than `recordsMax` in (t − 1 s, t], for every t. Passes at one instant
 *  share an entry, so it holds at most `recordsMax` entries and usually far fewer. */
export class SlidingWindow implements RateWindow {
  readonly #recordsMax: number;
  readonly #runs: RunLog;

  /** `before`: the window whose place it takes; what passed there counts. */
  constructor(recordsMax: number, before?: SlidingWindow) {
    this.#recordsMax = recordsMax;
    this.#runs = before === undefined ? new RunLog() : before.#runs;
  }

  /** Entries held: the memory it takes. */
  get entries(): number {
    return this.#runs.length;
  }

  room(nowMs: number): number {
    return Math.max(0, this.#recordsMax - this.used(nowMs));
  }

  used(nowMs: number): number {
    this.#runs.expire(nowMs - RATE_WINDOW_MS);
    return this.#runs.total;
  }

  pass(records: number, nowMs: number): void {
    if (records > 0) this.#runs.add(records, nowMs);
  }

  freeAtMs(nowMs: number): number {
    if (this.room(nowMs) > 0) return nowMs;
    return (this.#runs.timeToFallTo(this.#recordsMax - 1) ?? nowMs) + RATE_WINDOW_MS;
  }
}

/** A token bucket: `recordsMax` a second on the long run, as many at once after a second of rest. */
export class TokenBucket implements RateWindow {
  readonly #recordsMax: number;
  #tokens: number;
  #filledAtMs: number | null = null;

  constructor(recordsMax: number) {
    this.#recordsMax = recordsMax;
    this.#tokens = recordsMax;
  }

  room(nowMs: number): number {
    return Math.max(0, this.#whole(nowMs));
  }

  /** Whole tokens at `nowMs`; fewer than none where a larger bucket was before. */
  #whole(nowMs: number): number {
    const elapsedMs = this.#filledAtMs === null ? 0 : Math.max(0, nowMs - this.#filledAtMs);
    this.#filledAtMs = nowMs;
    this.#tokens = Math.min(this.#recordsMax, this.#tokens + (elapsedMs * this.#recordsMax) / RATE_WINDOW_MS);
    // A token that floating point left a hair short of whole is whole.
    return Math.floor(this.#tokens + 1e-9);
  }

  used(nowMs: number): number {
    return this.#recordsMax - this.#whole(nowMs);
  }

  pass(records: number): void {
    this.#tokens -= records;
  }

  freeAtMs(nowMs: number): number {
    if (this.room(nowMs) > 0) return nowMs;
    return nowMs + ((1 - this.#tokens) * RATE_WINDOW_MS) / this.#recordsMax;
  }
}

/** Counts in order of time, those of one instant as one run; the oldest leave first. */
export class RunLog {
  #times: number[] = [];
  #counts: number[] = [];
  #head = 0;
  #total = 0;

  /** Runs held. */
  get length(): number {
    return this.#times.length - this.#head;
  }

  /** Sum of all counts held. */
  get total(): number {
    return this.#total;
  }

  get oldestMs(): number | undefined {
    return this.#times[this.#head];
  }

  get newestMs(): number | undefined {
    return this.#head < this.#times.length ? this.#times[this.#times.length - 1] : undefined;
  }

  /** Adds `count` at `timeMs`. Joins the newest run if it is at most `joinMs` older. */
  add(count: number, timeMs: number, joinMs = 0): void {
    const last = this.#times.length - 1;
    this.#total += count;
    if (last >= this.#head && timeMs - (this.#times[last] as number) <= joinMs) {
      this.#counts[last] = (this.#counts[last] as number) + count;
      return;
    }
    this.#times.push(timeMs);
    this.#counts.push(count);
  }

  /** Forgets runs at or before `untilMs`. Returns the time of the run whose leaving brought the total down to
   *  `target` or below, if one did. */
  expire(untilMs: number, target = -1): number | undefined {
    let fellAtMs: number | undefined;
    while (this.#head < this.#times.length && (this.#times[this.#head] as number) <= untilMs) {
      this.#total -= this.#counts[this.#head] as number;
      if (this.#total <= target) fellAtMs ??= this.#times[this.#head];
      this.#head++;
    }
    this.#compact();
    return fellAtMs;
  }

  /** The time of the run whose leaving would bring the total down to `target` or below. */
  timeToFallTo(target: number): number | undefined {
    let total = this.#total;
    for (let index = this.#head; index < this.#times.length; index++) {
      total -= this.#counts[index] as number;
      if (total <= target) return this.#times[index];
    }
    return undefined;
  }

  /** Lets go of the forgotten runs now and then, so that forgetting one costs little. */
  #compact(): void {
    if (this.#head < this.#times.length && (this.#head <= 64 || this.#head * 2 <= this.#times.length)) return;
    if (this.#head === 0) return;
    this.#times = this.#times.slice(this.#head);
    this.#counts = this.#counts.slice(this.#head);
    this.#head = 0;
  }
}
