/** Values that V8 copies without a change (`node:v8` serialize): the values that the structured clone knows,
 *  and nothing that loses its class or its methods on the way. */

import { Buffer } from 'node:buffer';
import { isPlain, JSON_DEPTH_MAX } from '../../../src/domain/json-text.ts';

const PROTOTYPES: ReadonlySet<unknown> = new Set(
  [
    ...[
      Date,
      Buffer,
      ArrayBuffer,
      DataView,
      Uint8Array,
      Int8Array,
      Uint8ClampedArray,
      Int16Array,
      Uint16Array,
    ],
    ...[Int32Array, Uint32Array, Float32Array, Float64Array, BigInt64Array, BigUint64Array],
  ].map(({ prototype }) => prototype as unknown),
);

/** Whether the value comes back as it is. Throws what a getter of the value throws. */
export function isCloneable(value: unknown): boolean {
  return isFaithful(value, 0, new Set());
}

function isFaithful(value: unknown, depth: number, seen: Set<object>): boolean {
  if (typeof value !== 'object') return typeof value !== 'function' && typeof value !== 'symbol';
  if (value === null || seen.has(value)) return true;
  if (depth === JSON_DEPTH_MAX) return false;
  seen.add(value);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (PROTOTYPES.has(prototype)) return true;
  const all = (parts: Iterable<unknown>) =>
    Array.from(parts).every((part) => isFaithful(part, depth + 1, seen));
  if (prototype === Map.prototype) return all([...(value as Map<unknown, unknown>)].flat());
  if (prototype === Set.prototype) return all(value as Set<unknown>);
  return (prototype === Array.prototype || isPlain(value)) && all(Object.values(value));
}
