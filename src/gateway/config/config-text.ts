/** The text of a configuration and where everything stands in it. YAML 1.2 (core schema, no tags of anybody's
 *  own, each key once, aliases within bounds) or JSON; both are read by one parser, which knows places. */

import {
  isScalar,
  LineCounter,
  parseDocument,
  visit,
  type Document,
  type Node,
  type Scalar,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';
import { messageOf } from '../../domain/errors.ts';
import { LIMITS } from '../../domain/limits.ts';
import type { ConfigFormat } from '../gateway-control.ts';
import { placeAt, PlacedText, type AliasTargets, type Place } from './placed-text.ts';

export interface TextProblem {
  readonly place: Place | null;
  readonly message: string;
}

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
    const value: unknown = document.toJS({ maxAliasCount: LIMITS.configAliasesMax });
    return { ok: true, text: new PlacedText(value, { document, lines, text, targets }) };
  } catch (error) {
    const tooDeep = error instanceof RangeError;
    return refused(tooDeep ? 'nests too deep' : `cannot be read: ${messageOf(error)}`);
  }
}

/** Looks at every node once, and tells what is wrong with it. Returns what each alias refers to. */
function inspect(document: Document, tell: (node: Node, message: string) => void): AliasTargets {
  const anchors = new Map<string, Node>();
  const targets = new Map<Node, Node>();
  const note = (node: Scalar | YAMLMap | YAMLSeq) => {
    if (node.anchor !== undefined) anchors.set(node.anchor, node);
  };
  visit(document, {
    Map: (_, map) => {
      note(map);
      const names = new Set<unknown>();
      for (const { key } of map.items) {
        if (!isScalar(key)) continue;
        const message = names.has(key.value) ? TWICE : keyProblem(key.value);
        if (message !== null) tell(key, message);
        names.add(key.value);
      }
    },
    Seq: (_, seq) => note(seq),
    Scalar: (_, scalar) => {
      note(scalar);
      const message = numberProblem(scalar);
      if (message !== null) tell(scalar, message);
    },
    Alias: (_, alias, ancestors) => {
      const meant = anchors.get(alias.source);
      if (meant === undefined) return;
      targets.set(alias, meant);
      if (!ancestors.includes(meant)) return;
      tell(alias, `*${alias.source} stands within what it refers to; an alias cannot contain itself`);
    },
  });
  return targets;
}

const TWICE = 'names a key twice; each may stand once';

/** Why there is nothing to read: a file without content is more often half-written than meant. */
function missingDocument({ contents }: Document): string | null {
  const isEmpty = contents === null || (isScalar(contents) && contents.value === null);
  if (!isEmpty) return null;
  return (
    'is empty: it holds no section. Where nothing is to run, write "sources: {}"; ' +
    '`headgate init` writes a file to begin with'
  );
}

const MERGE_KEY =
  '"<<" is a merge key, which is not supported; write the fields out, or give a whole value by an ' +
  'alias (*name)';

const LEADING_ZERO =
  'begins with a zero: some programs take it for octal; remove the zero, or put it in quotes where it ' +
  'is text';

function keyProblem(key: unknown): string | null {
  if (key === '__proto__') return 'no key may be called __proto__';
  if (key !== '<<') return null;
  return MERGE_KEY;
}

/** Numbers that are read otherwise by other programs, or that a number cannot hold. */
function numberProblem({ value, source, type }: Scalar): string | null {
  if (typeof value !== 'number' || type !== 'PLAIN' || source === undefined) return null;
  if (/^[-+]?0\d/.test(source)) {
    return LEADING_ZERO;
  }
  if (!Number.isFinite(value)) return 'must be a finite number';
  const isWhole = /^[-+]?\d+$|^0[xo]/.test(source);
  if (!isWhole || Number.isSafeInteger(value)) return null;
  return 'has more digits than a number can hold (2^53); put it in quotes where it is text';
}

/** Characters that no text of a configuration has: it is another kind of file, or damaged. */
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/;

/** Problems with the characters of a text, whatever its content. */
function characterProblem(text: string): TextProblem | null {
  const at = CONTROL.exec(text);
  if (at === null) return null;
  const before = text.slice(0, at.index).split(/\r\n|[\r\n]/);
  const place = { line: before.length, column: (before.at(-1) ?? '').length + 1 };
  const code = (at[0].codePointAt(0) ?? 0).toString(16).padStart(2, '0');
  return { place, message: `holds the control character 0x${code}; it must be UTF-8 text` };
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
    if (message.startsWith('Unresolved tag'))
      return [{ offset, message: `${message.split(':')[0]}: tags have no meaning here` }];
    if (isBroken) return [];
    isBroken = true;
    const advice = text[offset - 1] === '$' ? '; within { } or [ ] a ${…} needs quotes around it' : '';
    // What stands there is left out: it may be a secret.
    return [{ offset, message: `is no YAML: ${message.replace(/: ".*$/su, '')}${advice}` }];
  });
}

const SEVERAL =
  'holds more than one document; a configuration is one: remove the line "---", or split the file';

/** Where the line `---` stands that begins the document whose content is at `offset`. */
function documentStart(text: string, offset: number): number {
  const lineStart = text.lastIndexOf('\n---', offset);
  return text.startsWith('---', offset) || lineStart < 0 ? offset : lineStart + 1;
}
