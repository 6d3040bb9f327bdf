/** Topic filters as a trie over their levels. */

import { aroundId } from './topic-template.ts';

/** A filter, as the number of its listener and its own number there. */
export interface Subscription {
  readonly listener: number;
  readonly filter: number;
}

export class FilterNode {
  readonly number: number;
  /** What comes next, by the text of the level. */
  readonly levels: Map<string, FilterNode> = new Map();
  /** What comes after "+". */
  plus: FilterNode | null = null;
  /** Filters that end here. */
  readonly ends: Subscription[] = [];
  /** Filters that go on here with "#". */
  readonly all: Subscription[] = [];
  /** The levels in order, and their reversed texts in order, once they are asked for. */
  #sorted: readonly string[] | null = null;
  #reversed: readonly string[] | null = null;

  constructor(number: number) {
    this.number = number;
  }

  /** The node after `level`, made where it is missing. */
  next(level: string, number: () => number): FilterNode {
    if (level === '+') return (this.plus ??= new FilterNode(number()));
    const known = this.levels.get(level);
    if (known !== undefined) return known;
    const made = new FilterNode(number());
    this.levels.set(level, made);
    return made;
  }

  /** Texts of levels among which are all that begin with `pattern`, whatever its `{sourceId}` is. */
  levelsFrom(pattern: string): readonly string[] {
    const [before] = aroundId(pattern);
    this.#sorted ??= [...this.levels.keys()].sort();
    return beginningWith(this.#sorted, before);
  }

  /** Texts of levels among which are all that are `pattern`, whatever its `{sourceId}` is. */
  levelsLike(pattern: string): readonly string[] {
    const [, after] = aroundId(pattern);
    const byStart = this.levelsFrom(pattern);
    if (after === '') return byStart;
    this.#reversed ??= [...this.levels.keys()].map(reverse).sort();
    const byEnd = beginningWith(this.#reversed, reverse(after));
    return byEnd.length < byStart.length ? byEnd.map(reverse) : byStart;
  }
}

/** By code units, so that it can be undone whatever the text holds. */
function reverse(text: string): string {
  return text.split('').reverse().join('');
}

/** The part of the ordered texts that begins with `start`. */
function beginningWith(sorted: readonly string[], start: string): readonly string[] {
  if (start === '') return sorted;
  const from = firstIndex(sorted, (text) => text >= start);
  const to = firstIndex(sorted, (text) => text >= start && !text.startsWith(start));
  return sorted.slice(from, to);
}

/** The index of the first text that is so; all that follow it are. */
function firstIndex(sorted: readonly string[], isSo: (text: string) => boolean): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isSo(sorted[middle] ?? '')) high = middle;
    else low = middle + 1;
  }
  return low;
}
