/** Dead letters that wait for their transaction. While the database cannot be written they pile up: beyond a
 *  bound the oldest give way, but never one that somebody acts on once it is stored. A source acknowledges
 *  for it then, or a sink's cursor moves on, so that one is the last copy; how many of those there are is
 *  bounded where they come from. */

import { LIMITS } from '../../src/domain/limits.ts';
import type { DeadLetter } from '../../src/domain/timeline.ts';

interface Waiting {
  readonly letter: DeadLetter;
  readonly isAwaited: boolean;
}

export class PendingDeadLetters {
  #waiting: Waiting[] = [];
  /** Of those nobody waits for. */
  #loose = 0;
  #looseChars = 0;

  get count(): number {
    return this.#waiting.length;
  }

  /** There are twice as many as the bound allows. */
  get isOverfull(): boolean {
    const { journalPendingRowsMax, pendingLetterCharsMax } = LIMITS;
    return this.#loose > journalPendingRowsMax * 2 || this.#looseChars > pendingLetterCharsMax * 2;
  }

  add(letter: DeadLetter, isAwaited: boolean): void {
    this.#waiting.push({ letter, isAwaited });
    if (isAwaited) return;
    this.#loose++;
    this.#looseChars += letter.payload.length;
  }

  takeAll(): DeadLetter[] {
    const letters = this.#waiting.map(({ letter }) => letter);
    this.#waiting = [];
    this.#loose = 0;
    this.#looseChars = 0;
    return letters;
  }

  /** The oldest beyond the bound give way. Returns how many did. */
  bound(): number {
    const { journalPendingRowsMax, pendingLetterCharsMax } = LIMITS;
    const before = this.#waiting.length;
    this.#waiting = this.#waiting.filter(({ letter, isAwaited }) => {
      const fits = this.#loose <= journalPendingRowsMax && this.#looseChars <= pendingLetterCharsMax;
      if (isAwaited || fits) return true;
      this.#loose--;
      this.#looseChars -= letter.payload.length;
      return false;
    });
    return before - this.#waiting.length;
  }
}
