/** Optional values: `record.data.?a` gives one. */

import { overload, type Overload } from './overloads.ts';
import { EvaluationError, NONE, Optional, Uint } from './values.ts';

function isZero(value: unknown): boolean {
  if (value === null || value === false || value === '' || value === 0 || value === 0n) return true;
  if (value instanceof Uint) return value.value === 0n;
  if (Array.isArray(value) || value instanceof Uint8Array) return value.length === 0;
  if (value instanceof Map) return value.size === 0;
  if (typeof value !== 'object' || Object.getPrototypeOf(value) !== Object.prototype) return false;
  for (const _ in value) return false;
  return true;
}

function valueOf({ value }: Optional): unknown {
  if (value === undefined) throw new EvaluationError('the optional has no value');
  return value;
}

export const OPTIONAL_FUNCTIONS: Readonly<Record<string, readonly Overload[]>> = {
  'optional.of': [overload(['dyn'], 'optional', (value: unknown) => new Optional(value))],
  'optional.ofNonZeroValue': [
    overload(['dyn'], 'optional', (value: unknown) => (isZero(value) ? NONE : new Optional(value))),
  ],
  'optional.none': [overload([], 'optional', () => NONE)],
  '.hasValue': [overload(['optional'], 'bool', ({ value }: Optional) => value !== undefined)],
  '.value': [overload(['optional'], 'dyn', valueOf)],
};
