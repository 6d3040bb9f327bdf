/** The text of a configuration and where everything stands in it. YAML 1.2 (core schema, no tags of anybody's
 *  own, each key once, aliases within bounds) or JSON; both are read by one parser, which knows places. */

import {
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
  type Document,
  type Node,
  type Pair,
} from 'yaml';
import { messageOf } from '../../domain/errors.ts';
import { LIMITS } from '../../domain/limits.ts';
import type { ConfigFormat } from '../gateway-control.ts';

export type Path = readonly PropertyKey[];

/** From 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

export interface ConfigText {
  readonly value: unknown;
  /** Where the value at `path` begins; of one that is missing, what it should stand in. */
  valueAt(path: Path): Place;
  /** Where the last name of `path` stands. */
  keyAt(path: Path): Place;
  /** A place within the text at `path`, so many characters from its beginning. */
  withinText(path: Path, offset: number): Place;
}

export interface TextProblem {
  readonly place: Place | null;
  readonly message: string;
}

type TextReading =
  | { readonly ok: true; readonly text: ConfigText }
  | { readonly ok: false; readonly problems: readonly TextProblem[] };

/** Reads a text. What is wrong with it as such is told all at once. */
export function readConfigText(text: string, format: ConfigFormat): TextReading {
  const refused = (message: string, place: Place | null = null) =>
    ({ ok: false, problems: [{ place, message }] }) as const;
  if (Buffer.byteLength(text) > LIMITS.configBytesMax) {
    return refused(`is larger than ${LIMITS.configBytesMax} bytes`);
  }
  if (format === 'json') {
    const problem = jsonProblem(text);
    if (problem !== null) return { ok: false, problems: [problem] };
  }
  try {
    const lines = new LineCounter();
    const document = parseDocument(text, {
      ...{ version: '1.2', schema: 'core', lineCounter: lines },
      ...{ uniqueKeys: true, stringKeys: true, merge: false, prettyErrors: false, logLevel: 'silent' },
    });
    const problems = toldOf([...document.errors, ...document.warnings], text).map(({ offset, message }) => ({
      place: placeAt(lines, offset),
      message,
    }));
    if (problems.length > 0) return { ok: false, problems };
    visit(document, {
      Pair: (_, { key }) => {
        if (!isScalar(key) || key.value !== '__proto__') return;
        problems.push({
          place: placeAt(lines, key.range?.[0] ?? 0),
          message: 'no key may be called __proto__',
        });
      },
      Alias: (_, alias, ancestors) => {
        const meant = alias.resolve(document);
        if (meant === undefined || !ancestors.includes(meant)) return;
        problems.push({
          place: placeAt(lines, alias.range?.[0] ?? 0),
          message: `*${alias.source} stands within what it refers to; an alias cannot contain itself`,
        });
      },
    });
    if (problems.length > 0) return { ok: false, problems };
    const value: unknown = document.toJS({ maxAliasCount: LIMITS.configAliasesMax });
    return { ok: true, text: locatable(value, document, lines, text) };
  } catch (error) {
    const tooDeep = error instanceof RangeError;
    return refused(tooDeep ? 'nests too deep' : `cannot be read: ${messageOf(error)}`);
  }
}

/** What `JSON.parse` says against it: the YAML parser would let more pass. */
function jsonProblem(text: string): TextProblem | null {
  const message = jsonComplaint(text);
  if (message === null) return null;
  const lines = text.slice(0, jsonErrorOffset(text)).split('\n');
  const place = { line: lines.length, column: (lines.at(-1) ?? '').length + 1 };
  // What stands around the place is left out: it may be a secret.
  const [what = 'cannot be read'] = message.split(/,? (?:in JSON )?at position|, "|, \.\.\./);
  return { place, message: `is no JSON: ${what.replace(/ '.'$/su, '')}` };
}

function jsonComplaint(text: string): string | null {
  try {
    JSON.parse(text);
    return null;
  } catch (error) {
    return messageOf(error);
  }
}

/** Where the first character is that cannot follow what stands before it. Not every message of `JSON.parse`
 *  says so: it is searched for, as the shortest beginning that nothing could make whole. */
function jsonErrorOffset(text: string): number {
  let [good, bad] = [0, text.length + 1];
  while (bad - good > 1) {
    const middle = Math.floor((good + bad) / 2);
    if (couldGoOn(text.slice(0, middle))) good = middle;
    else bad = middle;
  }
  return good;
}

function couldGoOn(beginning: string): boolean {
  const message = jsonComplaint(beginning);
  if (message === null || message.startsWith('Unexpected end') || message.startsWith('Unterminated'))
    return true;
  const [, position] = / at position (\d+)/.exec(message) ?? [];
  return position !== undefined && Number(position) >= beginning.length;
}

function placeAt(lines: LineCounter, offset: number): Place {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

interface Complaint {
  readonly pos: readonly [number, number];
  readonly message: string;
}

/** The parser's complaints in words of ours. Once the text is no YAML, all that follows is said for the same
 *  reason and left out. */
function toldOf(complaints: readonly Complaint[], text: string): { offset: number; message: string }[] {
  let isBroken = false;
  return complaints.flatMap(({ pos: [offset], message }) => {
    if (message.startsWith('Map keys must be unique'))
      return [{ offset, message: 'names a key twice; each may stand once' }];
    if (message.startsWith('Unresolved tag'))
      return [{ offset, message: `${message.split(':')[0]}: tags have no meaning here` }];
    if (isBroken) return [];
    isBroken = true;
    const advice = text[offset - 1] === '$' ? '; within { } or [ ] a ${…} needs quotes around it' : '';
    // What stands there is left out: it may be a secret.
    return [{ offset, message: `is no YAML: ${message.replace(/: ".*$/su, '')}${advice}` }];
  });
}

function locatable(value: unknown, document: Document, lines: LineCounter, text: string): ConfigText {
  const startOf = (node: Node | null) => placeAt(lines, node?.range?.[0] ?? 0);
  return {
    value,
    valueAt: (path) => {
      const { node, pair } = find(document, path);
      return startOf(node ?? keyOf(pair));
    },
    keyAt: (path) => {
      const { node, pair } = find(document, path);
      return startOf(keyOf(pair) ?? node);
    },
    withinText: (path, offset) => {
      const { node } = find(document, path);
      const start = node?.range?.[0];
      if (!isScalar(node) || typeof node.value !== 'string' || start === undefined) return startOf(node);
      return placeAt(lines, offsetWithin(text, start, node.range?.[1] ?? start, node.value, offset));
    },
  };
}

function keyOf(pair: Pair | null): Node | null {
  return isNode(pair?.key) ? pair.key : null;
}

/** The node at `path` and the pair it is the value of; where the path leads nowhere, the last that is
 *  there. */
function find(document: Document, path: Path): { node: Node | null; pair: Pair | null } {
  let node: Node | null = isNode(document.contents) ? document.contents : null;
  let pair: Pair | null = null;
  for (const name of path) {
    const target: unknown = isAlias(node) ? node.resolve(document) : node;
    if (isMap(target)) {
      const next = target.items.find(({ key }) => isScalar(key) && String(key.value) === String(name));
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
