/** Functions of texts. Places and lengths count characters (code points), as CEL demands. */

import { RE2JS } from 're2js';
import { LIMITS } from '../../../domain/limits.ts';
import { charge, chargeChars } from './budget.ts';
import { charactersOf, hasPairs, placeOf, STEPS_A_CHARACTER, unitAt } from './characters.ts';
import { format, quote } from './format.ts';
import { overload, type Overload } from './overloads.ts';
import { indexOf, lastIndexOf, placesOf } from './search.ts';
import { adopt, EvaluationError, kindOf } from './values.ts';

function charAt(text: string, place: bigint): string {
  const isPaired = hasPairs(text);
  const unit = unitAt(text, place, isPaired);
  const point = text.codePointAt(unit);
  return point === undefined ? '' : String.fromCodePoint(point);
}

function substring(text: string, from: bigint, to?: bigint): string {
  const isPaired = hasPairs(text);
  const first = unitAt(text, from, isPaired);
  if (to === undefined) return text.slice(first);
  if (to < from) throw new EvaluationError(`invalid substring range: it ends at ${to}, before ${from}`);
  return text.slice(first, unitAt(text, to, isPaired));
}

function find(text: string, needle: string, from?: bigint): bigint {
  if (from === undefined) return placeOf(text, indexOf(text, needle));
  return placeOf(text, indexOf(text, needle, unitAt(text, from, hasPairs(text))));
}

function findLast(text: string, needle: string, from?: bigint): bigint {
  if (from === undefined) return placeOf(text, lastIndexOf(text, needle));
  return placeOf(text, lastIndexOf(text, needle, unitAt(text, from, hasPairs(text))));
}

/** Without a limit, or with a negative one, all pieces; the last piece of a limited number holds the rest. */
function split(text: string, separator: string, limit = -1n): string[] {
  if (limit === 0n) return [];
  if (limit === 1n) return [text];
  const piecesMax = limit < 0n ? Number.POSITIVE_INFINITY : Number(limit);
  if (separator === '') {
    const characters = charactersOf(text);
    if (characters.length <= piecesMax) return characters;
    return [...characters.slice(0, piecesMax - 1), characters.slice(piecesMax - 1).join('')];
  }
  const pieces: string[] = [];
  let from = 0;
  for (const place of placesOf(text, separator, piecesMax - 1)) {
    pieces.push(text.slice(from, place));
    from = place + separator.length;
  }
  pieces.push(text.slice(from));
  return pieces;
}

function replace(text: string, from: string, to: string, limit = -1n): string {
  if (limit === 0n) return text;
  const timesMax = limit < 0n ? Number.POSITIVE_INFINITY : Number(limit);
  const pieces = from === '' ? spread(text, timesMax) : split(text, from, limit < 0n ? limit : limit + 1n);
  return joined(pieces, to);
}

/** Pieces between which a replacement of the empty text stands: before, between and after all characters. */
function spread(text: string, timesMax: number): string[] {
  const pieces = ['', ...charactersOf(text), ''];
  if (pieces.length - 1 <= timesMax) return pieces;
  return [...pieces.slice(0, timesMax), pieces.slice(timesMax).join('')];
}

function joined(pieces: readonly string[], separator: string): string {
  let chars = separator.length * Math.max(0, pieces.length - 1);
  for (const piece of pieces) chars += piece.length;
  charge(pieces.length);
  chargeChars(chars);
  return pieces.join(separator);
}

function join(list: readonly unknown[], separator = ''): string {
  charge(list.length);
  const pieces = list.map((item) => {
    const piece = adopt(item);
    if (typeof piece === 'string') return piece;
    throw new EvaluationError(`join takes a list of texts, and one of its elements is ${kindOf(piece)}`);
  });
  return joined(pieces, separator);
}

function changeCase(pattern: RegExp, change: (letters: string) => string): (text: string) => string {
  return (text) => {
    charge(text.length * STEPS_A_CHARACTER);
    return text.replace(pattern, change);
  };
}

/** White space of Unicode. `trim` of JavaScript takes other characters. */
const SPACE = /^\p{White_Space}$/u;
const BLANK = ' ';

function isSpace(character: string | undefined): boolean {
  return character === BLANK || SPACE.test(character ?? '');
}

function trim(text: string): string {
  let from = 0;
  let to = text.length;
  while (from < to && isSpace(text[from])) from++;
  while (to > from && isSpace(text[to - 1])) to--;
  charge((from + text.length - to) * STEPS_A_CHARACTER);
  return text.slice(from, to);
}

/** Compiled patterns. Where there are too many, all go, and those still used are compiled again. */
const patterns = new Map<string, RE2JS>();
const PATTERNS_MAX = 1_000;

/** @throws Error where the text is no pattern of RE2 */
export function patternOf(text: string): RE2JS {
  const known = patterns.get(text);
  if (known !== undefined) return known;
  if (patterns.size >= PATTERNS_MAX) patterns.clear();
  const made = RE2JS.compile(text);
  patterns.set(text, made);
  return made;
}

/** In the worst case each character is held against all instructions of the pattern. */
const INSTRUCTIONS_A_STEP = 2;

/** The pattern was checked when the expression was read. */
function matches(text: string, pattern: string): boolean {
  if (text.length > LIMITS.matchedCharsMax) {
    throw new EvaluationError(
      `the text is longer than the ${LIMITS.matchedCharsMax} characters that matches takes`,
    );
  }
  const compiled = patternOf(pattern);
  charge((text.length * compiled.programSize()) / INSTRUCTIONS_A_STEP);
  return compiled.test(text);
}

const startsWith = (text: string, start: string) => {
  chargeChars(start.length);
  return text.startsWith(start);
};
const endsWith = (text: string, end: string) => {
  chargeChars(end.length);
  return text.endsWith(end);
};

export const TEXT_FUNCTIONS: Readonly<Record<string, readonly Overload[]>> = {
  '.contains': [
    overload(['string', 'string'], 'bool', (text: string, part: string) => indexOf(text, part) >= 0),
  ],
  '.startsWith': [overload(['string', 'string'], 'bool', startsWith)],
  '.endsWith': [overload(['string', 'string'], 'bool', endsWith)],
  '.matches': [overload(['string', 'string'], 'bool', matches)],
  matches: [overload(['string', 'string'], 'bool', matches)],
  '.charAt': [overload(['string', 'int'], 'string', charAt)],
  '.indexOf': [
    overload(['string', 'string'], 'int', find),
    overload(['string', 'string', 'int'], 'int', find),
  ],
  '.lastIndexOf': [
    overload(['string', 'string'], 'int', findLast),
    overload(['string', 'string', 'int'], 'int', findLast),
  ],
  '.substring': [
    overload(['string', 'int'], 'string', substring),
    overload(['string', 'int', 'int'], 'string', substring),
  ],
  '.split': [
    overload(['string', 'string'], 'list', split),
    overload(['string', 'string', 'int'], 'list', split),
  ],
  '.replace': [
    overload(['string', 'string', 'string'], 'string', replace),
    overload(['string', 'string', 'string', 'int'], 'string', replace),
  ],
  '.join': [overload(['list'], 'string', join), overload(['list', 'string'], 'string', join)],
  '.lowerAscii': [
    overload(
      ['string'],
      'string',
      changeCase(/[A-Z]+/g, (letters) => letters.toLowerCase()),
    ),
  ],
  '.upperAscii': [
    overload(
      ['string'],
      'string',
      changeCase(/[a-z]+/g, (letters) => letters.toUpperCase()),
    ),
  ],
  '.trim': [overload(['string'], 'string', trim)],
  '.reverse': [
    overload(['string'], 'string', (text: string) => charactersOf(text).toReversed().join('')),
    overload(['list'], 'list', (list: readonly unknown[]) => {
      charge(list.length);
      return list.toReversed();
    }),
  ],
  '.format': [overload(['string', 'list'], 'string', format)],
  'strings.quote': [overload(['string'], 'string', quote)],
};
