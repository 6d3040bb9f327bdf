/** What is told again and again: at once the first time, then once in a while with the number of times it was
 *  not told. A defect that shows at every record must not fill a disk with lines about it. */

import type { Clock } from '../domain/clock.ts';
import { LIMITS } from '../domain/limits.ts';

/** `tell` gets how many calls have gone suppressed since the last one that was told. Nothing is told by a
 *  timer: what is left over is told with the next call, or never. */
export function throttled<Args extends readonly unknown[]>(
  clock: Pick<Clock, 'monotonicMs'>,
  tell: (suppressed: number, ...args: Args) => void,
): (...args: Args) => void {
  let nextMs = Number.NEGATIVE_INFINITY;
  let suppressed = 0;
  return (...args) => {
    const nowMs = clock.monotonicMs();
    if (nowMs < nextMs) {
      suppressed++;
      return;
    }
    const told = suppressed;
    nextMs = nowMs + LIMITS.repeatedReportMs;
    suppressed = 0;
    tell(told, ...args);
  };
}
