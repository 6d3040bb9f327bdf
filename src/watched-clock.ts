/** A clock that notices jumps of its wall time. Every reading of the wall clock is held against the monotonic
 *  clock, so that no part of the engine can see a time beyond a jump before the jump is reported, also where
 *  the clock jumps to and fro within a second. */

import type { Clock } from './domain/clock.ts';
import { LIMITS } from './domain/limits.ts';

export interface ClockJump {
  /** Forward where positive. */
  readonly jumpMs: number;
  /** Wall time that was due, and wall time that was read; epoch milliseconds. */
  readonly fromMs: number;
  readonly toMs: number;
}

export interface WatchedClock extends Clock {
  /** Calls `onJump` within the reading that notices a jump, before that reading returns. Returns how to end
   *  it. */
  watch(onJump: (jump: ClockJump) => void): () => void;
}

/** The drift that is allowed between clocks: faster than any time service slews a clock. */
const DRIFT_SHARE_MAX = 0.005;
/** A reading that took longer was interrupted, and tells nothing. */
const READING_MS_MAX = 20;

export function watchClock(clock: Clock): WatchedClock {
  const watchers = new Set<(jump: ClockJump) => void>();
  /** Wall minus monotonic time, and when that was seen. */
  let offsetMs: number | null = null;
  let seenMs = 0;

  const look = (wallMs: number, monoMs: number): void => {
    const foundMs = wallMs - monoMs;
    const changeMs = foundMs - (offsetMs ?? foundMs);
    const driftMs = (monoMs - seenMs) * DRIFT_SHARE_MAX;
    seenMs = monoMs;
    if (Math.abs(changeMs) <= LIMITS.clockJumpMs) {
      // Steps too small to be jumps add up; only drift is let pass.
      offsetMs = (offsetMs ?? foundMs) + Math.max(-driftMs, Math.min(driftMs, changeMs));
      return;
    }
    // Before anybody is told: whoever is told may read the clock.
    offsetMs = foundMs;
    const jump = { jumpMs: Math.round(changeMs), fromMs: Math.round(wallMs - changeMs), toMs: wallMs };
    for (const onJump of watchers) onJump(jump);
  };

  return {
    wallMs() {
      const monoMs = clock.monotonicMs();
      const wallMs = clock.wallMs();
      if (clock.monotonicMs() - monoMs <= READING_MS_MAX) look(wallMs, monoMs);
      return wallMs;
    },
    monotonicMs: () => clock.monotonicMs(),
    setTimeout: (callback, delayMs) => clock.setTimeout(callback, delayMs),
    clearTimeout: (handle) => clock.clearTimeout(handle),
    sleep: (delayMs, signal) => clock.sleep(delayMs, signal),
    watch(onJump) {
      watchers.add(onJump);
      return () => void watchers.delete(onJump);
    },
  };
}
