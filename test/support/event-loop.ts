/** How long the event loop of this thread stood still. */

import { monitorEventLoopDelay } from 'node:perf_hooks';

export interface Stalls {
  readonly p99Ms: number;
  readonly longestMs: number;
}

/** What the loop is looked at by: a stall is at least that long. */
const RESOLUTION_MS = 1;

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
