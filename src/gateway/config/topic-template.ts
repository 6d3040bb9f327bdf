/** The text of topic templates: fields, which can be any text, and `{sourceId}`, which is one of some ids. */

const ID = '{sourceId}';
const FIELD = /\{data\.[^{}]*\}/g;
/** No topic holds this character. */
const ANY = '\0';

/** A level that is all text, or the text before its first and after its last field. */
export type Level = readonly [text: string] | readonly [head: string, tail: string];

export function splitAtFields(template: string): Level[] {
  const marked = template.replaceAll('{tenant}', 'default').replaceAll(FIELD, ANY);
  return marked.split('/').map((level): Level => {
    const [first, last] = [level.indexOf(ANY), level.lastIndexOf(ANY)];
    return first < 0 ? [level] : [level.slice(0, first), level.slice(last + 1)];
  });
}

export function hasId(text: string): boolean {
  return text.includes(ID);
}

export function fillId(text: string, id: string): string {
  return text.replaceAll(ID, () => id);
}

/** The text before the first `{sourceId}`, and that after the last one; without one, twice the whole. */
export function aroundId(text: string): readonly [before: string, after: string] {
  const first = text.indexOf(ID);
  if (first < 0) return [text, text];
  return [text.slice(0, first), text.slice(text.lastIndexOf(ID) + ID.length)];
}

/** Finds which id a text was made with. `bound` is an id that is decided already. */
export class IdFinder {
  readonly #ids: ReadonlySet<string>;
  readonly #lengths: readonly number[];

  constructor(ids: readonly string[]) {
    this.#ids = new Set(ids);
    this.#lengths = [...new Set(ids.map((id) => id.length))];
  }

  get count(): number {
    return this.#ids.size;
  }

  get all(): Iterable<string> {
    return this.#ids;
  }

  /** The ids with which `pattern`, which has `{sourceId}`, is exactly `text`: one or none. */
  inWhole(pattern: string, text: string): string[] {
    const times = pattern.split(ID).length - 1;
    const length = (text.length - (pattern.length - times * ID.length)) / times;
    const at = pattern.indexOf(ID);
    const id = text.slice(at, at + length);
    return Number.isInteger(length) && this.#ids.has(id) && fillId(pattern, id) === text ? [id] : [];
  }

  /** The ids with which `text` begins with `pattern`; null stands for any. */
  atStart(pattern: string, text: string, bound: string | null): (string | null)[] {
    const at = pattern.indexOf(ID);
    const isSo = (id: string | null) => text.startsWith(id === null ? pattern : fillId(pattern, id));
    if (at < 0 || bound !== null) return isSo(bound) ? [bound] : [];
    return this.#candidates((length) => text.slice(at, at + length)).filter(isSo);
  }

  /** The ids with which `text` ends with `pattern`; null stands for any. */
  atEnd(pattern: string, text: string, bound: string | null): (string | null)[] {
    const isSo = (id: string | null) => text.endsWith(id === null ? pattern : fillId(pattern, id));
    const [, after] = aroundId(pattern);
    if (!hasId(pattern) || bound !== null) return isSo(bound) ? [bound] : [];
    const end = text.length - after.length;
    return this.#candidates((length) => text.slice(Math.max(0, end - length), Math.max(0, end))).filter(isSo);
  }

  #candidates(cut: (length: number) => string): string[] {
    return this.#lengths.map(cut).filter((id) => this.#ids.has(id));
  }
}
