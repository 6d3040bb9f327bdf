/** JSON from unknown hands. What the rest of the engine could not write down again is refused here:
 *  nesting so deep that JSON.stringify would overflow the stack, and numbers so large that they become
 *  Infinity and then null. Integers beyond 2^53 keep their digits: they are `bigint`. A key `__proto__`
 *  is an ordinary property of the value and reaches no prototype; of equal keys the last one holds. */

import { messageOf } from '../../domain/errors.ts';
import { JSON_DEPTH_MAX, mayHoldLongInteger, readJson } from '../../domain/json-text.ts';
import { decodeError } from './text.ts';

/** A literal can only be beyond 1.8e308 with three digits in its exponent, or with so many before it. */
const DIGITS_OF_LARGEST = 200;
const LONG_EXPONENT = /[eE]\+?\d{3}/;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** The value of a JSON text.
 *  @throws HeadgateError HG_DECODE_FAILED. */
export function parseJson(text: string, line?: number): unknown {
  if (isDeeperThan(JSON_DEPTH_MAX, text)) {
    throw decodeError(`nested deeper than ${JSON_DEPTH_MAX} levels`, line);
  }
  return parseShallow(text, line);
}

/** The same for a text whose depth the caller has looked at.
 *  @throws HeadgateError HG_DECODE_FAILED. */
export function parseShallow(text: string, line?: number): unknown {
  let value: unknown;
  try {
    value = readJson(text);
  } catch (error) {
    const problem =
      text.trim() === '' ? 'empty, where a JSON value was expected' : `not valid JSON: ${messageOf(error)}`;
    throw decodeError(problem, line, error);
  }
  if (mayOverflow(text) && holdsInfinity(value))
    throw decodeError('a number is too large for a double', line);
  return value;
}

/** Without an exponent it takes as many digits as the largest double has. */
function mayOverflow(text: string): boolean {
  return LONG_EXPONENT.test(text) || (text.length >= DIGITS_OF_LARGEST && mayHoldLongInteger(text));
}

/** Whether arrays and objects are nested deeper. Looks at the text, not the value: a hostile text is refused
 *  before anything is made of it. */
export function isDeeperThan(depthMax: number, text: string): boolean {
  // Each level takes two brackets, so a short text cannot be deep: most records are spared the scan.
  if (text.length <= 2 * depthMax) return false;
  let depth = 0;
  let quoted = false;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (quoted) {
      if (unit === BACKSLASH) index++;
      else if (unit === QUOTE) quoted = false;
    } else if (unit === QUOTE) {
      quoted = true;
    } else if (unit === OPEN_LIST || unit === OPEN_OBJECT) {
      if (++depth > depthMax) return true;
    } else if (unit === CLOSE_LIST || unit === CLOSE_OBJECT) {
      depth--;
    }
  }
  return false;
}

function holdsInfinity(value: unknown): boolean {
  if (typeof value === 'number') return !Number.isFinite(value);
  if (typeof value !== 'object' || value === null) return false;
  return Object.values(value).some(holdsInfinity);
}
