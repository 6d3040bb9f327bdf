/** A bounded queue with one writer: outlets, queues between stages and consumers' queues are all of this
 *  kind.
 *
 *  `block`: what does not fit stays in the writer's hand, in order, until slots come free; how long each item
 *  stayed there is its queue wait. The writer is to look at `room` and wait; one that offers more while its
 *  hand is full loses what it offers (counted). `waitMsMax` bounds the stay in the hand. `drop-newest`,
 *  `drop-oldest`: nothing ever waits.
 *
 *  Invariant: offered = taken + dropped + size + held, at every moment. */

import type { Clock, TimerHandle } from '../domain/clock.ts';
import type { OverflowPolicy } from '../domain/source.ts';
import { RingBuffer } from './ring-buffer.ts';
import { addWaiter, wakeAll, type Waiters } from './waiters.ts';

export interface BoundedQueueOptions<Item> {
  readonly capacity: number;
  readonly overflow: OverflowPolicy;
  /** Longest stay in the writer's hand before the item is dropped, milliseconds; null waits for ever. */
  readonly waitMsMax: number | null;
  readonly clock: Clock;
  /** There are items to take where there were none. */
  readonly onItems?: () => void;
  /** The writer may fetch again: its budget was zero and is no longer. */
  readonly onRoom?: () => void;
  /** Items were dropped by the overflow policy or by `waitMsMax`. */
  readonly onDropped?: (items: readonly Item[]) => void;
  /** Items were thrown away with everything else in the queue. */
  readonly onCleared?: (items: readonly Item[]) => void;
  /** An item got its slot after a stay in the writer's hand. */
  readonly onWaited?: (item: Item, waitMs: number) => void;
}

/** Waits of items for a slot. Items that got one at once count with a wait of 0. */
export interface QueueWaits {
  readonly count: number;
  readonly avgMs: number;
  readonly maxMs: number;
  /** Waits longer than 5 ms. */
  readonly over5ms: number;
}

const LONG_WAIT_MS = 5;

export class BoundedQueue<Item> {
  readonly #options: BoundedQueueOptions<Item>;
  readonly #ring: RingBuffer<Item>;
  #hand: readonly Item[] = NOTHING;
  #handIndex = 0;
  #handSinceMs = 0;
  #handTimer: TimerHandle = undefined;
  #roomWaiters: Waiters | null = null;
  #emptyWaiters: Waiters | null = null;
  #offered = 0;
  #dropped = 0;
  #highWater = 0;
  #waitCount = 0;
  /** Made at the first wait. */
  #stays: { sumMs: number; maxMs: number; long: number } | null = null;

  constructor(options: BoundedQueueOptions<Item>) {
    this.#options = options;
    this.#ring = new RingBuffer(options.capacity);
  }

  /** Items in the queue. */
  get size(): number {
    return this.#ring.size;
  }

  /** Items in the writer's hand. */
  get blocked(): number {
    return this.#hand.length - this.#handIndex;
  }

  /** Free slots. */
  get room(): number {
    return this.blocked > 0 ? 0 : this.#ring.room;
  }

  get isEmpty(): boolean {
    return this.#ring.size === 0 && this.blocked === 0;
  }

  get offered(): number {
    return this.#offered;
  }

  get dropped(): number {
    return this.#dropped;
  }

  /** The most items the queue ever held. */
  get highWater(): number {
    return this.#highWater;
  }

  get waits(): QueueWaits {
    const count = this.#waitCount;
    return {
      count,
      avgMs: count === 0 ? 0 : (this.#stays?.sumMs ?? 0) / count,
      maxMs: this.#stays?.maxMs ?? 0,
      over5ms: this.#stays?.long ?? 0,
    };
  }

  /** How many items a writer may fetch for this queue now: the free slots, or one for its empty hand. */
  get budget(): number {
    if (this.#options.overflow !== 'block') return Number.MAX_SAFE_INTEGER;
    const room = this.room;
    if (room > 0) return room;
    return this.blocked === 0 ? 1 : 0;
  }

  /** Hands in items; what happens to those that do not fit is the overflow policy's matter. The wait of one
   *  that does not fit counts from `sinceMs`, by default from now. Returns whether
   *  there is room for more. */
  offer(items: readonly Item[], sinceMs?: number): boolean {
    if (items.length === 0) return this.#hasRoom;
    this.#offered += items.length;
    const wasEmpty = this.#ring.size === 0;
    if (this.blocked > 0) this.#drop(items);
    else this.#insert(items, sinceMs);
    if (wasEmpty && this.#ring.size > 0) this.#options.onItems?.();
    return this.#hasRoom;
  }

  /** Takes up to `max` items, oldest first. */
  take(max: number): Item[] {
    const hadBudget = this.budget > 0;
    const items = this.#ring.take(max);
    if (items.length === 0) return items;
    if (this.blocked > 0) this.#refill();
    if (this.room > 0) wakeAll(this.#roomWaiters);
    if (!hadBudget && this.budget > 0) this.#options.onRoom?.();
    if (this.isEmpty) wakeAll(this.#emptyWaiters);
    return items;
  }

  /** Resolves when there is room, or `signal` aborts. */
  whenWritable(signal?: AbortSignal): Promise<void> {
    if (this.#hasRoom) return Promise.resolve();
    return addWaiter((this.#roomWaiters ??= []), signal);
  }

  /** Resolves when nothing is left to take, or `signal` aborts. */
  whenEmpty(signal?: AbortSignal): Promise<void> {
    return this.isEmpty ? Promise.resolve() : addWaiter((this.#emptyWaiters ??= []), signal);
  }

  /** Throws away what is in it and returns how much that was. Those who wait for room or emptiness are woken.
   *  */
  clear(): number {
    const cleared = [...this.#ring.take(this.#ring.size), ...this.#hand.slice(this.#handIndex)];
    this.#dropped += cleared.length;
    this.#emptyHand();
    this.#options.onCleared?.(cleared);
    wakeAll(this.#roomWaiters);
    wakeAll(this.#emptyWaiters);
    return cleared.length;
  }

  get #hasRoom(): boolean {
    return this.room > 0 || this.#options.overflow !== 'block';
  }

  #insert(items: readonly Item[], sinceMs: number | undefined): void {
    const fitting = Math.min(items.length, this.#ring.room);
    for (let index = 0; index < fitting; index++) this.#ring.push(items[index] as Item);
    this.#waitCount += fitting;
    if (fitting < items.length) this.#overflow(fitting === 0 ? items : items.slice(fitting), sinceMs);
    if (this.#ring.size > this.#highWater) this.#highWater = this.#ring.size;
  }

  #overflow(rest: readonly Item[], sinceMs: number | undefined): void {
    switch (this.#options.overflow) {
      case 'drop-newest':
        this.#drop(rest);
        return;
      case 'drop-oldest': {
        const kept = rest.slice(-this.#ring.capacity);
        this.#drop([...this.#ring.take(kept.length), ...rest.slice(0, rest.length - kept.length)]);
        for (const item of kept) this.#ring.push(item);
        this.#waitCount += kept.length;
        return;
      }
      case 'block':
        this.#hold(rest, sinceMs);
    }
  }

  #hold(items: readonly Item[], sinceMs: number | undefined): void {
    const { clock, waitMsMax } = this.#options;
    this.#hand = items;
    this.#handIndex = 0;
    this.#handSinceMs = sinceMs ?? clock.monotonicMs();
    if (waitMsMax === null) return;
    this.#handTimer = clock.setTimeout(() => {
      const late = this.#hand.slice(this.#handIndex);
      this.#emptyHand();
      this.#drop(late);
      this.#options.onRoom?.();
    }, waitMsMax);
  }

  /** Moves items from the hand into free slots and books their waits. */
  #refill(): void {
    const waitMs = this.#options.clock.monotonicMs() - this.#handSinceMs;
    const stays = (this.#stays ??= { sumMs: 0, maxMs: 0, long: 0 });
    while (this.#handIndex < this.#hand.length && this.#ring.room > 0) {
      const item = this.#hand[this.#handIndex++] as Item;
      this.#ring.push(item);
      this.#waitCount++;
      stays.sumMs += waitMs;
      if (waitMs > stays.maxMs) stays.maxMs = waitMs;
      if (waitMs > LONG_WAIT_MS) stays.long++;
      this.#options.onWaited?.(item, waitMs);
    }
    if (this.blocked === 0) this.#emptyHand();
  }

  #emptyHand(): void {
    this.#hand = NOTHING;
    this.#handIndex = 0;
    if (this.#handTimer !== undefined) this.#options.clock.clearTimeout(this.#handTimer);
    this.#handTimer = undefined;
  }

  #drop(items: readonly Item[]): void {
    this.#dropped += items.length;
    this.#options.onDropped?.(items);
  }
}

const NOTHING: readonly never[] = [];
