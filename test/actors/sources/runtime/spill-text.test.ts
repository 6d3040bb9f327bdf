/** Records' data on its way to disk and back, and into the log. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readJson, writeJson } from '../../../../src/domain/json-text.ts';
import { spilledData, spillText } from '../../../../actors/sources/runtime/spill-text.ts';

const circular: Record<string, unknown> = {};
circular['self'] = circular;
const bytes = (...values: number[]) => Uint8Array.from(values);

/** Values of every kind that JavaScript has, and of some that code makes. */
const anything = fc.anything({
  withBigInt: true,
  withBoxedValues: true,
  withDate: true,
  withMap: true,
  withNullPrototype: true,
  withObjectString: true,
  withSet: true,
  withSparseArray: true,
  withTypedArray: true,
  maxDepth: 4,
});
const values = fc.oneof(
  { weight: 3, arbitrary: anything },
  fc.jsonValue(),
  fc.bigInt(),
  fc.uint8Array().map((part) => ({ topic: 't', payload: [part, { part }] })),
  fc.uint8Array().map((part) => [part, Buffer.from(part)]),
  fc.record({
    at: fc.date({ noInvalidDate: false }),
    n: fc.double(),
    missing: fc.constantFrom(undefined, null, -0),
  }),
);

/** A plain object has no other kinds: whether it has a prototype is no part of its value. */
function withPrototypes(value: unknown): unknown {
  if (Array.isArray(value)) return Array.from(value, withPrototypes);
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Map)
    return new Map([...value].map(([key, part]) => [withPrototypes(key), withPrototypes(part)]));
  if (value instanceof Set) return new Set([...value].map(withPrototypes));
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype) return value;
  const plain = {};
  for (const [key, part] of Object.entries(value)) {
    Object.defineProperty(plain, key, {
      value: withPrototypes(part),
      enumerable: true,
      writable: true,
      configurable: true,
    });
  }
  return plain;
}

/** The value as the log represents it. */
function asInLog(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return { base64: Buffer.from(value).toString('base64') };
  if (Array.isArray(value)) return value.map(asInLog);
  if (typeof value !== 'object' || value === null) return value;
  const made = {};
  for (const [key, part] of Object.entries(value)) {
    Object.defineProperty(made, key, {
      value: asInLog(part),
      enumerable: true,
      writable: true,
      configurable: true,
    });
  }
  return made;
}

function orRefused<Result>(action: () => Result): Result | null {
  try {
    return action();
  } catch (error) {
    expect(error).toMatchObject({ code: 'HG_RECORD_UNSTORABLE', remedy: 'drop' });
    return null;
  }
}

describe('any value', () => {
  test('comes back from the spill as it was, or is refused', () => {
    fc.assert(
      fc.property(values, (value) => {
        const text = orRefused(() => spillText(value));
        if (text !== null) expect(withPrototypes(spilledData(text))).toStrictEqual(withPrototypes(value));
      }),
      { numRuns: 2_000 },
    );
  });

  test('comes back from the log in the representation it has there, or is refused', () => {
    fc.assert(
      fc.property(values, (value) => {
        const text = orRefused(() => writeJson(value));
        if (text !== null) expect(readJson(text)).toStrictEqual(asInLog(value));
      }),
      { numRuns: 2_000 },
    );
  });

  test('is written into the log alike, whether or not it was on disk before', () => {
    fc.assert(
      fc.property(values, (value) => {
        const spilled = orRefused(() => spillText(value));
        if (spilled === null) return;
        const [direct, later] = [value, spilledData(spilled)].map((data) => orRefused(() => writeJson(data)));
        expect(later).toBe(direct);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('the spill keeps', () => {
  test.each<[string, unknown]>([
    ['a date', { at: new Date(5), never: new Date(Number.NaN) }],
    ['bytes in an envelope', { topic: 't', payload: [bytes(0, 1, 255)] }],
    ['a buffer', Buffer.from('hi')],
    ['bytes', bytes(1, 2)],
    ['frames', [bytes(1), bytes()]],
    ['minus zero', { n: -0 }],
    ['an integer beyond 2^53', { id: 9007199254740993n, n: 2 ** 60 }],
    ['a field that is undefined', { a: undefined, b: [undefined] }],
    ['a hole', [1, , 3]], // oxlint-disable-line no-sparse-arrays
    ['a map and a set', new Map([['a', new Set([1])]])],
    ['what contains itself', circular],
    ['half a surrogate pair', ['\ud800', { '\udfff': 1 }]],
    ['text that looks like bytes', { base64: 'aGk=' }],
  ])('%s', (_, data) => expect(spilledData(spillText(data))).toStrictEqual(data));

  test.each<[string, unknown]>([
    ['a function', { f: () => 1 }],
    ['a promise', [Promise.resolve(1)]],
    ['a symbol', Symbol('x')],
    ['an instance of a class', new (class Reading {})()],
    ['an error', new Error('no')],
    ['a list of its own class', new (class List extends Array {})(3)],
  ])('nothing of %s, which it would change', (_, data) => {
    expect(() => spillText(data)).toThrow(expect.objectContaining({ code: 'HG_RECORD_UNSTORABLE' }) as Error);
  });

  test('what an earlier version wrote', () => {
    expect(spilledData('j{"a":1}')).toEqual({ a: 1 });
    expect(spilledData('bAQI=')).toEqual(bytes(1, 2));
    expect(spilledData('f["AQ==",""]')).toEqual([bytes(1), bytes()]);
  });
});
