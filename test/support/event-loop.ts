/** How long the event loop of this thread stood still. */

import { monitorEventLoopDelay } from 'node:perf_hooks';

export interface Stalls {
  readonly p99Ms: number;
  readonly longestMs: number;
}

/** What the loop is looked at by: a stall is at least that long. */
const RESOLUTION_MS = 1;
const TRIES_MAX = 5;

/** The shortest of the longest stalls of a few tries, which end early at one below `enoughMs`. What the
 *  measured thing does to the loop, it does each time; what else goes on in the machine can only add to it.
 *  */
export async function leastStallMs(enoughMs: number, measure: () => Promise<Stalls>): Promise<number> {
  let leastMs = Infinity;
  for (let tries = 1; tries <= TRIES_MAX && leastMs >= enoughMs; tries++) {
    leastMs = Math.min(leastMs, (await measure()).longestMs);
  }
  return leastMs;
}

export async function stallsDuring(action: () => Promise<unknown>): Promise<Stalls> {
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delays.enable();
  try {
    await action();
  } finally {
    delays.disable();
  }
  return { p99Ms: delays.percentile(99) / 1e6, longestMs: delays.max / 1e6 };
}
