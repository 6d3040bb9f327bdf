/** The time a demo runs on: the machine's own, or a virtual one that takes no time at all. */

import { setTimeout as wait } from 'node:timers/promises';
import type { Engine } from '../../src/index.ts';
import { virtualClock, type VirtualClock } from '../../src/testing.ts';

export interface Pace {
  /** For `createEngine`: the virtual clock, or nothing, which means the real one. */
  readonly clock: { readonly clock?: VirtualClock };
  /** Whole milliseconds since the pace was made, or begun anew. */
  elapsedMs(): number;
  /** Counts from now on. */
  begin(): void;
  /** Resolves `elapsedMs` after the beginning, or when the demo is told to end. */
  until(elapsedMs: number): Promise<void>;
  /** Resolves after `ms`, whatever happens. */
  sleep(ms: number): Promise<void>;
  /** Gives `work` the time it needs. When it has ended, well or not, so has the engine. */
  play<Result>(engine: Engine, work: () => Promise<Result>): Promise<Result>;
}

export function makePace(virtual: boolean, signal: AbortSignal): Pace {
  const clock = virtual ? virtualClock() : undefined;
  const nowMs = () => clock?.monotonicMs() ?? performance.now();
  let beganMs = nowMs();
  return {
    clock: clock === undefined ? {} : { clock },
    elapsedMs: () => Math.round(nowMs() - beganMs),
    begin() {
      beganMs = nowMs();
    },
    async until(elapsedMs) {
      const leftMs = Math.max(0, elapsedMs - (nowMs() - beganMs));
      if (clock !== undefined) await clock.sleep(leftMs, signal);
      else await wait(leftMs, undefined, { signal }).catch(() => {});
    },
    async sleep(ms) {
      await (clock === undefined ? wait(ms) : clock.sleep(ms));
    },
    play(engine, work) {
      const whole = workThenStop(engine, work);
      return clock === undefined ? whole : clock.runUntil(whole);
    },
  };
}

const STOP_DEADLINE_MS = 1_000;

async function workThenStop<Result>(engine: Engine, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } finally {
    await engine.stop({ deadlineMs: STOP_DEADLINE_MS });
  }
}
