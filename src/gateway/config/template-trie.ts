/** Topic templates as a trie over their levels, with the filters that were found to take them. */

import type { Subscription } from './filter-trie.ts';
import { hasId, type Level } from './topic-template.ts';

/** A place in a template: the beginning of a level, or within a field. */
export type Place = TemplateNode | OpenField;

abstract class TemplatePlace {
  readonly above: TemplatePlace | null;
  #number: number | null = null;
  /** Places after a text that ends the level, without and with `{sourceId}` in it. */
  readonly texts = new Map<string, TemplateNode>();
  readonly withId = new Map<string, TemplateNode>();
  /** Whether a template writes `{sourceId}` after this place. */
  writesId = false;
  /** Filters that take all templates that go through here. */
  readonly below = new Set<readonly Subscription[]>();

  constructor(above: TemplatePlace | null) {
    this.above = above;
  }

  /** Its number, given when it is first asked for. */
  number(next: () => number): number {
    this.#number ??= next();
    return this.#number;
  }

  /** The places after a whole level. */
  *nodes(): Iterable<TemplateNode> {
    yield* this.texts.values();
    yield* this.withId.values();
  }

  protected after(text: string): TemplateNode {
    const nodes = hasId(text) ? this.withId : this.texts;
    const known = nodes.get(text);
    if (known !== undefined) return known;
    const made = new TemplateNode(this);
    nodes.set(text, made);
    return made;
  }
}

export class TemplateNode extends TemplatePlace {
  /** Fields that begin in the level that follows, by the text before them. */
  readonly fields: Map<string, OpenField> = new Map();
  /** Whether a template ends here, and the filters that take it. */
  isEnd = false;
  readonly ends = new Set<readonly Subscription[]>();

  /** The node after `level`, made where it is missing. */
  next([head, tail]: Level): TemplateNode {
    if (tail === undefined) return this.after(head);
    const field = this.fields.get(head) ?? new OpenField(this, head);
    this.fields.set(head, field);
    field.writesId ||= this.writesId;
    return field.end(tail);
  }

  /** The lists of filters that take the template that ends here. */
  *takers(): Iterable<readonly Subscription[]> {
    yield* this.ends;
    yield* this.below;
    for (let { above } = this as TemplatePlace; above !== null; above = above.above) yield* above.below;
  }
}

/** Within a field: the rest of its level, and any number of levels after it, can be any text. `texts` and
 *  `withId` are what stands after the field. */
export class OpenField extends TemplatePlace {
  /** The text before the field. */
  readonly head: string;

  constructor(above: TemplatePlace, head: string) {
    super(above);
    this.head = head;
  }

  end(tail: string): TemplateNode {
    return this.after(tail);
  }
}
