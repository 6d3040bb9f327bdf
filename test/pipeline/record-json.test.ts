import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dataAsJson, payloadAsText } from '../../src/pipeline/record-json.ts';

const circular: Record<string, unknown> = {};
circular['self'] = circular;
const deep = (): unknown => {
  let value: unknown = 1;
  for (let depth = 0; depth < 100_000; depth++) value = [value];
  return value;
};
const bytes = (...values: number[]) => Uint8Array.from(values);

describe('data as JSON', () => {
  const check = (data: unknown, expected: string) => expect(dataAsJson(data)).toBe(expected);

  test('is what JSON makes of it', () =>
    fc.assert(fc.property(fc.jsonValue(), (value) => dataAsJson(value) === JSON.stringify(value))));
  test('of nothing is null', () => check(undefined, 'null'));
  test('of a function is null', () => check(() => 1, 'null'));
  test('of a symbol is null', () => check(Symbol('s'), 'null'));
  test('of no number is null', () => check(Number.NaN, 'null'));
  test('of a date is its text', () => check(new Date(0), '"1970-01-01T00:00:00.000Z"'));
  test('of bytes is base64', () => check(bytes(0, 255), '{"base64":"AP8="}'));
  test('of a buffer is base64', () => check(Buffer.from('hi'), '{"base64":"aGk="}'));
  test('of frames is base64, each', () => check([bytes(1), bytes()], '[{"base64":"AQ=="},{"base64":""}]'));
  test.each<[string, unknown]>([
    ['a circle', circular],
    ['a bigint', { n: 1n }],
    ['depth beyond the stack', deep()],
    [
      'what throws when asked',
      {
        toJSON() {
          throw new Error('no');
        },
      },
    ],
  ])('is refused of %s', (_, data) => {
    expect(() => dataAsJson(data)).toThrow(
      expect.objectContaining({ code: 'HG_RECORD_UNSTORABLE', remedy: 'drop' }) as Error,
    );
  });
});

describe('a payload as text', () => {
  const check = (payload: unknown, expected: string) => expect(payloadAsText(payload)).toBe(expected);

  test('is itself where it is text', () => check('a,b', 'a,b'));
  test('is its text where it is UTF-8', () => check(new TextEncoder().encode('für'), 'für'));
  test('is base64 where it is not', () => check(bytes(0xff, 0xfe), 'base64://4='));
  test('is JSON where it is data', () => check({ n: 1 }, '{"n":1}'));
  test('is something where it cannot be written', () => check(circular, '[object Object]'));
  test('is something where it cannot even be printed', () => {
    const nothing = Object.create(null) as Record<string, unknown>;
    nothing['self'] = nothing;
    expect(payloadAsText(nothing)).toMatch(/cannot be printed/);
  });
});
