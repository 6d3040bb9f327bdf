/** A configuration and where everything stands in its text. A place is found in the time that the depth
 *  of its path takes, however many entries there are. */

import { isAlias, isMap, isNode, isScalar, isSeq } from 'yaml';
import type { Document, LineCounter, Node, Pair, YAMLMap } from 'yaml';

export type Path = readonly PropertyKey[];

/** From 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** The target of each alias. */
export type AliasTargets = ReadonlyMap<Node, Node>;

interface Parts {
  readonly document: Document;
  readonly lines: LineCounter;
  readonly text: string;
  readonly targets: AliasTargets;
}

interface Found {
  readonly node: Node | null;
  readonly pair: Pair | null;
}

export class PlacedText {
  readonly value: unknown;
  readonly #parts: Parts;
  /** The pairs of each map that was looked into, by name. */
  readonly #pairs = new Map<YAMLMap, ReadonlyMap<string, Pair>>();

  constructor(value: unknown, parts: Parts) {
    this.value = value;
    this.#parts = parts;
  }

  /** Where the value at `path` begins; of one that is missing, what it should stand in. */
  valueAt(path: Path): Place {
    const { node, pair } = this.#find(path);
    return this.#startOf(node ?? keyOf(pair));
  }

  /** Where the last name of `path` stands. */
  keyAt(path: Path): Place {
    const { node, pair } = this.#find(path);
    return this.#startOf(keyOf(pair) ?? node);
  }

  /** A place within the text at `path`, so many characters from its beginning. */
  withinText(path: Path, offset: number): Place {
    const { lines, text } = this.#parts;
    const { node } = this.#find(path);
    const start = node?.range?.[0];
    if (!isScalar(node) || typeof node.value !== 'string' || start === undefined) return this.#startOf(node);
    return placeAt(lines, offsetWithin(text, start, node.range?.[1] ?? start, node.value, offset));
  }

  #startOf(node: Node | null): Place {
    return placeAt(this.#parts.lines, node?.range?.[0] ?? 0);
  }

  /** The node at `path` and the pair it is the value of; where the path leads nowhere, the last that is
   *  there. */
  #find(path: Path): Found {
    const { document, targets } = this.#parts;
    let node: Node | null = isNode(document.contents) ? document.contents : null;
    let pair: Pair | null = null;
    for (const name of path) {
      const target: unknown = isAlias(node) ? targets.get(node) : node;
      if (isMap(target)) {
        const next = this.#pairsOf(target).get(String(name));
        if (next === undefined) return { node: keyOf(pair) ?? node, pair };
        pair = next;
        node = isNode(next.value) ? next.value : null;
      } else if (isSeq(target)) {
        const item: unknown = target.items[Number(name)];
        if (!isNode(item)) return { node, pair };
        node = item;
      } else return { node, pair };
    }
    return { node, pair };
  }

  #pairsOf(map: YAMLMap): ReadonlyMap<string, Pair> {
    const known = this.#pairs.get(map);
    if (known !== undefined) return known;
    const pairs = new Map<string, Pair>();
    for (const pair of map.items) if (isScalar(pair.key)) pairs.set(String(pair.key.value), pair);
    this.#pairs.set(map, pairs);
    return pairs;
  }
}

export function placeAt(lines: LineCounter, offset: number): Place {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

function keyOf(pair: Pair | null): Node | null {
  return isNode(pair?.key) ? pair.key : null;
}

/** Where in the file a character of a scalar stands. Exact where the scalar is written as it is, in quotes or
 *  without; of a block, by its line. */
function offsetWithin(text: string, start: number, end: number, value: string, offset: number): number {
  const written = text.slice(start, end);
  const at = written.indexOf(value);
  if (at >= 0) return start + at + offset;
  const before = value.slice(0, offset).split('\n');
  const lineStart = (before.at(-1) ?? '').length;
  const line = value.split('\n')[before.length - 1] ?? '';
  const lineAt = line === '' ? -1 : written.indexOf(line);
  return lineAt >= 0 ? start + lineAt + lineStart : start;
}
