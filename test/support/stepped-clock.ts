/** A clock whose sleeps end when the test says so, for code that sleeps between real reads of files. */

import type { Clock } from '../../src/domain/clock.ts';

export interface SteppedClock extends Clock {
  /** Resolves once the code under test sleeps. */
  asleep(): Promise<void>;
  /** Ends so many sleeps, one after the other, each as long as it was to be; resolves in the next one. */
  wake(count: number): Promise<void>;
}

/** `wallMs`: what the wall clock says at first. */
export function steppedClock(wallMs: number): SteppedClock {
  let nowMs = 0;
  let wake: (() => void) | null = null;
  let noticed = Promise.withResolvers<void>();
  const unused = (): never => {
    throw new Error('this clock only sleeps');
  };
  return {
    ...{ wallMs: () => wallMs + nowMs, monotonicMs: () => nowMs, setTimeout: unused, clearTimeout: unused },
    sleep(delayMs, signal) {
      if (signal?.aborted === true) return Promise.resolve();
      return new Promise((resolve) => {
        wake = () => {
          nowMs += delayMs;
          noticed = Promise.withResolvers();
          resolve();
        };
        signal?.addEventListener('abort', () => resolve(), { once: true });
        noticed.resolve();
      });
    },
    asleep: () => noticed.promise,
    async wake(count) {
      for (let ended = 0; ended < count; ended++) {
        await noticed.promise;
        wake?.();
        await noticed.promise;
      }
    },
  };
}
