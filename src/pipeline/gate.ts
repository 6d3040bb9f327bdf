/** The gate: merges the outlets of all sources fairly and lets through what the rate limits allow. The lane
 *  that was served least is next ({@link FairQueue}). A limit that is reached holds back or drops, as its
 *  policy says for that lane; what is held back waits in the outlets, where back-pressure begins.
 *
 *  A lane that a shared limit refuses keeps its turn: held back, it stays first in the order; dropped, it has
 *  a claim to the next room for as long as {@link RATE_WINDOW_MS}, even if another lane's record comes first.
 */

import type { Clock, TimerHandle } from '../domain/clock.ts';
import { LIMITS } from '../domain/limits.ts';
import type { IngestRecord } from '../domain/record.ts';
import type { RateLimitOptions } from '../domain/source.ts';
import type { BoundedQueue } from './bounded-queue.ts';
import { Claims } from './claims.ts';
import { FairQueue, type Turn } from './fair-queue.ts';
import type { Upstream } from './pump.ts';
import { RATE_WINDOW_MS, SlidingWindow, TokenBucket, type RateWindow } from './rate-limiter.ts';
import { RingBuffer } from './ring-buffer.ts';

/** A rate limit at work. */
export interface Limit {
  readonly options: RateLimitOptions;
  readonly window: RateWindow;
  /** Under `drop`: nothing passes before this time, monotonic milliseconds. */
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
  /** As users see it: `plc-7`, `acme/plc-7`. */
  readonly name: string;
  readonly queue: BoundedQueue<IngestRecord>;
  /** The limit of this source; {@link Gate.limitLane} sets another. */
  limit: Limit | null;
  /** Whether the source can be held back without loss: the policy `auto` delays it, and drops otherwise. */
  readonly canWait: boolean;
  /** Its place in the order; null where it has none. The gate's own. */
  turn: Turn<Lane> | null;
  /** A record of this source was refused by a limit and is gone. */
  onRefused(record: IngestRecord): void;
}

/** A limit was reached. */
export interface Limited {
  readonly limit: Limit;
  readonly lane: Lane;
  /** Records that were refused for it. */
  readonly dropped: number;
  /** The limit holds until then at least, monotonic milliseconds. */
  readonly untilMs: number;
}

export interface GateOptions {
  readonly clock: Clock;
  readonly limit: Limit | null;
  /** There may be something to take where there was nothing. */
  readonly onItems: () => void;
  readonly onLimited: (event: Limited) => void;
  readonly quantumRecords?: number;
}

/** Something that goes on when a limit has room or its pause is over. */
interface Wait {
  readonly timer: TimerHandle;
  readonly atMs: number;
  readonly wake: () => void;
}

export class Gate implements Upstream {
  readonly #options: GateOptions;
  readonly #quantum: number;
  /** Lanes with records that no limit of their own holds back. */
  readonly #lanes = new FairQueue<Lane>();
  /** Lanes whose records the shared limit drops, in turn. A lane without records leaves when its turn comes.
   */
  readonly #dropTurns = new RingBuffer<Lane>(Number.MAX_SAFE_INTEGER);
  readonly #inDropTurns = new Set<Lane>();
  readonly #claims = new Claims<Lane>();
  readonly #waits = new Map<Limit, Wait>();
  #limit: Limit | null;

  constructor(options: GateOptions) {
    this.#options = options;
    this.#limit = options.limit;
    this.#quantum = options.quantumRecords ?? LIMITS.mergeQuantumRecords;
  }

  /** To be called when a lane's queue has items where it had none. */
  arrive(lane: Lane): void {
    if (lane.turn?.takesPart === true) return;
    this.#join(lane);
    this.#options.onItems();
  }

  /** The next lane's turn: up to `max` of its records, as far as the limits allow. */
  take(max: number): readonly IngestRecord[] {
    const nowMs = this.#options.clock.monotonicMs();
    const shared = this.#limit;
    if (shared !== null && shared.pausedUntilMs > nowMs) return NOTHING;
    for (let turn = this.#lanes.take(); turn !== undefined; turn = this.#lanes.take()) {
      const { lane } = turn;
      const wanted = Math.min(max, this.#quantum, lane.queue.size);
      if (wanted === 0) {
        this.#leave(turn);
        continue;
      }
      const ownRoom = lane.limit === null ? wanted : lane.limit.window.room(nowMs);
      if (ownRoom <= 0) {
        this.#refuseByItsOwn(lane, lane.limit as Limit, nowMs);
        continue;
      }
      const sharedRoom = shared === null ? wanted : this.#sharedRoom(shared, turn, nowMs);
      if (sharedRoom > 0) return this.#pass(turn, Math.min(wanted, ownRoom, sharedRoom), nowMs);
      this.#lanes.restore(turn);
      this.#refuse(shared as Limit, lane, nowMs);
      return NOTHING;
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
    if (this.#limit === before) return;
    this.#claims.clear();
    for (const lane of this.#lanes.lanes()) this.#joinDropTurns(lane);
    this.#release(before);
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

  /** Lanes that wait for a limit that is no more are looked at again at once. */
  #release(limit: Limit | null): void {
    const wait = limit === null ? undefined : this.#waits.get(limit);
    if (limit === null || wait === undefined) return;
    this.#options.clock.clearTimeout(wait.timer);
    this.#waits.delete(limit);
    wait.wake();
  }

  #join(lane: Lane): void {
    lane.turn = this.#lanes.join(lane, lane.turn);
    this.#joinDropTurns(lane);
  }

  #joinDropTurns(lane: Lane): void {
    if (this.#limit === null || policyOf(this.#limit, lane) !== 'drop' || this.#inDropTurns.has(lane)) return;
    this.#inDropTurns.add(lane);
    this.#dropTurns.push(lane);
  }

  /** Without a shared limit a lane that has nothing is forgotten: most of ten thousand have nothing. */
  #leave(turn: Turn<Lane>): void {
    turn.takesPart = false;
    if (this.#limit === null) turn.lane.turn = null;
  }

  #pass(turn: Turn<Lane>, records: number, nowMs: number): readonly IngestRecord[] {
    const { lane } = turn;
    const batch = lane.queue.take(records);
    this.#lanes.serve(turn, batch.length);
    lane.limit?.window.pass(batch.length, nowMs);
    if (this.#limit !== null) {
      this.#limit.window.pass(batch.length, nowMs);
      this.#claims.delete(lane);
    }
    if (lane.queue.size > 0) this.#lanes.requeue(turn);
    else this.#leave(turn);
    return batch;
  }

  /** How many records of this lane the shared limit lets pass: not those that other lanes have a claim to. */
  #sharedRoom({ window }: Limit, turn: Turn<Lane>, nowMs: number): number {
    const room = window.room(nowMs);
    return room <= 0 ? room : room - this.#claims.before(turn, nowMs);
  }

  /** The shared limit has no room for the lane that is next, so it has none for any. */
  #refuse(limit: Limit, next: Lane, nowMs: number): void {
    const { clock, onLimited, onItems } = this.#options;
    const victim = this.#nextToDrop(limit);
    if (victim === undefined) {
      const freeAtMs = limit.window.room(nowMs) > 0 ? this.#claims.expireAtMs : limit.window.freeAtMs(nowMs);
      const untilMs = Math.max(freeAtMs, nowMs + 1);
      const before = this.#waits.get(limit);
      if (before !== undefined && before.atMs > nowMs && before.atMs <= untilMs) return;
      onLimited({ limit, lane: next, dropped: 0, untilMs });
      this.#wakeAt(limit, untilMs, clock.monotonicMs(), onItems);
      return;
    }
    const dropped = this.#drop(victim);
    if (victim.turn !== null) this.#claims.add(victim, victim.turn, nowMs + RATE_WINDOW_MS);
    limit.pausedUntilMs = nowMs + limit.options.refusalPauseMs;
    onLimited({ limit, lane: victim, dropped, untilMs: limit.pausedUntilMs });
    this.#wakeAt(limit, limit.pausedUntilMs, nowMs, onItems);
  }

  /** The lane whose turn it is to lose a record, under a limit that drops. */
  #nextToDrop(limit: Limit): Lane | undefined {
    for (let left = this.#dropTurns.size; left > 0; left--) {
      const lane = this.#dropTurns.shift() as Lane;
      const waitsForItsOwn = lane.limit !== null && this.#waits.has(lane.limit);
      if (lane.queue.size > 0 && !waitsForItsOwn && policyOf(limit, lane) === 'drop') {
        this.#dropTurns.push(lane);
        return lane;
      }
      this.#inDropTurns.delete(lane);
    }
    return undefined;
  }

  #drop(lane: Lane): number {
    const records = lane.queue.take(1);
    for (const record of records) lane.onRefused(record);
    return records.length;
  }

  /** Applies the policy of the lane's own limit: drops one record and pauses, or waits until there is room.
   */
  #refuseByItsOwn(lane: Lane, limit: Limit, nowMs: number): void {
    const drops = policyOf(limit, lane) === 'drop';
    const dropped = drops ? this.#drop(lane) : 0;
    const untilMs = drops
      ? nowMs + limit.options.refusalPauseMs
      : Math.max(limit.window.freeAtMs(nowMs), nowMs + 1);
    this.#options.onLimited({ limit, lane, dropped, untilMs });
    this.#wakeAt(limit, untilMs, nowMs, () => {
      this.#join(lane);
      this.#options.onItems();
    });
  }

  /** Calls `wake` at that time, and not before: a timer of the runtime may fire a fraction of a millisecond
   *  early, and a wake-up too early would be the last. */
  #wakeAt(limit: Limit, atMs: number, nowMs: number, wake: () => void): void {
    const { clock } = this.#options;
    const before = this.#waits.get(limit);
    // A timer may also be late: what came in the meantime has been refused since.
    if (before !== undefined) clock.clearTimeout(before.timer);
    const timer = clock.setTimeout(
      () => {
        this.#waits.delete(limit);
        const firedMs = clock.monotonicMs();
        if (firedMs < atMs) this.#wakeAt(limit, atMs, firedMs, wake);
        else wake();
      },
      Math.ceil(Math.max(0, atMs - nowMs)),
    );
    this.#waits.set(limit, { timer, atMs, wake });
  }
}

/** `auto` holds back the sources that can wait, and drops records of those that cannot. */
export function policyOf({ options }: Limit, { canWait }: Pick<Lane, 'canWait'>): 'drop' | 'delay' {
  if (options.policy !== 'auto') return options.policy;
  return canWait ? 'delay' : 'drop';
}

const NOTHING: readonly IngestRecord[] = [];
