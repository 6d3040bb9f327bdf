/** The health of those that run and, for a while, of those that have ended: so many of them, the latest. What
 *  has ended and comes back while it is remembered counts on from where it was. */

import { LIMITS } from '../../src/domain/limits.ts';
import type { Tally, Totals } from '../../src/domain/tally.ts';

/** An incarnation of a source or a sink. */
export interface Incarnation<Health, Counter extends string> {
  readonly name: string;
  readonly tally: Tally<Counter>;
  health(): Health;
  /** What it and the incarnations before it came to; `health`: what it comes to now. */
  totals(health: Health): Totals<Counter>;
}

/** Those that have not ended, in order of registration. */
export interface Running<Health, Counter extends string> {
  runtimes(): Iterable<Incarnation<Health, Counter>>;
  has(name: string): boolean;
}

interface Ended<Health, Counter extends string> {
  readonly health: Health;
  readonly tally: Tally<Counter>;
}

type Health<Counter extends string> = { readonly incarnation: number } & Readonly<Record<Counter, number>>;

export class EndedHealth<Kind extends Health<Counter>, Counter extends string> {
  /** By name, the latest last. */
  readonly #ended = new Map<string, Ended<Kind, Counter>>();

  /** This one has ended. */
  keep(runtime: Incarnation<Kind, Counter>): void {
    const { name, tally } = runtime;
    const health = runtime.health();
    tally.add(health);
    this.#ended.delete(name);
    this.#ended.set(name, { health, tally });
    for (const oldest of this.#ended.keys()) {
      if (this.#ended.size <= LIMITS.endedSourcesKept) break;
      this.#ended.delete(oldest);
    }
  }

  /** What has been counted under this name. */
  tallyOf(name: string): Tally<Counter> | undefined {
    return this.#ended.get(name)?.tally;
  }

  /** Of those that run and those that ended last, in order of registration. */
  healths(running: Running<Kind, Counter>): Kind[] {
    const ended = this.#goneFrom(running).map(({ health }) => health);
    return inOrder(
      ended,
      Array.from(running.runtimes(), (runtime) => runtime.health()),
    );
  }

  /** The same, with what each came to over all of its incarnations. */
  stats(running: Running<Kind, Counter>): (Kind & { readonly totals: Totals<Counter> })[] {
    const ended = this.#goneFrom(running).map(({ health, tally }) => ({ ...health, totals: tally.totals() }));
    const live = Array.from(running.runtimes(), (runtime) => {
      const health = runtime.health();
      return { ...health, totals: runtime.totals(health) };
    });
    return inOrder(ended, live);
  }

  #goneFrom(running: { has(name: string): boolean }): Ended<Kind, Counter>[] {
    return [...this.#ended].filter(([name]) => !running.has(name)).map(([, one]) => one);
  }
}

function inOrder<One extends { readonly incarnation: number }>(ended: One[], live: One[]): One[] {
  if (ended.length === 0) return live;
  return [...ended, ...live].sort((one, other) => one.incarnation - other.incarnation);
}
