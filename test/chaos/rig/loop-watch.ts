/** How long an event would have had to wait for the event loop. Counted by time, not by turns: one stop of
 *  four seconds among ten thousand quick turns is what most events of those seconds met. */

import { realClock } from '../../../src/platform/real-clock.ts';

const STEP_MS = 2;
const GAPS_MAX = 200_000;

export interface LoopDelays {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface LoopWatch {
  delays(): LoopDelays;
  stop(): void;
}

/** Watches the loop it runs on from now on. */
export function watchLoop(): LoopWatch {
  const gapsMs: number[] = [];
  let lastMs = realClock.monotonicMs();
  const timer = setInterval(() => {
    const nowMs = realClock.monotonicMs();
    if (gapsMs.length < GAPS_MAX) gapsMs.push(nowMs - lastMs);
    lastMs = nowMs;
  }, STEP_MS);
  return {
    delays() {
      // What is going on now is over for whoever asks: the last gap counts too.
      const all = [...gapsMs, realClock.monotonicMs() - lastMs];
      return { p50Ms: waitOf(all, 0.5), p99Ms: waitOf(all, 0.99), maxMs: maxOf(all) };
    },
    stop: () => clearInterval(timer),
  };
}

/** The wait that `share` of all moments stay below: a moment in a gap waits for the gap's end. */
export function waitOf(gapsMs: readonly number[], share: number): number {
  const totalMs = gapsMs.reduce((sum, gap) => sum + gap, 0);
  let [low, high] = [0, maxOf(gapsMs)];
  while (high - low > 0.01) {
    const middle = (low + high) / 2;
    const longerMs = gapsMs.reduce((sum, gap) => sum + Math.max(0, gap - middle), 0);
    if (longerMs > totalMs * (1 - share)) low = middle;
    else high = middle;
  }
  return high;
}

function maxOf(gapsMs: readonly number[]): number {
  return gapsMs.reduce((longest, gap) => Math.max(longest, gap), 0);
}
