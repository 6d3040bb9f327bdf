/** Records' data as JSON text and back, without a change on the way.
 *
 *  `JSON.stringify` writes what JSON cannot say as `null`, `{}` or not at all; `JSON.parse` rounds
 *  integers beyond 2^53. Here such values are refused, and such integers keep their digits: they are
 *  `bigint`.
 *
 *  What has a representation: strings, also with half a surrogate pair (as an escape), finite numbers,
 *  `-0` included, bigints (their digits), booleans, null, arrays without holes, plain objects by their
 *  enumerable own properties, valid dates (ISO 8601, UTC, as text), bytes (`{ "base64": "…" }`). A number
 *  that is a whole one beyond 2^53 is written with an exponent, so that it is read as the number it was. */

import { HeadgateError, messageOf } from './errors.ts';

/** Arrays and objects within each other. */
export const JSON_DEPTH_MAX = 1_000;

/** Values that are looked at before a structure counts as too large: parts may be used in it again and
 *  again. */
const VALUES_MAX = 2 ** 24;

/** On the prototype of a class of the engine's own whose instances are data: they are written as plain
 *  objects. */
export const PLAIN_DATA: unique symbol = Symbol.for('headgate.plainData');

/** The value as JSON text. `valuesMax`: how many values it may hold; each takes a character at least.
 *  @throws HeadgateError HG_RECORD_UNSTORABLE that names the place; HG_RECORD_TOO_LARGE. */
export function writeJson(value: unknown, valuesMax: number = VALUES_MAX): string {
  try {
    valuesLeft = valuesMax;
    if (isNative(value, 0)) return JSON.stringify(value);
    valuesLeft = valuesMax;
    return textOf(value, []);
  } catch (error) {
    if (error instanceof HeadgateError) throw error;
    throw unstorable(`its data cannot be written as JSON: ${messageOf(error)}`);
  }
}

/** Whether `JSON.stringify` writes the value without a change, and `JSON.parse` reads the same value again.
 *  Throws what a getter of the value throws. */
export function isNativeJson(value: unknown): boolean {
  valuesLeft = VALUES_MAX;
  return isNative(value, 0);
}

/** The value of a JSON text that {@link writeJson} or another program wrote. Integers beyond 2^53 are
 *  `bigint`. Throws a SyntaxError where it is no JSON. Numbers beyond the range of a double are Infinity. */
export function readJson(text: string): unknown {
  return mayHoldLongInteger(text) ? JSON.parse(text, exactly) : JSON.parse(text);
}

/** Of the value that is being written: nothing else runs meanwhile. */
let valuesLeft = 0;

/** Whether `JSON.stringify` writes it without a change. This is the hot path: most values are of this kind,
 *  and most of their parts are leaves, which cost no call. */
function isNative(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return isNativeLeaf(value);
  if (depth === JSON_DEPTH_MAX) return false;
  if (Array.isArray(value)) return isNativeList(value, depth);
  if (!isPlain(value)) return false;
  let keys = 0;
  for (const key in value) {
    const part = (value as Record<string, unknown>)[key];
    if (typeof part !== 'string' && !isNativePart(part, depth)) return false;
    keys++;
  }
  count(keys);
  return true;
}

function isNativeList(list: readonly unknown[], depth: number): boolean {
  count(list.length);
  for (let index = 0; index < list.length; index++) {
    const part = list[index];
    if (typeof part !== 'string' && !isNativePart(part, depth)) return false;
  }
  return !('toJSON' in list);
}

function isNativePart(part: unknown, depth: number): boolean {
  return typeof part === 'object' && part !== null ? isNative(part, depth + 1) : isNativeLeaf(part);
}

function isNativeLeaf(value: unknown): boolean {
  if (typeof value === 'number') return value === 0 ? 1 / value > 0 : value >= -MAX_SAFE && value <= MAX_SAFE;
  return typeof value === 'string' || typeof value === 'boolean' || value === null;
}

const MAX_SAFE = Number.MAX_SAFE_INTEGER;

/** A structure in which parts are used again and again can say more than any memory holds. */
function count(values: number): void {
  valuesLeft -= values;
  if (valuesLeft < 0) throw new HeadgateError('HG_RECORD_TOO_LARGE', 'its data holds too many values');
}

/** Whether it is an object of properties, of whatever realm. */
export function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (prototype === Object.prototype || prototype === null) return true;
  return Object.getPrototypeOf(prototype) === null || PLAIN_DATA in value;
}

/** Where in the data it is; grows and shrinks on the way. */
type Path = (string | number)[];

function textOf(value: unknown, path: Path): string {
  count(1);
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return JSON.stringify(value);
    case 'number':
      return numberText(value, path);
    case 'bigint':
      return bigintText(value, path);
    case 'object':
      return value === null ? 'null' : objectText(value, path);
    case 'undefined':
      throw refused(path, 'undefined; leave it out, or use null');
    default:
      throw refused(path, `a ${typeof value}`);
  }
}

function numberText(value: number, path: Path): string {
  if (!Number.isFinite(value)) throw refused(path, String(value));
  if (value === 0) return 1 / value < 0 ? '-0' : '0';
  return Math.abs(value) > MAX_SAFE ? value.toExponential() : String(value);
}

/** As many digits as a double has room for: longer ones are refused where they come in as text, too. */
const BIGINT_MAX = 2n ** 1_024n;

function bigintText(value: bigint, path: Path): string {
  if (value >= BIGINT_MAX || value <= -BIGINT_MAX) throw refused(path, 'a bigint of more than 308 digits');
  return String(value);
}

function objectText(value: object, path: Path): string {
  if (value instanceof Date) return dateText(value, path);
  if (value instanceof Uint8Array) return `{"base64":"${Buffer.from(value).toString('base64')}"}`;
  if (path.length === JSON_DEPTH_MAX) {
    throw unstorable(`its data is nested deeper than ${JSON_DEPTH_MAX} levels, or within itself`);
  }
  if (Array.isArray(value) && !('toJSON' in value)) {
    return `[${Array.from(value, (part: unknown, index) => partText(part, index, path)).join(',')}]`;
  }
  if (Array.isArray(value) || !isPlain(value)) throw refused(path, kindOf(value));
  const members = Object.keys(value).map((key) => {
    const part = (value as Record<string, unknown>)[key];
    return `${JSON.stringify(key)}:${partText(part, key, path)}`;
  });
  return `{${members.join(',')}}`;
}

function partText(part: unknown, step: string | number, path: Path): string {
  path.push(step);
  const text = textOf(part, path);
  path.pop();
  return text;
}

function dateText(value: Date, path: Path): string {
  if (Number.isNaN(Date.prototype.getTime.call(value))) throw refused(path, 'an invalid date');
  return JSON.stringify(Date.prototype.toISOString.call(value));
}

function kindOf(value: object): string {
  const { constructor } = value as { constructor?: unknown };
  const name = typeof constructor === 'function' && constructor.name !== '' ? constructor.name : 'a class';
  return `an instance of ${name}`;
}

const PATH_CHARS_MAX = 100;

function refused(path: Path, what: string): HeadgateError {
  const steps = path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`)).join('');
  const place = steps.length > PATH_CHARS_MAX ? `${steps.slice(0, PATH_CHARS_MAX)}…` : steps;
  return unstorable(`data${place} is ${what}: JSON has no word for it`);
}

function unstorable(message: string): HeadgateError {
  return new HeadgateError('HG_RECORD_UNSTORABLE', message);
}

/** Digits from which on an integer may lie beyond 2^53. */
const LONG_DIGITS = 16;

/** Digits that every whole double has room for. */
const DIGITS_OF_DOUBLES = 300;

const POINT = 0x2e;
const QUOTE = 0x22;

/** Whether the text may hold an integer of so many digits; also with an exponent, or a point and zeros.
 *  So many characters in a row cover a place that is a multiple of their number: only those are looked
 *  at. */
export function mayHoldLongInteger(text: string): boolean {
  for (let place = LONG_DIGITS - 1; place < text.length; place += LONG_DIGITS) {
    if (isDigitOrPoint(text.charCodeAt(place)) && isInLongInteger(text, place)) return true;
  }
  return false;
}

function isInLongInteger(text: string, place: number): boolean {
  let from = place;
  while (isDigitOrPoint(text.charCodeAt(from - 1))) from--;
  // A text of digits, as many keep their ids.
  if (text.charCodeAt(from - 1) === QUOTE) return false;
  let to = place + 1;
  while (isDigitOrPoint(text.charCodeAt(to))) to++;
  return to - from >= LONG_DIGITS && isWhole(text, from, to);
}

/** Whether the number may be whole: without a fraction, with an exponent, or beyond all doubles. */
function isWhole(text: string, from: number, to: number): boolean {
  const point = text.indexOf('.', from);
  if (point < 0 || point >= to || point - from > DIGITS_OF_DOUBLES) return true;
  if ((text.charCodeAt(to) | 0x20) === 0x65) return true;
  for (let place = point + 1; place < to; place++) if (text[place] !== '0') return false;
  return true;
}

function isDigitOrPoint(unit: number): boolean {
  return (unit >= 0x30 && unit <= 0x39) || unit === POINT;
}

/** A reviver that takes integers from their digits. */
function exactly(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  const source = context?.source;
  if (typeof value !== 'number' || source === undefined) return value;
  if (Number.isSafeInteger(value) || !Number.isInteger(value)) return value;
  return exactInteger(source, value);
}

const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/** The integer that a literal beyond 2^53 stands for: a bigint where its digits say so, or where the double
 *  has lost some of them; a number where it was written with a point or an exponent and lost none. */
function exactInteger(literal: string, value: number): number | bigint {
  const parts = NUMBER.exec(literal);
  if (parts === null) return value;
  const [, sign = '', whole = '', fraction = '', exponent = ''] = parts;
  if (fraction === '' && exponent === '') return BigInt(literal);
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  const significant = digits.replace(/0+$/, '');
  const zeros = digits.length - significant.length + Number(exponent) - fraction.length;
  const [mantissa = ''] = Math.abs(value).toExponential().split('e');
  if (zeros < 0 || mantissa.replace('.', '') === significant) return value;
  return BigInt(`${sign}${significant}${'0'.repeat(zeros)}`);
}
