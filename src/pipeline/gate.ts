/** The gate: merges the outlets of all sources fairly and lets through what the rate limits allow. Outlets
 *  take turns, at most a quantum of records each; a limit that is reached pauses its scope, and what arrives
 *  meanwhile waits in the outlets, where back-pressure begins. */

import type { Clock, TimerHandle } from '../domain/clock.ts';
import { LIMITS } from '../domain/limits.ts';
import type { IngestRecord } from '../domain/record.ts';
import type { RateLimitOptions } from '../domain/source.ts';
import type { BoundedQueue } from './bounded-queue.ts';
import type { Upstream } from './pump.ts';
import { SlidingWindow, TokenBucket, type RateWindow } from './rate-limiter.ts';
import { RingBuffer } from './ring-buffer.ts';

/** A rate limit at work. */
export interface Limit {
  readonly options: RateLimitOptions;
  readonly window: RateWindow;
  pausedUntilMs: number;
}

export function createLimit(options: RateLimitOptions): Limit {
  const window =
    options.algorithm === 'token-bucket'
      ? new TokenBucket(options.recordsPerSecondMax)
      : new SlidingWindow(options.recordsPerSecondMax);
  return { options, window, pausedUntilMs: Number.NEGATIVE_INFINITY };
}

/** What takes the place of `before`: records that passed there within the last second count here too, so that
 *  no number of changes lets more through than the limits say. */
function replacedLimit(before: Limit | null, options: RateLimitOptions, nowMs: number): Limit {
  if (before === null) return createLimit(options);
  const { recordsPerSecondMax: recordsMax, algorithm } = options;
  if (algorithm === 'sliding-window' && before.window instanceof SlidingWindow) {
    return { ...createLimit(options), window: new SlidingWindow(recordsMax, before.window) };
  }
  const limit = createLimit(options);
  limit.window.pass(before.window.used(nowMs), nowMs);
  return limit;
}

function sameOptions(one: RateLimitOptions, other: RateLimitOptions): boolean {
  return (
    one.recordsPerSecondMax === other.recordsPerSecondMax &&
    one.policy === other.policy &&
    one.scope === other.scope &&
    one.algorithm === other.algorithm &&
    one.refusalPauseMs === other.refusalPauseMs
  );
}

/** The gate's view of one source. */
export interface Lane {
  readonly queue: BoundedQueue<IngestRecord>;
  /** The limit of this source; {@link Gate.limitLane} sets another. */
  limit: Limit | null;
  /** In the rotation or waiting for its own limit; the gate's own mark. */
  queued: boolean;
  /** A record of this source was refused by a limit and is gone. */
  onRefused(record: IngestRecord): void;
}

export interface GateOptions {
  readonly clock: Clock;
  readonly limit: Limit | null;
  /** There may be something to take where there was nothing. */
  readonly onItems: () => void;
  /** A limit was reached: a record was dropped, or is made to wait. */
  readonly onLimited: (limit: Limit, dropped: number) => void;
  readonly quantumRecords?: number;
}

/** Something that goes on when the pause of a limit is over. */
interface Wait {
  readonly timer: TimerHandle;
  readonly wake: () => void;
}

export class Gate implements Upstream {
  readonly #options: GateOptions;
  readonly #quantum: number;
  readonly #rotation = new RingBuffer<Lane>(Number.MAX_SAFE_INTEGER);
  readonly #waits = new Map<Limit, Wait>();
  #limit: Limit | null;

  constructor(options: GateOptions) {
    this.#options = options;
    this.#limit = options.limit;
    this.#quantum = options.quantumRecords ?? LIMITS.mergeQuantumRecords;
  }

  /** To be called when a lane's queue has items where it had none. */
  arrive(lane: Lane): void {
    if (lane.queued) return;
    lane.queued = true;
    this.#rotation.push(lane);
    this.#options.onItems();
  }

  /** The next lane's turn: up to `max` of its records, as far as the limits allow. */
  take(max: number): readonly IngestRecord[] {
    const nowMs = this.#options.clock.monotonicMs();
    const global = this.#limit;
    if (global !== null && global.pausedUntilMs > nowMs) return NOTHING;
    for (let turns = this.#rotation.size; turns > 0; turns--) {
      const lane = this.#rotation.shift() as Lane;
      const batch = this.#turn(lane, Math.min(max, this.#quantum), nowMs);
      if (batch.length > 0) return batch;
      if (global !== null && global.pausedUntilMs > nowMs) return NOTHING;
    }
    return NOTHING;
  }

  /** Cancels what it waits for. */
  close(): void {
    for (const { timer } of this.#waits.values()) this.#options.clock.clearTimeout(timer);
    this.#waits.clear();
  }

  /** From now on this limit holds for all lanes together. */
  limitAll(options: RateLimitOptions | null): void {
    const before = this.#limit;
    this.#limit = this.#replace(before, options);
    if (this.#limit !== before) this.#release(before);
  }

  /** From now on this limit holds for this lane. */
  limitLane(lane: Lane, options: RateLimitOptions | null): void {
    const before = lane.limit;
    lane.limit = this.#replace(before, options);
    if (lane.limit !== before) this.#release(before);
  }

  /** A limit that stays as it is goes on as it is. */
  #replace(before: Limit | null, options: RateLimitOptions | null): Limit | null {
    if (options === null) return null;
    if (before !== null && sameOptions(before.options, options)) return before;
    return replacedLimit(before, options, this.#options.clock.monotonicMs());
  }

  /** Who waits for a limit that is no more looks again at once. */
  #release(limit: Limit | null): void {
    const wait = limit === null ? undefined : this.#waits.get(limit);
    if (limit === null || wait === undefined) return;
    this.#options.clock.clearTimeout(wait.timer);
    this.#waits.delete(limit);
    wait.wake();
  }

  #turn(lane: Lane, max: number, nowMs: number): readonly IngestRecord[] {
    const global = this.#limit;
    const wanted = Math.min(max, lane.queue.size);
    if (wanted === 0) {
      lane.queued = false;
      return NOTHING;
    }
    const ownRoom = lane.limit === null ? wanted : lane.limit.window.room(nowMs);
    if (ownRoom <= 0) {
      this.#refuse(lane, lane.limit as Limit, nowMs);
      return NOTHING;
    }
    const globalRoom = global === null ? wanted : global.window.room(nowMs);
    if (globalRoom <= 0) {
      this.#refuse(lane, global as Limit, nowMs);
      return NOTHING;
    }
    const batch = lane.queue.take(Math.min(wanted, ownRoom, globalRoom));
    lane.limit?.window.pass(batch.length, nowMs);
    global?.window.pass(batch.length, nowMs);
    this.#rejoin(lane);
    return batch;
  }

  /** Applies the policy of the limit that had no room: drops one record and pauses, or waits until there is
   *  room. */
  #refuse(lane: Lane, limit: Limit, nowMs: number): void {
    const { policy, refusalPauseMs } = limit.options;
    let dropped = 0;
    if (policy === 'drop') {
      for (const record of lane.queue.take(1)) {
        dropped++;
        lane.onRefused(record);
      }
      limit.pausedUntilMs = nowMs + refusalPauseMs;
    } else {
      limit.pausedUntilMs = Math.max(limit.window.freeAtMs(nowMs), nowMs + 1);
    }
    this.#options.onLimited(limit, dropped);
    if (limit === this.#limit) {
      this.#rejoin(lane);
      this.#wakeAfter(limit, nowMs, this.#options.onItems);
    } else {
      this.#wakeAfter(limit, nowMs, () => {
        this.#rejoin(lane);
        this.#options.onItems();
      });
    }
  }

  #rejoin(lane: Lane): void {
    if (lane.queue.size > 0) this.#rotation.push(lane);
    else lane.queued = false;
  }

  /** Calls `wake` when the pause of the limit is over, and not before: a timer of the runtime may fire a
   *  fraction of a millisecond early, and a wake-up too early would be the last. */
  #wakeAfter(limit: Limit, nowMs: number, wake: () => void): void {
    const { clock } = this.#options;
    const atMs = limit.pausedUntilMs;
    const before = this.#waits.get(limit);
    // A timer may also be late: what came meanwhile has been refused anew.
    if (before !== undefined) clock.clearTimeout(before.timer);
    const timer = clock.setTimeout(
      () => {
        this.#waits.delete(limit);
        const firedMs = clock.monotonicMs();
        if (firedMs < atMs) this.#wakeAfter(limit, firedMs, wake);
        else wake();
      },
      Math.ceil(Math.max(0, atMs - nowMs)),
    );
    this.#waits.set(limit, { timer, wake });
  }
}

const NOTHING: readonly IngestRecord[] = [];
