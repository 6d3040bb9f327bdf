/** A bell that one waiter listens to. Rung while nobody listens, it is heard by the next who does. */

import type { Clock } from '../../src/domain/clock.ts';

export class Bell {
  readonly #clock: Clock;
  #isRung = false;
  #wake: (() => void) | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  ring(): void {
    this.#isRung = true;
    this.#wake?.();
  }

  /** Resolves when it rings, at the latest after `delayMs`. */
  heard(delayMs: number): Promise<void> {
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
