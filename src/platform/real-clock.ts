/** The real clock: the only place of the engine that reads time. */

import { performance } from 'node:perf_hooks';
import { sleepOn, type Clock } from '../domain/clock.ts';

/** The longest delay Node can wait for: 24.8 days. A longer one would fire at once. */
const DELAY_MS_MAX = 2 ** 31 - 1;

export const realClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  // What is left of a wait may be below zero by now: Node warns of that.
  setTimeout: (callback, delayMs) => setTimeout(callback, Math.min(Math.max(delayMs, 0), DELAY_MS_MAX)),
  clearTimeout: (handle) => clearTimeout(handle as NodeJS.Timeout),
  sleep: (delayMs, signal) => sleepOn(realClock, delayMs, signal),
};
