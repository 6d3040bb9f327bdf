/** Sources and sinks as metrics tell them: so many by name, the rest summed up. A name that is told stays so
 *  as long as the engine tells of it, and one of the rest stays there, so that no counter ever falls. What
 *  still works goes before what has ended. */

import type { Totals } from '../domain/tally.ts';
import type { Labels } from './sample.ts';

export interface NamedFigures<Stats> {
  readonly named: readonly { readonly labels: Labels; readonly stats: Stats }[];
  /** Those without a series of their own; null where there never was one. */
  readonly rest: { readonly stats: readonly Stats[]; readonly totals: Totals<string> } | null;
}

interface NamedTotalsOptions<Stats> {
  readonly namesMax: number;
  readonly labelsOf: (stats: Stats) => Labels;
  readonly isOver: (stats: Stats) => boolean;
}

export class NamedTotals<Stats extends { readonly totals: Totals<string> }> {
  readonly #options: NamedTotalsOptions<Stats>;
  readonly #labels = new Map<string, Labels>();
  /** Of those of the rest: what they came to when they were last looked at. */
  readonly #restSeen = new Map<string, Totals<string>>();
  #restTotals: Totals<string> | null = null;

  constructor(options: NamedTotalsOptions<Stats>) {
    this.#options = options;
  }

  read(all: readonly Stats[]): NamedFigures<Stats> {
    const byName = new Map(all.map((stats) => [this.#nameOf(stats), stats]));
    this.#forgetAllBut(byName);
    this.#giveLabels(byName);
    const named: { labels: Labels; stats: Stats }[] = [];
    const rest: Stats[] = [];
    for (const [name, stats] of byName) {
      const labels = this.#labels.get(name);
      if (labels !== undefined) named.push({ labels, stats });
      else rest.push(this.#addToRest(name, stats));
    }
    return { named, rest: this.#restTotals === null ? null : { stats: rest, totals: this.#restTotals } };
  }

  #nameOf(stats: Stats): string {
    return Object.values(this.#options.labelsOf(stats)).join('/');
  }

  #forgetAllBut(present: ReadonlyMap<string, Stats>): void {
    for (const known of [this.#labels, this.#restSeen]) {
      for (const name of known.keys()) if (!present.has(name)) known.delete(name);
    }
  }

  #giveLabels(present: ReadonlyMap<string, Stats>): void {
    const isNew = ([name]: [string, Stats]) => !this.#labels.has(name) && !this.#restSeen.has(name);
    const comers = [...present].filter(isNew);
    if (comers.length === 0) return;
    const { namesMax, labelsOf, isOver } = this.#options;
    const working = comers.filter(([, stats]) => !isOver(stats));
    const over = comers.filter(([, stats]) => isOver(stats));
    const replaceable = [...this.#labels.keys()].filter((name) => isOver(present.get(name) as Stats));
    for (const [name, stats] of working) {
      if (this.#labels.size >= namesMax) this.#labels.delete(replaceable.shift() ?? '');
      if (this.#labels.size < namesMax) this.#labels.set(name, labelsOf(stats));
    }
    for (const [name, stats] of over) {
      if (this.#labels.size < namesMax) this.#labels.set(name, labelsOf(stats));
    }
  }

  /** The rest's totals are sums of what each has risen by, so that one who goes takes nothing away. */
  #addToRest(name: string, stats: Stats): Stats {
    const before = this.#restSeen.get(name);
    const { counts, errors } = stats.totals;
    this.#restSeen.set(name, stats.totals);
    this.#restTotals = {
      counts: risen(this.#restTotals?.counts, counts, before?.counts),
      errors: risen(this.#restTotals?.errors, errors, before?.errors),
    };
    return stats;
  }
}

type Counts = Readonly<Record<string, number>>;

/** A sum, with what a part of it has risen by. One that has fallen was forgotten meanwhile and began anew. */
function risen(sum: Counts = {}, now: Counts, before: Counts = {}): Counts {
  const grown = { ...sum };
  for (const [name, count] of Object.entries(now)) {
    const known = before[name] ?? 0;
    grown[name] = (grown[name] ?? 0) + (count < known ? count : count - known);
  }
  return grown;
}
