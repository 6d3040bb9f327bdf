/** `format` and `quote` of the strings extension of CEL. */

import { charge, chargeChars, chargeKeys } from './budget.ts';
import { textOfDouble, textOfDuration, textOfTimestamp } from './conversions.ts';
import {
  adopt,
  type CelType,
  type Duration,
  entryOf,
  EvaluationError,
  keysOf,
  kindOf,
  type Optional,
  type Timestamp,
  Uint,
} from './values.ts';

const CLAUSE = /%(?:%|(?:\.(\d{1,3}))?([a-zA-Z])|)/g;
const PRECISION = 6;
const PRECISION_MAX = 100;

/** `%s`, `%d`, `%f`, `%e`, `%b`, `%o`, `%x`, `%X`, `%%`; `%.2f` with a precision.
 *  @throws EvaluationError where template and arguments do not go together */
export function format(template: string, args: readonly unknown[]): string {
  chargeChars(template.length);
  let next = 0;
  const made = template.replace(CLAUSE, (clause, digits: string | undefined, verb: string | undefined) => {
    if (clause === '%%') return '%';
    if (verb === undefined) throw new EvaluationError('format: a "%" without a letter; write "%%" for a "%"');
    if (next >= args.length) throw new EvaluationError(`format: index ${next} out of range`);
    const arg = adopt(args[next++]);
    const text = formatted(verb, arg, digits === undefined ? PRECISION : Number(digits));
    charge(1);
    chargeChars(text.length);
    return text;
  });
  chargeChars(made.length);
  return made;
}

function formatted(verb: string, arg: unknown, precision: number): string {
  switch (verb) {
    case 's':
      return shownValue(arg);
    case 'd':
      return decimal(arg);
    case 'f':
    case 'e':
      return floating(verb, arg, precision);
    case 'b':
      if (typeof arg === 'boolean') return arg ? '1' : '0';
      return radix(verb, arg, 2);
    case 'o':
      return radix(verb, arg, 8);
    case 'x':
    case 'X': {
      const text = hex(verb, arg);
      return verb === 'x' ? text : text.toUpperCase();
    }
    default:
      throw new EvaluationError(`format: there is no "%${verb}"`);
  }
}

function misfit(verb: string, arg: unknown): EvaluationError {
  return new EvaluationError(`format: "%${verb}" takes no ${kindOf(arg)}`);
}

function decimal(arg: unknown): string {
  const whole = wholeOf(arg);
  if (whole !== undefined) return String(whole);
  if (typeof arg === 'number') return Number.isFinite(arg) ? textOfDouble(arg) : infinite(arg);
  throw misfit('d', arg);
}

/** The integer that a value is; a whole number of a record is one. */
function wholeOf(arg: unknown): bigint | undefined {
  if (typeof arg === 'bigint') return arg;
  if (arg instanceof Uint) return arg.value;
  return Number.isSafeInteger(arg) ? BigInt(arg as number) : undefined;
}

function floating(verb: 'f' | 'e', arg: unknown, precision: number): string {
  const value = arg instanceof Uint ? Number(arg.value) : typeof arg === 'bigint' ? Number(arg) : arg;
  if (typeof value !== 'number') throw misfit(verb, arg);
  if (precision > PRECISION_MAX) {
    throw new EvaluationError(`format: a precision of ${precision} is too large`);
  }
  if (!Number.isFinite(value)) return infinite(value);
  if (verb === 'f') return toFixedExactly(value, precision);
  return value.toExponential(precision).replace(/e([+-])(\d)$/, 'e$10$2');
}

const FIXED_MAX = 1e21;

/** `toFixed` writes numbers from 1e21 on with an exponent. */
function toFixedExactly(value: number, precision: number): string {
  if (Math.abs(value) < FIXED_MAX) return halfToEven(value, precision);
  const fraction = precision === 0 ? '' : `.${'0'.repeat(precision)}`;
  return `${BigInt(value)}${fraction}`;
}

/** Digits that a double with a tie at the last place shown can still have. */
const TIE_DIGITS = 20;

/** `toFixed` rounds a tie up; CEL rounds it to the even digit. */
function halfToEven(value: number, precision: number): string {
  const rounded = value.toFixed(precision);
  const exact = value.toFixed(Math.min(PRECISION_MAX, precision + TIE_DIGITS));
  const cut = exact.slice(0, exact.indexOf('.') + (precision === 0 ? 0 : precision + 1));
  const isTie = /^\.?50*$/.test(exact.slice(cut.length));
  return isTie && /[02468]$/.test(cut) ? cut : rounded;
}

function infinite(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  return value > 0 ? 'Infinity' : '-Infinity';
}

function radix(verb: string, arg: unknown, base: number): string {
  const whole = wholeOf(arg);
  if (whole === undefined) throw misfit(verb, arg);
  return whole.toString(base);
}

function hex(verb: string, arg: unknown): string {
  if (typeof arg === 'string') return Buffer.from(checked(arg)).toString('hex');
  if (arg instanceof Uint8Array) return Buffer.from(checked(arg)).toString('hex');
  return radix(verb, arg, 16);
}

function checked<Value extends string | Uint8Array>(value: Value): Value {
  charge(value.length / 4);
  return value;
}

/** A value as `%s` writes it. */
function shownValue(value: unknown): string {
  charge(2);
  switch (kindOf(value)) {
    case 'string':
      chargeChars((value as string).length);
      return value as string;
    case 'double':
      return Number.isFinite(value) ? textOfDouble(value as number) : infinite(value as number);
    case 'bytes':
      charge((value as Uint8Array).length / 4);
      return Buffer.from(value as Uint8Array).toString();
    case 'uint':
      return String((value as Uint).value);
    case 'timestamp':
      return textOfTimestamp(value as Timestamp);
    case 'duration':
      return textOfDuration(value as Duration);
    case 'type':
      return (value as CelType).name;
    case 'optional': {
      const { value: inner } = value as Optional;
      return inner === undefined ? 'optional.none()' : `optional.of(${shownValue(inner)})`;
    }
    case 'list':
      return `[${(value as readonly unknown[]).map((item) => shownValue(adopt(item))).join(', ')}]`;
    case 'map':
      return shownMap(value as object);
    default:
      return String(value);
  }
}

function shownMap(map: object): string {
  const keys = keysOf(map);
  chargeKeys(keys.length);
  const entries = keys.map((key): [string, string] => [shownValue(key), shownValue(entryOf(map, key))]);
  entries.sort(([one], [other]) => (one < other ? -1 : Number(one > other)));
  return `{${entries.map(([key, value]) => `${key}: ${value}`).join(', ')}}`;
}

const QUOTED: Readonly<Record<string, string>> = {
  ...{ '\x07': '\\a', '\b': '\\b', '\f': '\\f', '\n': '\\n', '\r': '\\r', '\t': '\\t', '\v': '\\v' },
  ...{ '\\': '\\\\', '"': '\\"' },
};

export function quote(text: string): string {
  charge(text.length / 4);
  const safe = text.toWellFormed();
  return `"${safe.replace(/[\x07\b\f\n\r\t\v\\"]/g, (character) => QUOTED[character] as string)}"`;
}
