/** The queue against a toy of it, action by action: offers, takes, time, clearing, and those who wait. */

import { getEventListeners } from 'node:events';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { OverflowPolicy } from '../../src/domain/source.ts';
import { BoundedQueue } from '../../src/pipeline/bounded-queue.ts';
import { virtualClock, type VirtualClock } from '../../src/testing/virtual-clock.ts';
import { heapBytes, settled } from './fixture.ts';

interface Setting {
  readonly capacity: number;
  readonly overflow: OverflowPolicy;
  readonly waitMsMax: number | null;
}

type Action =
  | { readonly kind: 'offer' | 'take' | 'tick'; readonly count: number }
  | { readonly kind: 'clear' | 'whenWritable' | 'whenEmpty' | 'abort' };

interface Waiter {
  readonly kind: 'whenWritable' | 'whenEmpty';
  isWoken: boolean;
}

/** The queue as plain arrays. */
class ToyQueue {
  readonly setting: Setting;
  nowMs = 0;
  queue: number[] = [];
  hand: number[] = [];
  handSinceMs = 0;
  offered = 0;
  taken: number[] = [];
  dropped: number[] = [];
  cleared = 0;
  highWater = 0;
  waits: number[] = [];
  /** Those of items that were in the hand. */
  handWaits: number[] = [];
  waiters: Waiter[] = [];

  constructor(setting: Setting) {
    this.setting = setting;
  }

  get room(): number {
    return this.hand.length > 0 ? 0 : this.setting.capacity - this.queue.length;
  }

  get hasRoom(): boolean {
    return this.room > 0 || this.setting.overflow !== 'block';
  }

  get isEmpty(): boolean {
    return this.queue.length + this.hand.length === 0;
  }

  offer(count: number): void {
    const items = Array.from({ length: count }, (_, index) => this.offered + index);
    this.offered += count;
    const handWasFull = this.hand.length > 0;
    for (const item of items) {
      if (handWasFull) this.dropped.push(item);
      else this.#offerOne(item);
    }
    this.highWater = Math.max(this.highWater, this.queue.length);
  }

  #offerOne(item: number): void {
    const { capacity, overflow } = this.setting;
    if (this.queue.length < capacity) {
      this.queue.push(item);
      this.waits.push(0);
    } else if (overflow === 'block') {
      if (this.hand.length === 0) this.handSinceMs = this.nowMs;
      this.hand.push(item);
    } else if (overflow === 'drop-newest') {
      this.dropped.push(item);
    } else {
      this.dropped.push(this.queue.shift() as number);
      this.queue.push(item);
      this.waits.push(0);
    }
  }

  take(max: number): void {
    this.taken.push(...this.queue.splice(0, max));
    while (this.hand.length > 0 && this.queue.length < this.setting.capacity) {
      this.queue.push(this.hand.shift() as number);
      this.handWaits.push(this.nowMs - this.handSinceMs);
      this.waits.push(this.nowMs - this.handSinceMs);
    }
    this.highWater = Math.max(this.highWater, this.queue.length);
    this.#wake();
  }

  tick(ms: number): void {
    this.nowMs += ms;
    const { waitMsMax } = this.setting;
    if (waitMsMax === null || this.hand.length === 0 || this.nowMs < this.handSinceMs + waitMsMax) return;
    this.dropped.push(...this.hand.splice(0));
  }

  clear(): number {
    const lost = this.queue.splice(0).length + this.hand.splice(0).length;
    this.cleared += lost;
    this.#wake();
    return lost;
  }

  wait(kind: Waiter['kind']): Waiter {
    const waiter = { kind, isWoken: kind === 'whenWritable' ? this.hasRoom : this.isEmpty };
    this.waiters.push(waiter);
    return waiter;
  }

  abort(): void {
    for (const waiter of this.waiters) waiter.isWoken = true;
  }

  #wake(): void {
    for (const waiter of this.waiters) {
      if (waiter.kind === 'whenWritable' ? this.room > 0 : this.isEmpty) waiter.isWoken = true;
    }
  }
}

/** The real queue, with everything it tells kept. */
class Subject {
  readonly clock: VirtualClock = virtualClock();
  readonly queue: BoundedQueue<number>;
  readonly taken: number[] = [];
  readonly dropped: number[] = [];
  readonly waited: number[] = [];
  readonly waiters: { isWoken: boolean }[] = [];
  itemsTold = 0;
  roomTold = 0;
  #abort = new AbortController();
  #offered = 0;

  constructor(setting: Setting) {
    this.queue = new BoundedQueue({
      ...setting,
      clock: this.clock,
      onItems: () => this.itemsTold++,
      onRoom: () => this.roomTold++,
      onDropped: (items) => this.dropped.push(...items),
      onWaited: (_, waitMs) => this.waited.push(waitMs),
    });
  }

  offer(count: number): boolean {
    const items = Array.from({ length: count }, (_, index) => this.#offered + index);
    this.#offered += count;
    return this.queue.offer(items);
  }

  wait(kind: Waiter['kind']): void {
    const waiter = { isWoken: false };
    this.waiters.push(waiter);
    void this.queue[kind](this.#abort.signal).then(() => {
      waiter.isWoken = true;
    });
  }

  abort(): void {
    this.#abort.abort();
    this.#abort = new AbortController();
  }
}

async function perform(action: Action, subject: Subject, toy: ToyQueue): Promise<void> {
  const { queue } = subject;
  switch (action.kind) {
    case 'offer': {
      const wasEmpty = queue.size === 0;
      const told = subject.itemsTold;
      toy.offer(action.count);
      expect(subject.offer(action.count)).toBe(toy.hasRoom);
      expect(subject.itemsTold - told).toBe(wasEmpty && action.count > 0 ? 1 : 0);
      return;
    }
    case 'take': {
      const hadBudget = queue.budget > 0;
      const told = subject.roomTold;
      toy.take(action.count);
      subject.taken.push(...queue.take(action.count));
      expect(subject.roomTold - told).toBe(!hadBudget && queue.budget > 0 ? 1 : 0);
      return;
    }
    case 'tick':
      toy.tick(action.count);
      return subject.clock.advance(action.count);
    case 'clear':
      expect(queue.clear()).toBe(toy.clear());
      return;
    case 'abort':
      toy.abort();
      subject.abort();
      return;
    case 'whenWritable':
    case 'whenEmpty':
      toy.wait(action.kind);
      subject.wait(action.kind);
  }
}

function compare(subject: Subject, toy: ToyQueue): void {
  const { queue, taken, dropped, waited, waiters } = subject;
  expect({ size: queue.size, held: queue.blocked, room: queue.room, isEmpty: queue.isEmpty }).toEqual({
    size: toy.queue.length,
    held: toy.hand.length,
    room: toy.room,
    isEmpty: toy.isEmpty,
  });
  expect(queue.offered).toBe(toy.offered);
  expect(queue.dropped).toBe(toy.dropped.length + toy.cleared);
  expect(queue.offered).toBe(taken.length + queue.dropped + queue.size + queue.blocked);
  expect(queue.highWater).toBe(toy.highWater);
  expect(queue.highWater).toBeLessThanOrEqual(toy.setting.capacity);
  expect(taken).toEqual(toy.taken);
  expect(ascending(dropped)).toEqual(ascending(toy.dropped));
  expect(waited).toEqual(toy.handWaits);
  expect(waiters).toEqual(toy.waiters.map(({ isWoken }) => ({ isWoken })));
  compareWaits(subject, toy);
}

function compareWaits({ queue }: Subject, { setting, waits, room, hand }: ToyQueue): void {
  const { count, avgMs, maxMs, over5ms } = queue.waits;
  expect(maxMs).toBe(Math.max(0, ...waits));
  expect(over5ms).toBe(waits.filter((ms) => ms > 5).length);
  if (setting.overflow !== 'block') return;
  expect(queue.budget).toBe(room > 0 ? room : hand.length === 0 ? 1 : 0);
  expect(count).toBe(waits.length);
  expect(avgMs).toBeCloseTo(waits.reduce((sum, ms) => sum + ms, 0) / Math.max(1, count), 9);
}

function ascending(items: readonly number[]): number[] {
  return items.toSorted((left, right) => left - right);
}

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 4, arbitrary: numbered('offer', 12) },
  { weight: 4, arbitrary: numbered('take', 8) },
  { weight: 3, arbitrary: numbered('tick', 15) },
  { weight: 1, arbitrary: fc.constant({ kind: 'clear' } as const) },
  { weight: 1, arbitrary: fc.constant({ kind: 'whenWritable' } as const) },
  { weight: 1, arbitrary: fc.constant({ kind: 'whenEmpty' } as const) },
  { weight: 1, arbitrary: fc.constant({ kind: 'abort' } as const) },
);

function numbered(kind: 'offer' | 'take' | 'tick', max: number) {
  return fc.record({ kind: fc.constant(kind), count: fc.integer({ min: 0, max }) });
}

describe('a bounded queue keeps to its model', () => {
  const settings: readonly [string, Omit<Setting, 'capacity'>][] = [
    ['blocking without end', { overflow: 'block', waitMsMax: null }],
    ['blocking for at most 20 ms', { overflow: 'block', waitMsMax: 20 }],
    ['blocking for no time at all', { overflow: 'block', waitMsMax: 0 }],
    ['dropping the newest', { overflow: 'drop-newest', waitMsMax: null }],
    ['dropping the oldest', { overflow: 'drop-oldest', waitMsMax: null }],
  ];
  test.each(settings)('%s', async (_, policy) => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 12 }),
        fc.array(action, { maxLength: 40, size: 'max' }),
        async (capacity, actions) => {
          const setting = { ...policy, capacity };
          const [subject, toy] = [new Subject(setting), new ToyQueue(setting)];
          for (const step of actions) {
            await perform(step, subject, toy);
            await settled();
            compare(subject, toy);
          }
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe('a bounded queue', () => {
  const setting = { capacity: 2, overflow: 'block', waitMsMax: null } as const;

  test('gives the items of one offer their own waits as slots come free', async () => {
    const subject = new Subject(setting);
    subject.offer(5);
    for (const ms of [10, 10, 3]) {
      await subject.clock.advance(ms);
      subject.queue.take(1);
    }
    expect(subject.waited).toEqual([10, 20, 23]);
    expect(subject.queue.waits).toEqual({ count: 5, avgMs: 53 / 5, maxMs: 23, over5ms: 3 });
  });

  test('tells its writer of room once, when a full hand is empty again', () => {
    const subject = new Subject(setting);
    subject.offer(4);
    subject.queue.take(1);
    expect(subject.roomTold).toBe(0);
    subject.queue.take(1);
    expect(subject.roomTold).toBe(1);
  });

  test('tells its writer of room when the longest wait is over', async () => {
    const subject = new Subject({ ...setting, waitMsMax: 100 });
    subject.offer(3);
    await subject.clock.advance(99);
    expect([subject.roomTold, subject.dropped]).toEqual([0, []]);
    await subject.clock.advance(1);
    expect([subject.roomTold, subject.dropped]).toEqual([1, [2]]);
  });

  test('leaves no timer behind when the hand empties in time, or is cleared', () => {
    const taken = new Subject({ ...setting, waitMsMax: 100 });
    taken.offer(3);
    taken.queue.take(1);
    expect(taken.clock.pendingTimers).toBe(0);
    const cleared = new Subject({ ...setting, waitMsMax: 100 });
    cleared.offer(3);
    cleared.queue.clear();
    expect(cleared.clock.pendingTimers).toBe(0);
  });

  test('does not wait for a signal that has aborted already', async () => {
    const subject = new Subject(setting);
    subject.offer(2);
    await subject.queue.whenWritable(AbortSignal.abort());
    await subject.queue.whenEmpty(AbortSignal.abort());
    expect(subject.queue.size).toBe(2);
  });

  test('leaves nothing on the signal of one who was woken, or gave up', async () => {
    const subject = new Subject(setting);
    const abort = new AbortController();
    subject.offer(2);
    const waits = [subject.queue.whenWritable(abort.signal), subject.queue.whenEmpty(abort.signal)];
    expect(getEventListeners(abort.signal, 'abort').length).toBe(2);
    subject.queue.take(2);
    await Promise.all(waits);
    expect(getEventListeners(abort.signal, 'abort').length).toBe(0);
  });

  test('costs next to nothing while idle, whatever it could hold', async () => {
    const clock = virtualClock();
    const before = await heapBytes();
    const idle = Array.from(
      { length: 2_000 },
      () => new BoundedQueue<number>({ ...setting, capacity: 1_000_000, clock }),
    );
    const bytesPerQueue = ((await heapBytes()) - before) / idle.length;
    expect(bytesPerQueue).toBeLessThan(1_000);
  });
});
