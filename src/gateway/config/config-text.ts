/** The text of a configuration and where everything stands in it. YAML 1.2 (core schema, no tags of anybody's
 *  own, each key once, aliases within bounds) or JSON; both are read by one parser, which knows places. */

import {
  isAlias,
  isCollection,
  isMap,
  isNode,
  isPair,
  isScalar,
  LineCounter,
  parseDocument,
  visit,
  type Alias,
  type Document,
  type Node,
  type Scalar,
  type YAMLMap,
} from 'yaml';
import { messageOf } from '../../domain/errors.ts';
import { LIMITS } from '../../domain/limits.ts';
import type { ConfigFormat } from '../gateway-control.ts';
import {
  adviceOn,
  characterProblem,
  keyProblem,
  scalarProblem,
  tagProblem,
  type TextProblem,
} from './node-checks.ts';
import { placeAt, PlacedText, type AliasTargets, type Place } from './placed-text.ts';

type TextReading =
  | { readonly ok: true; readonly text: PlacedText }
  | { readonly ok: false; readonly problems: readonly TextProblem[] };

const BYTE_ORDER_MARK = '\uFEFF';

/** Reads a text. What is wrong with it as such is told all at once. */
export function readConfigText(given: string, format: ConfigFormat): TextReading {
  // Editors on Windows begin UTF-8 with a mark.
  const text = given.startsWith(BYTE_ORDER_MARK) ? given.slice(1) : given;
  const refused = (message: string, place: Place | null = null) =>
    ({ ok: false, problems: [{ place, message }] }) as const;
  if (Buffer.byteLength(text) > LIMITS.configBytesMax) {
    return refused(`is larger than ${LIMITS.configBytesMax} bytes`);
  }
  const strange = characterProblem(text);
  if (strange !== null) return { ok: false, problems: [strange] };
  if (format === 'json') {
    if (text.trim() === '') return refused('is empty: it holds no section');
    const problem = jsonProblem(text);
    if (problem !== null) return { ok: false, problems: [problem] };
  }
  try {
    const lines = new LineCounter();
    const document = parseDocument(text, {
      ...{ version: '1.2', schema: 'core', lineCounter: lines },
      // Keys that come twice are looked for below: the parser compares each with each.
      ...{ uniqueKeys: false, stringKeys: true, merge: false, prettyErrors: false, logLevel: 'error' },
    });
    const problems = toldOf([...document.errors, ...document.warnings], text).map(({ offset, message }) => ({
      place: placeAt(lines, offset),
      message,
    }));
    if (problems.length > 0) return { ok: false, problems };
    const targets = inspect(document, (node, message) => {
      problems.push({ place: placeAt(lines, node.range?.[0] ?? 0), message });
    });
    if (problems.length > 0) return { ok: false, problems };
    const missing = missingDocument(document);
    if (missing !== null) return refused(missing);
    try {
      const value: unknown = document.toJS({ maxAliasCount: LIMITS.configAliasesMax });
      return { ok: true, text: new PlacedText(value, { document, lines, text, targets }) };
    } catch (error) {
      // The only one there is: each alias has a target.
      if (!(error instanceof ReferenceError)) throw error;
      return refused(ALIASES, placeAt(lines, heaviestAlias(targets)?.range?.[0] ?? 0));
    }
  } catch (error) {
    return refused(error instanceof RangeError ? TOO_DEEP : `cannot be read: ${messageOf(error)}`);
  }
}

const ALIASES =
  'is written out to too many values: aliases within aliases count ' +
  `${LIMITS.configAliasesMax} times at the most; write the values out, or nest fewer of them`;

/** Levels of a configuration: lists and maps within each other. */
const DEPTH_MAX = 64;
const TOO_DEEP = `nests deeper than ${DEPTH_MAX} levels; no section does`;

/** Looks at every node once, and tells what is wrong with it. Returns what each alias refers to. */
function inspect(document: Document, tell: (node: Node, message: string) => void): AliasTargets {
  const anchors = new Map<string, Node>();
  const targets = new Map<Node, Node>();
  const check = (node: Node, message: string | null) => {
    if (message !== null) tell(node, message);
  };
  visit(document, (_, node, ancestors) => {
    if (!isNode(node)) return undefined;
    if (ancestors.length > DEPTH_MAX && ancestors.filter(isCollection).length >= DEPTH_MAX) {
      tell(node, TOO_DEEP);
      return visit.BREAK;
    }
    if (isAlias(node)) {
      const meant = anchors.get(node.source);
      if (meant !== undefined) targets.set(node, meant);
      check(node, aliasProblem(node, meant, ancestors));
      return undefined;
    }
    const { anchor } = node as Scalar;
    if (anchor !== undefined) anchors.set(anchor, node);
    check(node, tagProblem(node));
    if (isScalar(node)) check(node, scalarProblem(node));
    if (isMap(node)) checkKeys(node, check);
    return undefined;
  });
  return targets;
}

function checkKeys({ items }: YAMLMap, check: (node: Node, message: string | null) => void): void {
  const names = new Set<unknown>();
  for (const { key } of items) {
    if (!isScalar(key)) continue;
    check(key, keyProblem(key, names));
    names.add(key.value);
  }
}

function aliasProblem(
  { source }: Alias,
  meant: Node | undefined,
  ancestors: readonly unknown[],
): string | null {
  if (meant === undefined) {
    return `*${source} refers to no anchor before it; put it in quotes ("*${source}") where it is text`;
  }
  if (!ancestors.includes(meant)) return null;
  return `*${source} stands within what it refers to; an alias cannot contain itself`;
}

/** The alias that is written out to the most values: it is where a bound on them is broken. */
function heaviestAlias(targets: AliasTargets): Node | null {
  const weights = new Map<unknown, number>();
  const weightOf = (node: unknown): number => {
    const known = weights.get(node);
    if (known !== undefined) return known;
    let weight = 1;
    if (isAlias(node)) weight = weightOf(targets.get(node));
    else if (isCollection(node)) {
      for (const item of node.items) weight += weightOf(isPair(item) ? item.value : item);
    }
    weights.set(node, weight);
    return weight;
  };
  let heaviest: Node | null = null;
  for (const alias of targets.keys()) {
    if (heaviest === null || weightOf(alias) > weightOf(heaviest)) heaviest = alias;
  }
  return heaviest;
}

/** Why there is nothing to read: a file without content is more often half-written than meant. */
function missingDocument({ contents }: Document): string | null {
  const isEmpty = contents === null || (isScalar(contents) && contents.value === null);
  if (!isEmpty) return null;
  return (
    'is empty: it holds no section. Where nothing is to run, write "sources: {}"; ' +
    '`headgate init` writes a file to begin with'
  );
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

interface Complaint {
  readonly pos: readonly [number, number];
  readonly message: string;
}

/** The parser's complaints in words of ours. Once the text is no YAML, all that follows is said for the same
 *  reason and left out. */
function toldOf(complaints: readonly Complaint[], text: string): { offset: number; message: string }[] {
  let isBroken = false;
  return complaints.flatMap(({ pos: [offset], message }) => {
    if (message.startsWith('Source contains multiple documents'))
      return [{ offset: documentStart(text, offset), message: SEVERAL }];
    if (message.startsWith('Unresolved tag')) {
      const [tag = ''] = /^!\S*/.exec(text.slice(offset)) ?? [];
      return [{ offset, message: `the tag ${tag} has no meaning here; ${adviceOn(tag)}` }];
    }
    if (isBroken) return [];
    isBroken = true;
    if (message.startsWith('Maximum call stack')) return [{ offset, message: TOO_DEEP }];
    const advice = parserAdvice(message, text[offset - 1]);
    // What stands there is left out: it may be a secret.
    return [{ offset, message: `is no YAML: ${message.replace(/: ".*$/su, '')}${advice}` }];
  });
}

/** The remedy, where the parser does not name it. `before`: the character before the place. */
function parserAdvice(message: string, before: string | undefined): string {
  if (before === '$') return '; within { } or [ ] a ${…} needs quotes around it';
  if (message.startsWith('Tabs are not allowed')) return '; indent with spaces';
  if (message.startsWith('Alias cannot be')) return '; put "*" in quotes where it is text';
  return '';
}

const SEVERAL =
  'holds more than one document; a configuration is one: remove the line "---", or split the file';

/** Where the line `---` stands that begins the document whose content is at `offset`. */
function documentStart(text: string, offset: number): number {
  const lineStart = text.lastIndexOf('\n---', offset);
  return text.startsWith('---', offset) || lineStart < 0 ? offset : lineStart + 1;
}
