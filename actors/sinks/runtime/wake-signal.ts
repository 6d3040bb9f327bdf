/** A bell that one waiter listens to. Rung while nobody listens, it is heard by the next who does. */

import type { Clock } from '../../../src/domain/clock.ts';

export class WakeSignal {
  readonly #clock: Clock;
  #isRung = false;
  #wake: (() => void) | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  notify(): void {
    this.#isRung = true;
    this.#wake?.();
  }

  /** Resolves when it rings, at the latest after `delayMs`. */
  wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#clock.clearTimeout(timer);
        this.#wake = null;
        this.#isRung = false;
        resolve();
      };
      const timer = this.#clock.setTimeout(wake, delayMs);
      if (this.#isRung) wake();
      else this.#wake = wake;
    });
  }
}
