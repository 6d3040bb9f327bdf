/** Finds which topic filters take what topic templates publish. Templates and filters are kept as tries over
 *  the levels of a topic, and the two tries are walked together: levels that many have in common are compared
 *  once. The work is about the number of levels plus the number of matches. It is counted, and ends at a
 *  budget: templates and filters with wildcards can be made so that each has to be compared with each.
 *
 *  A field of a record (`{data.NAME}`) can be any text, of one level or of several. `{sourceId}` is the id of
 *  one of the given sources, the same wherever it stands in a template. */

import { OpenField, TemplateNode, type Place } from './template-trie.ts';
import { FilterNode, type Subscription } from './filter-trie.ts';
import { fillId, hasId, IdFinder, splitAtFields } from './topic-template.ts';
import type { WorkBudget } from './work-budget.ts';

/** A pair of places that was reached: what a filter still wants, and what a template still writes. */
interface Pair {
  readonly filter: FilterNode;
  readonly place: Place;
  /** The id that `{sourceId}` has to be; null where nothing has restricted it so far. */
  readonly id: string | null;
}

export class TopicOverlaps {
  readonly #ids: IdFinder;
  readonly #work: WorkBudget;
  readonly #filters = new FilterNode(0);
  readonly #templates = new TemplateNode(null);
  /** Templates that begin with `$`: wildcards at the first level leave them out [MQTT-4.7.2-1]. */
  readonly #ofBroker = new TemplateNode(null);
  readonly #pending: Pair[] = [];
  readonly #seen = new Set<string>();
  #nodes = 1;

  /** `sourceIds` is what `{sourceId}` may stand for. */
  constructor(sourceIds: readonly string[], work: WorkBudget) {
    this.#ids = new IdFinder(sourceIds);
    this.#work = work;
  }

  /** Adds a well-formed filter, its `$share/GROUP/` taken off. Filters have to come in the order of their
   *  listeners. */
  addFilter(filter: string, subscription: Subscription): void {
    let node = this.#filters;
    for (const level of filter.split('/')) {
      if (!this.#work.spend()) return;
      if (level === '#') return note(node.all, subscription);
      node = node.next(level, () => this.#nodes++);
    }
    note(node.ends, subscription);
  }

  /** Adds a template. Returns the place of its end, for {@link takersOf}; null where the budget is used up or
   *  no source could fill in `{sourceId}`. */
  addTemplate(template: string): TemplateNode | null {
    if (hasId(template) && this.#ids.count === 0) return null;
    const levels = splitAtFields(template);
    const lastId = levels.findLastIndex((level) => hasId(level.join('')));
    let node = template.startsWith('$') ? this.#ofBroker : this.#templates;
    for (const [index, level] of levels.entries()) {
      if (!this.#work.spend()) return null;
      node.writesId ||= index <= lastId;
      node = node.next(level);
    }
    node.isEnd = true;
    return node;
  }

  /** Compares all templates with all filters, as far as the budget goes. */
  compare(): void {
    this.#reach(this.#filters, this.#templates, null);
    this.#reach(this.#filters, this.#ofBroker, null);
    for (let pair = this.#pending.pop(); pair !== undefined; pair = this.#pending.pop()) {
      if (!this.#work.spend()) return;
      if (pair.place instanceof OpenField) this.#goOn(pair.filter, pair.place, pair.id);
      else this.#compareLevel(pair.filter, pair.place, pair.id);
    }
  }

  /** The first `max` listeners that take from the template that ends here, each with its first filter that
   *  does, in the order of the listeners. */
  takersOf(end: TemplateNode, max: number): Subscription[] {
    const first = new Map<number, Subscription>();
    for (const list of end.takers()) {
      for (const one of list.slice(0, max)) {
        if (!this.#work.spend()) break;
        const known = first.get(one.listener);
        if (known === undefined || known.filter > one.filter) first.set(one.listener, one);
      }
    }
    return [...first.values()].sort((a, b) => a.listener - b.listener).slice(0, max);
  }

  #reach(filter: FilterNode, place: Place, id: string | null): void {
    const bound = place.writesId ? id : null;
    const key = `${filter.number} ${place.number(() => this.#nodes++)} ${bound ?? ''}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.#pending.push({ filter, place, id: bound });
  }

  /** Both are at the beginning of a level. */
  #compareLevel(filter: FilterNode, place: TemplateNode, id: string | null): void {
    const { plus } = filter;
    if (place.isEnd && filter.ends.length > 0) place.ends.add(filter.ends);
    const isOfBroker = place === this.#ofBroker;
    if (filter.all.length > 0 && !isOfBroker) place.below.add(filter.all);
    if (plus !== null && !isOfBroker) {
      for (const next of place.nodes()) this.#reach(plus, next, id);
      for (const field of place.fields.values()) this.#takeAny(plus, field, id);
    }
    if (filter.levels.size === 0) return;
    this.#compareTexts(filter, place, id);
    for (const [text, next] of place.withId) this.#compareId(filter, text, next, id);
    for (const field of place.fields.values()) this.#open(filter, field, id);
  }

  /** Levels that are written out on both sides. */
  #compareTexts({ levels }: FilterNode, { texts }: TemplateNode, id: string | null): void {
    const [fewer, more] = levels.size < texts.size ? [levels, texts] : [texts, levels];
    for (const text of fewer.keys()) {
      this.#work.spend();
      const [filter, next] = more.has(text) ? [levels.get(text), texts.get(text)] : [];
      if (filter !== undefined && next !== undefined) this.#reach(filter, next, id);
    }
  }

  /** A level that holds `{sourceId}` and no field. */
  #compareId(filter: FilterNode, text: string, next: TemplateNode, id: string | null): void {
    const reach = (level: string, found: string) => {
      const taker = filter.levels.get(level);
      this.#work.spend();
      if (taker !== undefined) this.#reach(taker, next, found);
    };
    if (id !== null) return reach(fillId(text, id), id);
    const levels = filter.levelsLike(text);
    if (this.#ids.count < levels.length) {
      for (const one of this.#ids.all) if (this.#work.spend()) reach(fillId(text, one), one);
    } else {
      for (const level of levels) for (const one of this.#ids.inWhole(text, level)) reach(level, one);
    }
  }

  /** A level in which a field begins, and ends or goes on. */
  #open(filter: FilterNode, field: OpenField, id: string | null): void {
    const { head } = field;
    for (const level of filter.levelsFrom(head)) {
      if (!this.#work.spend()) return;
      const taker = filter.levels.get(level);
      if (taker === undefined) continue;
      for (const one of this.#ids.atStart(head, level, id)) {
        const written = one === null ? head : fillId(head, one);
        this.#close(taker, field, level.slice(written.length), one);
        this.#reach(taker, field, one);
      }
    }
  }

  /** A field that began at a level before. */
  #goOn(filter: FilterNode, field: OpenField, id: string | null): void {
    if (filter.all.length > 0) field.below.add(filter.all);
    if (filter.plus !== null) this.#takeAny(filter.plus, field, id);
    for (const [level, taker] of filter.levels) {
      this.#close(taker, field, level, id);
      this.#reach(taker, field, id);
    }
  }

  #takeAny(plus: FilterNode, field: OpenField, id: string | null): void {
    for (const next of field.nodes()) this.#reach(plus, next, id);
    this.#reach(plus, field, id);
  }

  /** The field ends within this level, of which `rest` is not yet written. */
  #close(taker: FilterNode, field: OpenField, rest: string, id: string | null): void {
    const { texts, withId } = field;
    if (texts.size <= rest.length) {
      for (const [tail, next] of texts) {
        if (this.#work.spend() && rest.endsWith(tail)) this.#reach(taker, next, id);
      }
    } else {
      for (let at = 0; at <= rest.length && this.#work.spend(); at++) {
        const next = texts.get(rest.slice(at));
        if (next !== undefined) this.#reach(taker, next, id);
      }
    }
    for (const [tail, next] of withId) {
      if (!this.#work.spend()) return;
      for (const one of this.#ids.atEnd(tail, rest, id)) this.#reach(taker, next, one);
    }
  }
}

function note(list: Subscription[], subscription: Subscription): void {
  // One listener may say the same twice.
  if (list.at(-1)?.listener !== subscription.listener) list.push(subscription);
}
