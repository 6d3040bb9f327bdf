/** Waiting with a bound, for what happens in other processes. */

import { realClock } from '../../../src/platform/real-clock.ts';

const LOOK_EVERY_MS = 10;

/** Resolves once `holds` is true, looking every few milliseconds.
 *  @throws Error with `what`, after `withinMs`. */
export async function until(
  what: string,
  withinMs: number,
  holds: () => boolean | Promise<boolean>,
  everyMs = LOOK_EVERY_MS,
): Promise<void> {
  if (!(await holdsWithin(withinMs, holds, everyMs))) throw new Error(`not within ${withinMs} ms: ${what}`);
}

/** Whether `holds` becomes true in time. */
export async function holdsWithin(
  withinMs: number,
  holds: () => boolean | Promise<boolean>,
  everyMs = LOOK_EVERY_MS,
): Promise<boolean> {
  const deadlineMs = realClock.monotonicMs() + withinMs;
  while (!(await holds())) {
    if (realClock.monotonicMs() >= deadlineMs) return false;
    await realClock.sleep(everyMs);
  }
  return true;
}

/** The promise, or an error with `what` after `withinMs`. */
export async function within<Value>(withinMs: number, what: string, promise: Promise<Value>): Promise<Value> {
  const timer = new AbortController();
  const late = realClock.sleep(withinMs, timer.signal).then(() => {
    throw new Error(`not within ${withinMs} ms: ${what}`);
  });
  late.catch(() => {});
  try {
    return await Promise.race([promise, late]);
  } finally {
    timer.abort();
  }
}
