/** What a source or a sink came to since the engine was started, over all of its incarnations. Each counts
 *  from 0, and adds to it when it ends: so nothing that was counted goes with an incarnation. */

import { ERROR_CODES } from './errors.ts';

export interface Totals<Counter extends string> {
  readonly counts: Readonly<Record<Counter, number>>;
  /** Failures, by the code of their error. */
  readonly errors: Readonly<Record<string, number>>;
}

/** A code that the catalogue does not have is counted by this name, so that there are only so many. */
const UNKNOWN_CODE = 'OTHER';

export class Tally<Counter extends string> {
  readonly #counters: readonly Counter[];
  /** Of the incarnations that have ended. */
  readonly #ended = new Map<Counter, number>();
  readonly #errors = new Map<string, number>();

  constructor(counters: readonly Counter[]) {
    this.#counters = counters;
  }

  countError(code: string): void {
    const known = Object.hasOwn(ERROR_CODES, code) ? code : UNKNOWN_CODE;
    this.#errors.set(known, (this.#errors.get(known) ?? 0) + 1);
  }

  /** An incarnation that has ended came to these, or to so much more. */
  add(counts: Readonly<Partial<Record<Counter, number>>>): void {
    for (const counter of this.#counters) {
      const more = counts[counter] ?? 0;
      if (more > 0) this.#ended.set(counter, this.#before(counter) + more);
    }
  }

  /** With what the incarnation that goes on has come to, if one does. */
  totals(present: Readonly<Record<Counter, number>> | null = null): Totals<Counter> {
    const counts = this.#counters.map((counter) => [
      counter,
      this.#before(counter) + (present?.[counter] ?? 0),
    ]);
    return {
      counts: Object.fromEntries(counts) as Record<Counter, number>,
      errors: Object.fromEntries(this.#errors),
    };
  }

  #before(counter: Counter): number {
    return this.#ended.get(counter) ?? 0;
  }
}
