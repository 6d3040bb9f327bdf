/** Sources and sinks as metrics tell them: so many by name, the rest summed up. A name that is told stays so
 *  as long as the engine tells of it, and one of the rest stays there, so that no counter ever falls. What
 *  still works goes before what has ended. */

import type { Labels } from './sample.ts';
import { RisingTotals } from './rising-totals.ts';

export interface NamedFigures<Health> {
  readonly named: readonly Figures<Health>[];
  /** Those without a series of their own; null where there never was one. */
  readonly rest: { readonly healths: readonly Health[]; readonly totals: readonly number[] } | null;
}

interface Figures<Health> {
  readonly labels: Labels;
  readonly health: Health;
  /** Of the counters that `countersOf` names, in its order. */
  readonly totals: readonly number[];
}

interface NamedTotalsOptions<Health> {
  readonly namesMax: number;
  readonly labelsOf: (health: Health) => Labels;
  readonly isOver: (health: Health) => boolean;
  readonly countersOf: (health: Health) => readonly number[];
}

interface Incarnated {
  readonly tenant: string;
  readonly incarnation: number;
}

export class NamedTotals<Health extends Incarnated> {
  readonly #options: NamedTotalsOptions<Health>;
  readonly #totals = new RisingTotals();
  readonly #labels = new Map<string, Labels>();
  /** Of those of the rest: what they came to when they were last looked at. */
  readonly #restSeen = new Map<string, readonly number[]>();
  #restTotals: readonly number[] | null = null;

  constructor(options: NamedTotalsOptions<Health>) {
    this.#options = options;
  }

  read(healths: readonly Health[]): NamedFigures<Health> {
    const byName = new Map(healths.map((health) => [this.#nameOf(health), health]));
    this.#forgetAllBut(byName);
    this.#giveLabels(byName);
    const named: Figures<Health>[] = [];
    const rest: Health[] = [];
    for (const [name, health] of byName) {
      const totals = this.#totals.advance(name, health.incarnation, this.#options.countersOf(health));
      const labels = this.#labels.get(name);
      if (labels !== undefined) named.push({ labels, health, totals });
      else rest.push(this.#addToRest(name, health, totals));
    }
    return { named, rest: this.#restTotals === null ? null : { healths: rest, totals: this.#restTotals } };
  }

  #nameOf(health: Health): string {
    return Object.values(this.#options.labelsOf(health)).join('/');
  }

  #forgetAllBut(present: ReadonlyMap<string, Health>): void {
    this.#totals.keepOnly(new Set(present.keys()));
    for (const known of [this.#labels, this.#restSeen]) {
      for (const name of known.keys()) if (!present.has(name)) known.delete(name);
    }
  }

  #giveLabels(present: ReadonlyMap<string, Health>): void {
    const isNew = ([name]: [string, Health]) => !this.#labels.has(name) && !this.#restSeen.has(name);
    const comers = [...present].filter(isNew);
    if (comers.length === 0) return;
    const { namesMax, labelsOf, isOver } = this.#options;
    const working = comers.filter(([, health]) => !isOver(health));
    const over = comers.filter(([, health]) => isOver(health));
    const replaceable = [...this.#labels.keys()].filter((name) => isOver(present.get(name) as Health));
    for (const [name, health] of working) {
      if (this.#labels.size >= namesMax) this.#labels.delete(replaceable.shift() ?? '');
      if (this.#labels.size < namesMax) this.#labels.set(name, labelsOf(health));
    }
    for (const [name, health] of over) {
      if (this.#labels.size < namesMax) this.#labels.set(name, labelsOf(health));
    }
  }

  /** The rest's totals are sums of what each has risen by, so that one who goes takes nothing away. */
  #addToRest(name: string, health: Health, totals: readonly number[]): Health {
    const before = this.#restSeen.get(name);
    this.#restSeen.set(name, totals);
    const sum = this.#restTotals ?? totals.map(() => 0);
    this.#restTotals = totals.map((total, index) => (sum[index] ?? 0) + total - (before?.[index] ?? 0));
    return health;
  }
}
