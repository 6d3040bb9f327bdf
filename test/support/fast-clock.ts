/** A clock that runs faster than the real one, so that what takes seconds against a real broker takes a few
 *  hundredths of that: keepalives, holds, timeouts. */

import { sleepOn, type Clock } from '../../src/domain/clock.ts';
import { realClock } from '../../src/platform/real-clock.ts';

export function fastClock(factor: number): Clock {
  const clock: Clock = {
    wallMs: () => realClock.wallMs(),
    monotonicMs: () => realClock.monotonicMs() * factor,
    setTimeout: (callback, delayMs) => realClock.setTimeout(callback, delayMs / factor),
    clearTimeout: (handle) => realClock.clearTimeout(handle),
    sleep: (delayMs, signal) => sleepOn(clock, delayMs, signal),
  };
  return clock;
}
