/** What a source or a sink came to since the engine was started, over all of its incarnations. Each counts
 *  from 0, and adds to it when it ends: so nothing that was counted goes with an incarnation. */

import { ERROR_CODES } from './error-codes.ts';

export interface Totals<Counter extends string> {
  readonly counts: Readonly<Record<Counter, number>>;
  /** Failures, by the code of their error. */
  readonly errors: Readonly<Record<string, number>>;
}

/** A code that the catalogue does not have is counted by this name, so that there are only so many. */
const UNKNOWN_CODE = 'OTHER';

const NO_ERRORS: Totals<string>['errors'] = Object.freeze({});

/** One for each of ten thousand sources: most have nothing but what their first incarnation counts. */
export class Tally<Counter extends string> {
  readonly #counters: readonly Counter[];
  /** Of the incarnations that have ended. */
  #ended: Map<Counter, number> | null = null;
  #errors: Map<string, number> | null = null;

  constructor(counters: readonly Counter[]) {
    this.#counters = counters;
  }

  countError(code: string): void {
    const known = Object.hasOwn(ERROR_CODES, code) ? code : UNKNOWN_CODE;
    this.#errors ??= new Map();
    this.#errors.set(known, (this.#errors.get(known) ?? 0) + 1);
  }

  /** An incarnation that has ended came to these, or to so much more. */
  add(counts: Readonly<Partial<Record<Counter, number>>>): void {
    this.#ended ??= new Map();
    for (const counter of this.#counters) {
      this.#ended.set(counter, (this.#ended.get(counter) ?? 0) + (counts[counter] ?? 0));
    }
  }

  /** With what the incarnation that goes on has come to, if one does. */
  totals(present: Readonly<Record<Counter, number>> | null = null): Totals<Counter> {
    const counts: Partial<Record<Counter, number>> = {};
    for (const counter of this.#counters) {
      counts[counter] = (this.#ended?.get(counter) ?? 0) + (present?.[counter] ?? 0);
    }
    return {
      counts: counts as Record<Counter, number>,
      errors: this.#errors === null ? NO_ERRORS : Object.fromEntries(this.#errors),
    };
  }
}
