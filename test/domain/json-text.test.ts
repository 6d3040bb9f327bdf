/** Data as JSON text: written without a change, or refused. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HeadgateError } from '../../src/domain/errors.ts';
import { JSON_DEPTH_MAX, mayHoldLongInteger, readJson, writeJson } from '../../src/domain/json-text.ts';

const circular: Record<string, unknown> = {};
circular['self'] = circular;

const nested = (depth: number): unknown => {
  let value: unknown = 1;
  for (let level = 0; level < depth; level++) value = [value];
  return value;
};

describe('written', () => {
  const check = (value: unknown, text: string) => expect(writeJson(value)).toBe(text);

  test('is what JSON makes of it, where that says the same', () =>
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        const text = writeJson(value);
        if (text !== JSON.stringify(value)) expect(JSON.parse(text)).toStrictEqual(value);
      }),
    ));
  test.each<[unknown, string]>([
    [[1, 'a', null, true, { b: [] }], '[1,"a",null,true,{"b":[]}]'],
    [Object.create(null, { a: { value: 1, enumerable: true } }), '{"a":1}'],
    [-0, '-0'],
    [{ a: [-0, 0] }, '{"a":[-0,0]}'],
    [2 ** 53, '9.007199254740992e+15'],
    [2 ** 60, '1.152921504606847e+18'],
    [1e300, '1e+300'],
    [9007199254740993n, '9007199254740993'],
    [{ id: -9007199254740993n, n: 5n }, '{"id":-9007199254740993,"n":5}'],
    [new Date(0), '"1970-01-01T00:00:00.000Z"'],
    [{ at: [new Date(5)] }, '{"at":["1970-01-01T00:00:00.005Z"]}'],
    [Buffer.from('hi'), '{"base64":"aGk="}'],
    [{ topic: 't', payload: [Uint8Array.of(0, 255)] }, '{"topic":"t","payload":[{"base64":"AP8="}]}'],
    ['\ud800', '"\\ud800"'],
    [JSON.parse('{"__proto__":1}'), '{"__proto__":1}'],
  ])('%o is %s', check);

  test('takes text, and a structure that is as deep as it may be', () => {
    check(nested(JSON_DEPTH_MAX), `${'['.repeat(JSON_DEPTH_MAX)}1${']'.repeat(JSON_DEPTH_MAX)}`);
    check([...Array(3)].fill({ a: 1n }), '[{"a":1},{"a":1},{"a":1}]');
  });
});

describe('refused, with the place, is', () => {
  class Reading {
    celsius = 5;
  }
  const refusals: [title: string, value: unknown, place: RegExp][] = [
    ['undefined', undefined, /^data is undefined/],
    ['a field that is undefined', { a: [{ b: undefined }] }, /^data\.a\[0\]\.b is undefined/],
    ['a list with a hole', [1, , 3], /^data\[1\] is undefined/], // oxlint-disable-line no-sparse-arrays
    ['NaN', { n: Number.NaN }, /^data\.n is NaN/],
    ['Infinity', [Number.POSITIVE_INFINITY], /Infinity/],
    ['minus Infinity', -Infinity, /-Infinity/],
    ['a function', { f: () => 1 }, /data\.f is a function/],
    ['a symbol', [Symbol('x')], /data\[0\] is a symbol/],
    ['an invalid date', { at: new Date(Number.NaN) }, /data\.at is an invalid date/],
    ['a promise', Promise.resolve(1), /instance of Promise/],
    ['a map', new Map([[1, 2]]), /instance of Map/],
    ['a set', { s: new Set() }, /data\.s is an instance of Set/],
    ['a weak map', new WeakMap(), /instance of WeakMap/],
    ['an error', new Error('no'), /instance of Error/],
    ['an error of the engine', new HeadgateError('HG_LINK_LOST', 'no'), /instance of HeadgateError/],
    ['a regular expression', /x/, /instance of RegExp/],
    ['a typed array', new Float64Array([Number.NaN, 1]), /instance of Float64Array/],
    ['a buffer of bytes without a view', new ArrayBuffer(2), /instance of ArrayBuffer/],
    ['a boxed number', Object(1), /instance of Number/],
    ['a boxed text', [Object('x')], /instance of String/],
    ['an instance of a class', new Reading(), /instance of Reading/],
    ['an object with toJSON', { toJSON: () => 5 }, /data\.toJSON is a function/],
    ['an instance with toJSON', new URL('http://localhost/'), /instance of URL/],
    ['a list with toJSON', Object.assign([1], { toJSON: () => 5 }), /instance of Array/],
    ['a circle', circular, /deeper than 1000/],
    ['depth beyond the bound', nested(JSON_DEPTH_MAX + 1), /deeper than 1000/],
    ['depth beyond the stack', nested(100_000), /deeper than 1000/],
    ['a bigint beyond every double', 10n ** 400n, /bigint/],
    [
      'a getter that throws',
      {
        get a() {
          throw new Error('not today');
        },
      },
      /not today/,
    ],
    [
      'a proxy that throws',
      new Proxy(
        {},
        {
          ownKeys: () => {
            throw new Error('mine');
          },
        },
      ),
      /mine/,
    ],
  ];
  test.each(refusals)('%s', (_, value, place) => {
    const refusal = expect.objectContaining({
      code: 'HG_RECORD_UNSTORABLE',
      remedy: 'drop',
      message: expect.stringMatching(place) as string,
    }) as Error;
    expect(() => writeJson(value)).toThrow(refusal);
    expect(() => writeJson({ deep: [-0, value] })).toThrow('data');
  });

  test('a structure whose parts are used so often that no memory holds its text', () => {
    let value: unknown = [];
    for (let level = 0; level < 200; level++) value = [value, value];
    for (const shared of [value, [-0, value]]) {
      expect(() => writeJson(shared, 1_000_000)).toThrow(
        expect.objectContaining({ code: 'HG_RECORD_TOO_LARGE' }) as Error,
      );
    }
  });
});

describe('read', () => {
  test.each<[string, unknown]>([
    ['9007199254740991', 9007199254740991],
    ['9007199254740992', 9007199254740992n],
    ['-9007199254740993', -9007199254740993n],
    ['{"id":1724442618569203714}', { id: 1724442618569203714n }],
    [
      '[[1,9007199254740993],{"a":{"b":18446744073709551615}}]',
      [[1, 9007199254740993n], { a: { b: 18446744073709551615n } }],
    ],
    [' 123456789012345678901234567890 ', 123456789012345678901234567890n],
    [
      '{"__proto__":9007199254740993}',
      JSON.parse('{"__proto__":1}', (key, value: unknown) =>
        key === '__proto__' ? 9007199254740993n : value,
      ),
    ],
    ['{"a":9007199254740993,"a":2}', { a: 2 }],
    ['{"a":2,"a":9007199254740993}', { a: 9007199254740993n }],
    ['"9007199254740993"', '9007199254740993'],
    [
      '{"t":"at 9007199254740993 ms","9007199254740993":0}',
      { t: 'at 9007199254740993 ms', '9007199254740993': 0 },
    ],
    // With a point or an exponent it is a double, as long as the double keeps the digits.
    ['1e20', 1e20],
    ['6.02214076e23', 6.02214076e23],
    ['1.152921504606847e+18', 2 ** 60],
    ['1724442618569203714.5', Number('1724442618569203714.5')],
    ['0.12345678901234567890', 0.12345678901234568],
    ['23.456789012345678', Number('23.456789012345678')],
    ['9007199254740993e0', 9007199254740993n],
    ['9007199254740993.0', 9007199254740993n],
    ['90071992547409.930e2', 9007199254740993n],
    ['0.9007199254740993E+16', 9007199254740993n],
    ['-123456789012345678901e5', -12345678901234567890100000n],
    ['-0', -0],
  ])('%s', (text, value) => expect(readJson(text)).toStrictEqual(value));

  test('integers of any length keep their digits, wherever they stand', () =>
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(10n ** 300n), max: 10n ** 300n }),
        fc.nat(40),
        fc.json(),
        (id, spaces, other) => {
          const text = `${' '.repeat(spaces)}{"other":${other},"ids":[${id}]}`;
          const [read] = (readJson(text) as { ids: [number | bigint] }).ids;
          expect(String(BigInt(read))).toBe(String(id));
          expect(typeof read).toBe(Number.isSafeInteger(Number(id)) ? 'number' : 'bigint');
          expect(writeJson(readJson(text))).toContain(`"ids":[${id}]`);
        },
      ),
    ));

  test('numbers of every kind come back as they were written', () =>
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(readJson(writeJson({ value }))).toStrictEqual({ value });
      }),
    ));

  test('ordinary records are not searched for digits twice', () => {
    const texts = [
      '{"id":"12345678901234567890","celsius":21.300000000000001,"at":1700000000000,"share":0.30000000000000004}',
      '{"uuid":"3f2504e0-4f89-11d3-9a0c-0305e82c3301","lat":52.520006599999998}',
    ];
    for (const text of texts) expect(mayHoldLongInteger(text)).toBe(false);
  });
});
