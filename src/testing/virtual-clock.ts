/** A clock that a test or a simulation moves. Timers fire one by one, in order of time and then of setting;
 *  between two of them all promises settle, so that what the first one set off happens before the second one
 *  fires. */

import { sleepOn, type Clock } from '../domain/clock.ts';

export interface VirtualClock extends Clock {
  /** Moves time forward by `ms`, firing what is due on the way. */
  advance(ms: number): Promise<void>;
  /** Moves time forward, timer by timer, until `work` settles; gives back its outcome.
   *  @throws Error if no timer is left and `work` has not settled: it waits for something that is not on the
   *  clock. */
  runUntil<Result>(work: Promise<Result>): Promise<Result>;
  /** Lets the wall clock jump, as an operator or NTP would; monotonic time goes on. */
  jumpWall(ms: number): void;
  /** Timers set and not yet fired. */
  readonly pendingTimers: number;
}

interface Timer {
  readonly dueMs: number;
  readonly order: number;
  callback: (() => void) | null;
}

/** Wall time begins at `startMs` (default 2020-01-01T00:00:00Z), monotonic time at 0. */
export function virtualClock(startMs: number = Date.UTC(2020, 0, 1)): VirtualClock {
  const heap: Timer[] = [];
  let nowMs = 0;
  let wallOffsetMs = startMs;
  let order = 0;
  let live = 0;

  const nextTimer = (): Timer | undefined => {
    while (heap.length > 0 && heap[0]?.callback === null) popTimer(heap);
    return heap[0];
  };
  const fireNext = (): void => {
    const timer = popTimer(heap);
    if (timer === undefined) return;
    nowMs = Math.max(nowMs, timer.dueMs);
    const callback = timer.callback;
    timer.callback = null;
    live--;
    callback?.();
  };

  const clock: VirtualClock = {
    wallMs: () => wallOffsetMs + nowMs,
    monotonicMs: () => nowMs,
    setTimeout(callback, delayMs) {
      const timer: Timer = { dueMs: nowMs + Math.max(0, delayMs || 0), order: order++, callback };
      pushTimer(heap, timer);
      live++;
      return timer;
    },
    clearTimeout(handle) {
      const timer = handle as Timer | undefined;
      if (timer === undefined || timer.callback === null) return;
      timer.callback = null;
      live--;
    },
    sleep: (delayMs, signal) => sleepOn(clock, delayMs, signal),
    async advance(ms) {
      const endMs = nowMs + ms;
      for (;;) {
        await settle();
        const timer = nextTimer();
        if (timer === undefined || timer.dueMs > endMs) break;
        fireNext();
      }
      // Two may move it at once; the one with less to go must not turn it back.
      nowMs = Math.max(nowMs, endMs);
      await settle();
    },
    async runUntil(work) {
      let settled = false;
      const mark = () => {
        settled = true;
      };
      work.then(mark, mark);
      for (;;) {
        await settle();
        if (settled) return work;
        if (nextTimer() === undefined) {
          throw new Error('the virtual clock has no timer left, but the work it runs for has not settled');
        }
        fireNext();
      }
    },
    jumpWall(ms) {
      wallOffsetMs += ms;
    },
    get pendingTimers() {
      return live;
    },
  };
  return clock;
}

/** Resolves when every promise that can settle without a timer has settled. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function isBefore(left: Timer, right: Timer): boolean {
  return left.dueMs < right.dueMs || (left.dueMs === right.dueMs && left.order < right.order);
}

/** Binary min-heap: push. */
function pushTimer(heap: Timer[], timer: Timer): void {
  let index = heap.length;
  heap.push(timer);
  while (index > 0) {
    const parentIndex = (index - 1) >> 1;
    const parent = heap[parentIndex] as Timer;
    if (!isBefore(timer, parent)) break;
    heap[index] = parent;
    index = parentIndex;
  }
  heap[index] = timer;
}

/** Binary min-heap: pop. */
function popTimer(heap: Timer[]): Timer | undefined {
  const top = heap[0];
  const last = heap.pop();
  if (top === undefined || last === undefined || heap.length === 0) return top;
  let index = 0;
  for (;;) {
    let childIndex = 2 * index + 1;
    if (childIndex >= heap.length) break;
    const right = childIndex + 1;
    if (right < heap.length && isBefore(heap[right] as Timer, heap[childIndex] as Timer)) childIndex = right;
    const child = heap[childIndex] as Timer;
    if (!isBefore(child, last)) break;
    heap[index] = child;
    index = childIndex;
  }
  heap[index] = last;
  return top;
}
