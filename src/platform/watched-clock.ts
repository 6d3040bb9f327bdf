/** A clock that notices jumps of its wall time. Every reading of the wall clock is held against the monotonic
 *  clock, so that no part of the engine can see a time beyond a jump before the jump is reported, also where
 *  the clock jumps to and fro within a second. */

import type { Clock } from '../domain/clock.ts';
import { LIMITS } from '../domain/limits.ts';

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
  /** How long ago the wall clock said `wallMs`, milliseconds, whatever jumps came since: counted by monotonic
   *  time as far as this clock has been read. Never negative. */
  ageMs(wallMs: number): number;
}

/** The drift that is allowed between clocks: faster than any time service slews a clock. */
const DRIFT_SHARE_MAX = 0.005;
/** A reading that took longer was interrupted, and tells nothing. */
const READING_MS_MAX = 20;

/** A span of monotonic time between two jumps. */
interface Era {
  readonly sinceMonoMs: number;
  /** Wall minus monotonic time, as it was last seen. */
  offsetMs: number;
}

export function watchClock(clock: Clock): WatchedClock {
  const watchers = new Set<(jump: ClockJump) => void>();
  /** The latest last. */
  const eras: Era[] = [];
  /** When the wall clock was last read, monotonic. */
  let seenMs = 0;

  const beginEra = (offsetMs: number, sinceMonoMs: number): Era => {
    const era = { offsetMs, sinceMonoMs };
    eras.push(era);
    if (eras.length > LIMITS.clockErasKept) eras.shift();
    return era;
  };

  const look = (wallMs: number, monoMs: number): void => {
    const foundMs = wallMs - monoMs;
    const era = eras.at(-1) ?? beginEra(foundMs, Number.NEGATIVE_INFINITY);
    const changeMs = foundMs - era.offsetMs;
    const driftMs = (monoMs - seenMs) * DRIFT_SHARE_MAX;
    if (Math.abs(changeMs) <= LIMITS.clockJumpMs) {
      // Steps too small to be jumps add up; only drift is let pass.
      era.offsetMs += Math.max(-driftMs, Math.min(driftMs, changeMs));
      seenMs = monoMs;
      return;
    }
    // Before the watchers hear of it: they may read the clock.
    beginEra(foundMs, seenMs);
    seenMs = monoMs;
    const jump = { jumpMs: Math.round(changeMs), fromMs: Math.round(wallMs - changeMs), toMs: wallMs };
    for (const onJump of watchers) onJump(jump);
  };

  const readWall = (): number => {
    const monoMs = clock.monotonicMs();
    const wallMs = clock.wallMs();
    if (clock.monotonicMs() - monoMs <= READING_MS_MAX) look(wallMs, monoMs);
    return wallMs;
  };

  return {
    wallMs: readWall,
    ageMs(wallMs) {
      const nowMs = readWall();
      const monoMs = clock.monotonicMs();
      // A time that was said twice was said last in the latest era that has it.
      const era = eras.findLast((one) => isWithin(one, wallMs, monoMs));
      const ageMs = era === undefined ? nowMs - wallMs : monoMs - (wallMs - era.offsetMs);
      return Math.max(0, ageMs);
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

/** A clock is read in milliseconds. */
const ERA_SLACK_MS = 1;

function isWithin({ offsetMs, sinceMonoMs }: Era, wallMs: number, nowMonoMs: number): boolean {
  const monoMs = wallMs - offsetMs;
  return monoMs >= sinceMonoMs - ERA_SLACK_MS && monoMs <= nowMonoMs + ERA_SLACK_MS;
}
