/** Waiting that ends. */

import type { Clock } from '../../../src/domain/clock.ts';

/** Waits for `event`, but no longer than `ms`; gives whether it came. Leaves no timer behind. */
export async function comesInTime(clock: Clock, ms: number, event: Promise<unknown>): Promise<boolean> {
  const over = new AbortController();
  try {
    return await Promise.race([event.then(() => true), clock.sleep(ms, over.signal).then(() => false)]);
  } finally {
    over.abort();
  }
}
