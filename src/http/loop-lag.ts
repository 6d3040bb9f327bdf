/** How late the event loop is: a timer that is due every second, and how much later it came. */

import type { Clock, TimerHandle } from '../domain/clock.ts';

export interface LoopLag {
  /** The longest delay of the last ten seconds, milliseconds. */
  worstMs(): number;
  close(): void;
}

const EVERY_MS = 1_000;
const KEPT = 10;

export function watchLoop(clock: Clock): LoopLag {
  const lags: number[] = [];
  let timer: TimerHandle;
  const wait = () => {
    const dueMs = clock.monotonicMs() + EVERY_MS;
    timer = clock.setTimeout(() => {
      lags.push(Math.max(0, clock.monotonicMs() - dueMs));
      if (lags.length > KEPT) lags.shift();
      wait();
    }, EVERY_MS);
  };
  wait();
  return {
    worstMs: () => Math.round(Math.max(0, ...lags)),
    close: () => clock.clearTimeout(timer),
  };
}
