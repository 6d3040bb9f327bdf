/** Arithmetic of CEL, with one addition: an integer goes with a double, because every number of JSON is a
 *  double and whole numbers are written without a point. The result of such a pair is a double. Where the
 *  integer is too large for a double and the double is whole, it is an exact integer. */

import { charge, chargeChars } from './budget.ts';
import type { ArithmeticOperator } from './syntax.ts';
import {
  checkedInt,
  checkedUint,
  Duration,
  EvaluationError,
  kindOf,
  Timestamp,
  Uint,
  type Kind,
} from './values.ts';

type Binary = (left: unknown, right: unknown) => unknown;

const ON_DOUBLES: Readonly<Record<ArithmeticOperator, (left: number, right: number) => number>> = {
  '+': (left, right) => left + right,
  '-': (left, right) => left - right,
  '*': (left, right) => left * right,
  '/': (left, right) => left / right,
  '%': (left, right) => left % right,
};

const ON_INTS: Readonly<Record<ArithmeticOperator, (left: bigint, right: bigint) => bigint>> = {
  '+': (left, right) => left + right,
  '-': (left, right) => left - right,
  '*': (left, right) => left * right,
  '/': (left, right) => left / notZero(right, 'division'),
  '%': (left, right) => left % notZero(right, 'modulus'),
};

function notZero(divisor: bigint, operation: string): bigint {
  if (divisor === 0n) throw new EvaluationError(`${operation} by zero`);
  return divisor;
}

/** The operation on operands of any kind. @throws EvaluationError */
export function arithmetic(operator: ArithmeticOperator): Binary {
  const [onDoubles, onInts] = [ON_DOUBLES[operator], ON_INTS[operator]];
  const mixed = (int: bigint, double: number, swapped: boolean): unknown => {
    if (!isExactDouble(int) && Number.isSafeInteger(double)) {
      const whole = BigInt(double);
      return checkedInt(swapped ? onInts(whole, int) : onInts(int, whole));
    }
    return swapped ? onDoubles(double, Number(int)) : onDoubles(Number(int), double);
  };
  return (left, right) => {
    if (typeof left === 'number') {
      if (typeof right === 'number') return onDoubles(left, right);
      if (typeof right === 'bigint') return mixed(right, left, true);
    } else if (typeof left === 'bigint') {
      if (typeof right === 'bigint') return checkedInt(onInts(left, right));
      if (typeof right === 'number') return mixed(left, right, false);
    } else if (left instanceof Uint && right instanceof Uint) {
      return checkedUint(onInts(left.value, right.value));
    } else if (operator === '+') {
      const made = joined(left, right);
      if (made !== undefined) return made;
    }
    const made = operator === '+' || operator === '-' ? onTimes(left, right, operator) : undefined;
    if (made !== undefined) return made;
    throw new EvaluationError(`no such overload: ${kindOf(left)} ${operator} ${kindOf(right)}`);
  };
}

function isExactDouble(int: bigint): boolean {
  return int <= BigInt(Number.MAX_SAFE_INTEGER) && int >= BigInt(Number.MIN_SAFE_INTEGER);
}

function joined(left: unknown, right: unknown): unknown {
  if (typeof left === 'string' && typeof right === 'string') {
    chargeChars(left.length + right.length);
    return left + right;
  }
  if (Array.isArray(left) && Array.isArray(right)) {
    charge(left.length + right.length);
    return left.concat(right);
  }
  if (left instanceof Uint8Array && right instanceof Uint8Array) {
    chargeChars(left.length + right.length);
    const made = new Uint8Array(left.length + right.length);
    made.set(left);
    made.set(right, left.length);
    return made;
  }
  return undefined;
}

function onTimes(left: unknown, right: unknown, operator: '+' | '-'): unknown {
  const sign = operator === '+' ? 1n : -1n;
  if (right instanceof Duration) {
    if (left instanceof Duration) return checkedDuration(left.nanos + sign * right.nanos);
    if (left instanceof Timestamp) return checkedTimestamp(left.nanos + sign * right.nanos);
  }
  if (!(right instanceof Timestamp)) return undefined;
  if (left instanceof Timestamp && operator === '-') return checkedDuration(left.nanos - right.nanos);
  return left instanceof Duration && operator === '+'
    ? checkedTimestamp(left.nanos + right.nanos)
    : undefined;
}

/** From the year 1 to the year 9999. */
const TIMESTAMP_NANOS_MIN = -62_135_596_800_000_000_000n;
const TIMESTAMP_NANOS_MAX = 253_402_300_799_999_999_999n;

/** @throws EvaluationError outside the years 1 to 9999 */
export function checkedTimestamp(nanos: bigint): Timestamp {
  if (nanos >= TIMESTAMP_NANOS_MIN && nanos <= TIMESTAMP_NANOS_MAX) return new Timestamp(nanos);
  throw new EvaluationError('the timestamp is out of range: it must lie in the years 1 to 9999');
}

/** @throws EvaluationError where it takes more than 64 bits of nanoseconds */
export function checkedDuration(nanos: bigint): Duration {
  if (BigInt.asIntN(64, nanos) === nanos) return new Duration(nanos);
  throw new EvaluationError('the duration is out of range: it must be shorter than 292 years');
}

/** @throws EvaluationError where it is no number */
export function negate(value: unknown): unknown {
  if (typeof value === 'number') return -value;
  if (typeof value === 'bigint') return checkedInt(-value);
  throw new EvaluationError(`no such overload: -${kindOf(value)}`);
}

const NUMBERS: ReadonlySet<Kind> = new Set<Kind>(['int', 'double']);
const JOINABLE: ReadonlySet<Kind> = new Set<Kind>(['string', 'list', 'bytes']);

/** The kind of a result, as far as the kinds of the operands tell it; null where no operand of these kinds
 *  can be had. */
export function arithmeticKind(
  operator: ArithmeticOperator,
  left: Kind | 'dyn',
  right: Kind | 'dyn',
): Kind | 'dyn' | null {
  if (left === 'dyn' || right === 'dyn') return 'dyn';
  if (NUMBERS.has(left) && NUMBERS.has(right)) return left === right ? left : 'double';
  if (left === 'uint' && right === 'uint') return 'uint';
  if (operator === '+' && left === right && JOINABLE.has(left)) return left;
  if (operator !== '+' && operator !== '-') return null;
  if (right === 'duration') return left === 'duration' || left === 'timestamp' ? left : null;
  if (right !== 'timestamp') return null;
  if (left === 'timestamp') return operator === '-' ? 'duration' : null;
  return left === 'duration' && operator === '+' ? 'timestamp' : null;
}
