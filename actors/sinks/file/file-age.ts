/** How old the file of a sink is. It runs on monotonic time, so that no jump of the wall clock turns a file,
 *  and with it deletes the oldest one that is kept. How long a file that was found has been there only the
 *  wall clock can tell: that counts once the clock was there long enough to have been set. */

import { believedClock } from '../../../src/domain/believed-clock.ts';
import { EARLIEST_WALL_MS, type Clock } from '../../../src/domain/clock.ts';
import { LIMITS } from '../../../src/domain/limits.ts';

export class FileAge {
  readonly #clock: Clock;
  readonly #believedMs: () => number;
  #sinceMs: number;
  /** When the file that was found came to be; null: that is known, or never will be. */
  #birthMs: number | null = null;
  /** How old it was when it was found. */
  #beforeMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#believedMs = believedClock(clock);
    this.#sinceMs = clock.monotonicMs();
  }

  /** The first line of a file is written. */
  began(): void {
    this.#sinceMs = this.#clock.monotonicMs();
    this.#birthMs = null;
    this.#beforeMs = 0;
  }

  /** A file with lines was found; its birth as the file system has it, epoch milliseconds. */
  found(birthMs: number): void {
    this.began();
    this.#birthMs = birthMs < EARLIEST_WALL_MS ? null : birthMs;
  }

  ms(): number {
    const sinceMs = this.#clock.monotonicMs() - this.#sinceMs;
    const nowMs = this.#believedMs();
    if (this.#birthMs !== null && sinceMs >= 2 * LIMITS.clockBeliefMsMin) {
      this.#beforeMs = Math.max(0, nowMs - sinceMs - this.#birthMs);
      this.#birthMs = null;
    }
    return sinceMs + this.#beforeMs;
  }
}
