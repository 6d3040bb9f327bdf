/** Searches of texts find what the engine's own find, and read each character a bounded number of times. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { beginBudget, stepsSpent } from '../../../src/gateway/config/cel/budget.ts';
import { indexOf, lastIndexOf, placesOf } from '../../../src/gateway/config/cel/search.ts';

/** Texts of few letters hold many beginnings of the needle; long ones are not left to the engine. */
const NEEDLE = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 5, maxLength: 200 });
const TEXT = fc
  .array(fc.oneof(NEEDLE, fc.constantFrom('aaaaaaaaaaaaaaaaaaab', 'abab', 'b')), { maxLength: 60 })
  .map((parts) => parts.join(''));
const CASE = fc.record({ text: TEXT, needle: NEEDLE, cut: fc.nat(200), at: fc.nat(2_000) });

/** A needle that is likely to be there. */
function within({
  text,
  needle,
  cut,
  at,
}: {
  text: string;
  needle: string;
  cut: number;
  at: number;
}): string {
  const part = text.slice(at % Math.max(1, text.length), (at % Math.max(1, text.length)) + cut);
  return part === '' ? needle : part;
}

test('they agree with the search of the engine', () => {
  fc.assert(
    fc.property(CASE, fc.boolean(), (drawn, isCut) => {
      beginBudget();
      const { text, at } = drawn;
      const needle = isCut ? within(drawn) : drawn.needle;
      const from = at % (text.length + 1);
      expect(indexOf(text, needle, from)).toBe(text.indexOf(needle, from));
      expect(lastIndexOf(text, needle, from)).toBe(text.lastIndexOf(needle, from));
      const pieces = text.split(needle);
      let place = -needle.length;
      const places = pieces.slice(0, -1).map((piece) => (place += needle.length + piece.length));
      expect(placesOf(text, needle)).toEqual(places);
    }),
    { numRuns: 300 },
  );
});

/** A text that counts how often one of its characters is read. */
class CountedText {
  reads = 0;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  get length(): number {
    return this.#text.length;
  }

  charCodeAt(at: number): number {
    this.reads++;
    return this.#text.charCodeAt(at);
  }
}

describe('a text and a needle that are made to go back', () => {
  const needle = `${'a'.repeat(5_000)}b${'a'.repeat(5_000)}`;
  const searches = { indexOf, lastIndexOf, placesOf };
  for (const [name, search] of Object.entries(searches)) {
    test(`are read once by ${name}, and charged by their lengths`, () => {
      const spent = [100_000, 200_000].map((length) => {
        const text = new CountedText('a'.repeat(length));
        beginBudget();
        search(text as unknown as string, needle);
        expect(text.reads).toBe(length);
        expect(stepsSpent()).toBeGreaterThan(length / 5);
        return stepsSpent();
      });
      expect((spent[1] as number) / (spent[0] as number)).toBeLessThan(2);
    });
  }
});
