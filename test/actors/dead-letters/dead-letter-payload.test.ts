import { describe, expect, test } from 'vitest';
import { payloadAsText } from '../../../actors/dead-letters/dead-letter-payload.ts';

const circular: Record<string, unknown> = {};
circular['self'] = circular;
const bytes = (...values: number[]) => Uint8Array.from(values);

describe('a payload as text', () => {
  const check = (payload: unknown, expected: string) => expect(payloadAsText(payload)).toBe(expected);

  test('is itself where it is text', () => check('a,b', 'a,b'));
  test('is its text where it is UTF-8', () => check(new TextEncoder().encode('für'), 'für'));
  test('is base64 where it is not', () => check(bytes(0xff, 0xfe), 'base64://4='));
  test('is JSON where it is data', () => check({ n: 1 }, '{"n":1}'));
  test('is shown where it cannot be written', () => check(circular, '<ref *1> { self: [Circular *1] }'));
  test('calls no code of what it shows', () => {
    const hostile = {
      get a(): never {
        throw new Error('no');
      },
      toJSON: () => 'mine',
      [Symbol.for('nodejs.util.inspect.custom')]: () => 'mine',
    };
    expect(payloadAsText(hostile)).toContain('a: [Getter]');
  });
  test('is something where it cannot even be shown', () => {
    const odd = {
      [Symbol.toStringTag]: {
        toString: () => {
          throw new Error('no');
        },
      },
    };
    expect(payloadAsText({ odd, f: () => 1 })).toMatch(/./);
  });
});
