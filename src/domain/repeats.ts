/** What is told again and again: at once the first time, then once in a while with the number of times it was
 *  not told. A defect that shows at every record must not fill a disk with lines about it. */

import type { Clock } from './clock.ts';
import { LIMITS } from './limits.ts';

/** `tell` gets how many calls have gone unsaid since the last one that was told. Nothing is told by a timer:
 *  what is left over is told with the next call, or never. */
export function sparingly<Args extends readonly unknown[]>(
  clock: Pick<Clock, 'monotonicMs'>,
  tell: (unsaid: number, ...args: Args) => void,
): (...args: Args) => void {
  let nextMs = Number.NEGATIVE_INFINITY;
  let unsaid = 0;
  return (...args) => {
    const nowMs = clock.monotonicMs();
    if (nowMs < nextMs) {
      unsaid++;
      return;
    }
    const told = unsaid;
    nextMs = nowMs + LIMITS.repeatedReportMs;
    unsaid = 0;
    tell(told, ...args);
  };
}
