/** Equality, order and membership. Numbers of all kinds are compared by their value. */

import { charge, chargeChars, chargeKeys } from './budget.ts';
import {
  adopt,
  CelType,
  CelValue,
  Duration,
  entryOf,
  EvaluationError,
  fieldOf,
  keysOf,
  kindOf,
  Optional,
  Timestamp,
  Uint,
} from './values.ts';

/** Values of different kinds are not equal, and never an error. */
export function equals(left: unknown, right: unknown): boolean {
  switch (typeof left) {
    case 'string':
      return typeof right === 'string' && sameText(left, right);
    case 'number':
    case 'bigint':
      return sameNumber(left, right);
    case 'object':
      if (left === null || right === null || typeof right !== 'object') {
        return left instanceof Uint ? sameNumber(left, right) : left === right;
      }
      return sameObject(left, right);
    default:
      return left === right;
  }
}

function sameText(left: string, right: string): boolean {
  if (left.length !== right.length) return false;
  chargeChars(left.length);
  return left === right;
}

function sameNumber(left: unknown, right: unknown): boolean {
  const [one, other] = [numberOf(left), numberOf(right)];
  // oxlint-disable-next-line eslint/eqeqeq -- compares a bigint with a number by value
  return one !== undefined && other !== undefined && one == other;
}

function numberOf(value: unknown): number | bigint | undefined {
  if (typeof value === 'number' || typeof value === 'bigint') return value;
  return value instanceof Uint ? value.value : undefined;
}

function sameObject(left: object, right: object): boolean {
  charge(1);
  if (left === right && !(Array.isArray(left) || kindOf(left) === 'map')) return true;
  if (Array.isArray(left)) return Array.isArray(right) && sameList(left, right);
  if (left instanceof Uint8Array) return right instanceof Uint8Array && sameBytes(left, right);
  if (left instanceof CelValue) return sameValue(left, right);
  return kindOf(right) === 'map' && sameMap(left, right);
}

function sameList(left: readonly unknown[], right: readonly unknown[]): boolean {
  if (left.length !== right.length) return false;
  charge(left.length);
  return left.every((value, index) => equals(adopt(value), adopt(right[index])));
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  chargeChars(left.length);
  return Buffer.compare(left, right) === 0;
}

function sameMap(left: object, right: object): boolean {
  const keys = keysOf(left);
  chargeKeys(keys.length);
  const others = keysOf(right);
  chargeKeys(others.length);
  if (keys.length !== others.length) return false;
  return keys.every((key) => {
    const other = entryOf(right, key);
    return other !== undefined && equals(entryOf(left, key), other);
  });
}

function sameValue(left: CelValue, right: object): boolean {
  if (left instanceof Uint) return sameNumber(left, right);
  if (left instanceof Timestamp) return right instanceof Timestamp && left.nanos === right.nanos;
  if (left instanceof Duration) return right instanceof Duration && left.nanos === right.nanos;
  if (left instanceof CelType) return right instanceof CelType && left.name === right.name;
  if (!(left instanceof Optional && right instanceof Optional)) return false;
  if (left.value === undefined || right.value === undefined) return left.value === right.value;
  return equals(left.value, right.value);
}

/** Below, at and above 0 as `left` comes before, with and after `right`; NaN where one of them is none.
 *  @throws EvaluationError where they have no order */
export function compare(left: unknown, right: unknown): number {
  const [one, other] = [numberOf(left), numberOf(right)];
  if (one !== undefined && other !== undefined) return order(one, other);
  const kind = kindOf(left);
  if (kind === kindOf(right)) {
    switch (kind) {
      case 'string':
        return compareTexts(left as string, right as string);
      case 'bool':
        return Number(left) - Number(right);
      case 'bytes':
        chargeChars(Math.min((left as Uint8Array).length, (right as Uint8Array).length));
        return Buffer.compare(left as Uint8Array, right as Uint8Array);
      case 'timestamp':
      case 'duration':
        return order((left as Timestamp).nanos, (right as Timestamp).nanos);
      default:
    }
  }
  throw new EvaluationError(`no such overload: ${kind} has no order with ${kindOf(right)}`);
}

function order(one: number | bigint, other: number | bigint): number {
  if (one < other) return -1;
  if (one > other) return 1;
  // oxlint-disable-next-line eslint/eqeqeq -- compares a bigint with a number by value
  return one == other ? 0 : Number.NaN;
}

const SURROGATE_FIRST = 0xd8_00;
const SURROGATE_LAST = 0xdf_ff;

/** By code points, as UTF-8 orders them. */
function compareTexts(left: string, right: string): number {
  chargeChars(Math.min(left.length, right.length));
  if (left === right) return 0;
  const isBefore = left < right;
  let at = 0;
  while (at < left.length && left.charCodeAt(at) === right.charCodeAt(at)) at++;
  const [one, other] = [left.charCodeAt(at), right.charCodeAt(at)];
  const isSplit = (unit: number) => unit >= SURROGATE_FIRST && unit <= SURROGATE_LAST;
  // A surrogate stands for a character above all those of one unit.
  if (isSplit(one) !== isSplit(other) && Math.min(one, other) >= SURROGATE_FIRST)
    return isSplit(one) ? 1 : -1;
  return isBefore ? -1 : 1;
}

/** `value in container`. @throws EvaluationError where the container is neither a list nor a map */
export function contains(container: unknown, value: unknown): boolean {
  if (Array.isArray(container)) {
    charge(container.length);
    return container.some((item) => equals(adopt(item), value));
  }
  if (kindOf(container) !== 'map') {
    throw new EvaluationError(`no such overload: ${kindOf(value)} in ${kindOf(container)}`);
  }
  const map = container as object;
  return (typeof value === 'string' ? fieldOf(map, value) : entryOf(map, value)) !== undefined;
}
