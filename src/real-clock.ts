/** The real clock: the only place of the engine that reads time. */

import { sleepOn, type Clock } from './domain/clock.ts';

export const realClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimeout: (callback, delayMs) => setTimeout(callback, delayMs),
  clearTimeout: (handle) => clearTimeout(handle as NodeJS.Timeout),
  sleep: (delayMs, signal) => sleepOn(realClock, delayMs, signal),
};
