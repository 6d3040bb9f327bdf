/** Conversions between kinds: `int(x)`, `string(x)`, `timestamp(x)`, … */

import { checkedDuration, checkedTimestamp } from './arithmetic.ts';
import { charge, chargeKeys } from './budget.ts';
import { sizeOfText } from './characters.ts';
import { overload, type Overload } from './overloads.ts';
import {
  checkedInt,
  checkedUint,
  EvaluationError,
  keysOf,
  typeOf,
  Uint,
  type Duration,
  type Timestamp,
} from './values.ts';

const NANOS_A_SECOND = 1_000_000_000n;

function cannot(text: string, kind: string): EvaluationError {
  const shown = text.length > 40 ? `${text.slice(0, 39)}…` : text;
  return new EvaluationError(`cannot convert "${shown}" to ${kind}`);
}

function intOfDouble(value: number): bigint {
  const int = Number.isFinite(value) ? BigInt(Math.trunc(value)) : null;
  // The doubles at both ends are no exact integers of 64 bits.
  if (int !== null && Math.abs(value) < 2 ** 63) return int;
  throw new EvaluationError(`integer overflow: ${value} does not fit into 64 bits`);
}

function uintOfDouble(value: number): Uint {
  if (value >= 0 && value < 2 ** 64) return new Uint(BigInt(Math.trunc(value)));
  throw new EvaluationError(`integer overflow: ${value} does not fit into an unsigned 64-bit integer`);
}

const INT_CHARS_MAX = 20;
const INT = /^[+-]?[0-9]+$/;

function intOfText(text: string): bigint {
  if (text.length > INT_CHARS_MAX || !INT.test(text)) throw cannot(text, 'int');
  return checkedInt(BigInt(text.replace('+', '')));
}

function uintOfText(text: string): Uint {
  if (text.length > INT_CHARS_MAX || !INT.test(text) || text.startsWith('-')) throw cannot(text, 'uint');
  return checkedUint(BigInt(text.replace('+', '')));
}

const DOUBLE = /^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/;
const ENDLESS = /^([+-]?)inf(?:inity)?$/i;

function doubleOfText(text: string): number {
  charge(text.length / 8);
  if (DOUBLE.test(text)) return Number(text);
  const sign = ENDLESS.exec(text)?.[1];
  if (sign !== undefined) return sign === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  if (text.toLowerCase() === 'nan') return Number.NaN;
  throw cannot(text, 'double');
}

const BOOLS = new Map([
  ...['1', 't', 'true', 'TRUE', 'True'].map((text) => [text, true] as const),
  ...['0', 'f', 'false', 'FALSE', 'False'].map((text) => [text, false] as const),
]);

function boolOfText(text: string): boolean {
  const bool = BOOLS.get(text);
  if (bool === undefined) throw cannot(text, 'bool');
  return bool;
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function textOfBytes(bytes: Uint8Array): string {
  charge(bytes.length / 8);
  try {
    return UTF8.decode(bytes);
  } catch {
    throw new EvaluationError('the bytes are not valid UTF-8');
  }
}

function bytesOfText(text: string): Uint8Array {
  charge(text.length / 8);
  return new TextEncoder().encode(text);
}

export function textOfDouble(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value);
}

/** The fraction of a second, as `.123`, without zeros at the end; empty where there is none. */
function fractionOf(nanos: bigint): string {
  if (nanos === 0n) return '';
  const digits = String(nanos).padStart(9, '0');
  let end = digits.length;
  while (digits[end - 1] === '0') end--;
  return `.${digits.slice(0, end)}`;
}

/** To write a moment, or to read one, takes about as long as this many parts. */
const TIME_STEPS = 30;

/** RFC 3339, in UTC, with the fraction of a second that it has. */
export function textOfTimestamp({ nanos }: Timestamp): string {
  charge(TIME_STEPS);
  const seconds = secondsOf(nanos);
  const [date] = new Date(Number(seconds) * 1_000).toISOString().split('.');
  return `${date}${fractionOf(nanos - seconds * NANOS_A_SECOND)}Z`;
}

export function textOfDuration({ nanos }: Duration): string {
  const size = nanos < 0n ? -nanos : nanos;
  const sign = nanos < 0n ? '-' : '';
  return `${sign}${size / NANOS_A_SECOND}${fractionOf(size % NANOS_A_SECOND)}s`;
}

/** Whole seconds since 1970, rounded down. */
export function secondsOf(nanos: bigint): bigint {
  const seconds = nanos / NANOS_A_SECOND;
  return nanos < 0n && seconds * NANOS_A_SECOND !== nanos ? seconds - 1n : seconds;
}

const TIMESTAMP =
  /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;

function timestampOfText(text: string): Timestamp {
  charge(TIME_STEPS);
  const [, year, month, day, hour, minute, second, fraction = '', sign, offsetHours, offsetMinutes] =
    TIMESTAMP.exec(text) ?? [];
  const date = `${year}-${month}-${day}`;
  const ms = Date.parse(`${date}T${hour}:${minute}:${second}Z`);
  // JavaScript takes the 31st of February for the 3rd of March.
  if (Number.isNaN(ms) || !new Date(ms).toISOString().startsWith(date)) {
    throw new EvaluationError(
      `invalid timestamp "${text.slice(0, 40)}"; write it as in "2026-01-31T12:00:00Z"`,
    );
  }
  const offset = (Number(offsetHours ?? 0) * 60 + Number(offsetMinutes ?? 0)) * 60;
  const seconds = BigInt(ms / 1_000 - (sign === '-' ? -offset : offset));
  return checkedTimestamp(seconds * NANOS_A_SECOND + BigInt(fraction.padEnd(9, '0')));
}

const DURATION_CHARS_MAX = 64;
const DURATION = /^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|ms|s|m|h))+$/;
const DURATION_PART = /(\d*)\.?(\d*)(ns|us|µs|ms|s|m|h)/g;
const UNIT_NANOS: Readonly<Record<string, bigint>> = {
  ...{ ns: 1n, us: 1_000n, µs: 1_000n, ms: 1_000_000n },
  ...{ s: NANOS_A_SECOND, m: 60n * NANOS_A_SECOND, h: 3_600n * NANOS_A_SECOND },
};

function durationOfText(text: string): Duration {
  if (text.length > DURATION_CHARS_MAX || !(text === '0' || DURATION.test(text))) {
    const shown = text.slice(0, 40);
    throw new EvaluationError(`invalid duration "${shown}"; write it as in "90s" or "1h30m"`);
  }
  let nanos = 0n;
  for (const [, whole = '', fraction = '', unit = ''] of text.matchAll(DURATION_PART)) {
    const size = UNIT_NANOS[unit] as bigint;
    nanos += BigInt(whole === '' ? '0' : whole) * size;
    if (fraction !== '') nanos += (BigInt(fraction) * size) / 10n ** BigInt(fraction.length);
  }
  return checkedDuration(text.startsWith('-') ? -nanos : nanos);
}

function sizeOfMap(map: object): bigint {
  const keys = keysOf(map);
  chargeKeys(keys.length);
  return BigInt(keys.length);
}

const SIZES: readonly Overload[] = [
  overload(['string'], 'int', sizeOfText),
  overload(['bytes'], 'int', (bytes: Uint8Array) => BigInt(bytes.length)),
  overload(['list'], 'int', (list: readonly unknown[]) => BigInt(list.length)),
  overload(['map'], 'int', sizeOfMap),
];

const same = (value: unknown) => value;

export const CONVERSIONS: Readonly<Record<string, readonly Overload[]>> = {
  size: SIZES,
  '.size': SIZES,
  dyn: [overload(['dyn'], 'dyn', same)],
  type: [overload(['dyn'], 'type', typeOf)],
  bool: [overload(['bool'], 'bool', same), overload(['string'], 'bool', boolOfText)],
  bytes: [overload(['bytes'], 'bytes', same), overload(['string'], 'bytes', bytesOfText)],
  double: [
    overload(['double'], 'double', same),
    overload(['int'], 'double', (value: bigint) => Number(value)),
    overload(['uint'], 'double', ({ value }: Uint) => Number(value)),
    overload(['string'], 'double', doubleOfText),
  ],
  int: [
    overload(['int'], 'int', same),
    overload(['double'], 'int', intOfDouble),
    overload(['uint'], 'int', ({ value }: Uint) => checkedInt(value)),
    overload(['string'], 'int', intOfText),
    overload(['timestamp'], 'int', ({ nanos }: Timestamp) => secondsOf(nanos)),
  ],
  uint: [
    overload(['uint'], 'uint', same),
    overload(['int'], 'uint', checkedUint),
    overload(['double'], 'uint', uintOfDouble),
    overload(['string'], 'uint', uintOfText),
  ],
  string: [
    overload(['string'], 'string', same),
    overload(['bool'], 'string', String),
    overload(['int'], 'string', String),
    overload(['uint'], 'string', ({ value }: Uint) => String(value)),
    overload(['double'], 'string', textOfDouble),
    overload(['bytes'], 'string', textOfBytes),
    overload(['timestamp'], 'string', textOfTimestamp),
    overload(['duration'], 'string', textOfDuration),
  ],
  timestamp: [
    overload(['timestamp'], 'timestamp', same),
    overload(['string'], 'timestamp', timestampOfText),
    overload(['int'], 'timestamp', (seconds: bigint) => checkedTimestamp(seconds * NANOS_A_SECOND)),
  ],
  duration: [
    overload(['duration'], 'duration', same),
    overload(['string'], 'duration', durationOfText),
    overload(['int'], 'duration', (seconds: bigint) => checkedDuration(seconds * NANOS_A_SECOND)),
  ],
  '.string': [overload(['bytes'], 'string', textOfBytes)],
  '.hex': [overload(['bytes'], 'string', (bytes: Uint8Array) => encoded(bytes, 'hex'))],
  '.base64': [overload(['bytes'], 'string', (bytes: Uint8Array) => encoded(bytes, 'base64'))],
  'base64.encode': [overload(['bytes'], 'string', (bytes: Uint8Array) => encoded(bytes, 'base64'))],
  'base64.decode': [overload(['string'], 'bytes', bytesOfBase64)],
  '.at': [overload(['bytes', 'int'], 'int', byteAt)],
};

function encoded(bytes: Uint8Array, encoding: 'hex' | 'base64'): string {
  charge(bytes.length / 8);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString(encoding);
}

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

function bytesOfBase64(text: string): Uint8Array {
  charge(text.length / 8);
  if (!BASE64.test(text)) throw new EvaluationError('the text is not valid Base64');
  return new Uint8Array(Buffer.from(text, 'base64'));
}

function byteAt(bytes: Uint8Array, place: bigint): bigint {
  const byte = bytes[Number(place)];
  if (byte === undefined) throw new EvaluationError(`index out of range: ${place}`);
  return BigInt(byte);
}
