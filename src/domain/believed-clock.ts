/** Wall time for what ends at a date: a jump of the clock is not believed until the clock has run for a while
 *  without another one. So nothing expires, and nothing that has expired counts again, for a clock that is a
 *  month ahead for some seconds. A time before any gateway was built is no time to hold on to: the first jump
 *  away from it is believed at once. */

import { EARLIEST_WALL_MS, type Clock } from './clock.ts';
import { LIMITS } from './limits.ts';

/** Returns how to read it, in epoch milliseconds. Jumps are noticed when it is read. */
export function believedClock(clock: Clock): () => number {
  let believedMs = clock.wallMs() - clock.monotonicMs();
  let offsetMs = believedMs;
  let steadySinceMs = clock.monotonicMs();
  return () => {
    const monoMs = clock.monotonicMs();
    const nowMs = clock.wallMs() - monoMs;
    if (Math.abs(nowMs - offsetMs) > LIMITS.clockJumpMs) steadySinceMs = monoMs;
    offsetMs = nowMs;
    const isNear = Math.abs(nowMs - believedMs) <= LIMITS.clockJumpMs;
    const isSteady = monoMs - steadySinceMs >= LIMITS.clockBeliefMsMin;
    const wasNeverSet = monoMs + believedMs < EARLIEST_WALL_MS;
    if (isNear || isSteady || wasNeverSet) believedMs = nowMs;
    return monoMs + believedMs;
  };
}
