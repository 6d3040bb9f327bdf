import { describe, expect, test } from 'vitest';
import { seededRandom, type Random } from '../../src/domain/random.ts';

const take = (random: Random, count = 100) => Array.from({ length: count }, () => random.next());

describe('seeded randomness', () => {
  test.each([1, 0, -5, 1.5, 'plant-7', ''])('repeats itself for the same seed (%j)', (seed) =>
    expect(take(seededRandom(seed))).toEqual(take(seededRandom(seed))),
  );

  test('gives these numbers for seed 1, on every machine and in every version', () => {
    const random = seededRandom(1);
    expect(take(random, 3)).toEqual([0.6618972471915185, 0.6179007980972528, 0.39916488714516163]);
    expect(random.uuid()).toBe('d2b4be15-73d3-48aa-9645-2370fb2a24ce');
    expect(random.fork('sources').fork('plc-7#1').integer(0, 1e9)).toBe(237_587_596);
  });

  test('differs for close seeds', () => {
    const firsts = new Set(Array.from({ length: 10_000 }, (_, seed) => seededRandom(seed).next()));
    expect(firsts.size).toBeGreaterThan(9_990);
  });

  test('takes a number and its text for the same seed', () =>
    expect(take(seededRandom(7))).toEqual(take(seededRandom('7'))));

  test('is spread evenly over [0, 1) (seed 311)', () => {
    const buckets = new Array<number>(100).fill(0);
    const values = take(seededRandom(311), 200_000);
    expect(values.every((value) => value >= 0 && value < 1)).toBe(true);
    for (const value of values) buckets[Math.floor(value * 100)]!++;
    // Chi-square with 99 degrees of freedom: above 160 in one of ten thousand.
    const chiSquare = buckets.reduce((sum, count) => sum + (count - 2_000) ** 2 / 2_000, 0);
    expect(chiSquare).toBeLessThan(160);
  });

  test('shows no link between one number and the next (seed 312)', () => {
    const values = take(seededRandom(312), 100_000);
    const products = values.slice(1).map((value, index) => (value - 0.5) * ((values[index] as number) - 0.5));
    const correlation = (12 * products.reduce((sum, product) => sum + product, 0)) / products.length;
    expect(Math.abs(correlation)).toBeLessThan(0.015);
  });
});

describe('whole numbers', () => {
  test('reach both ends, and nothing beyond', () => {
    const random = seededRandom(321);
    const seen = new Set(Array.from({ length: 1_000 }, () => random.integer(3, 5)));
    expect([...seen].toSorted((left, right) => left - right)).toEqual([3, 4, 5]);
  });
  test('of a range of one are that one', () => expect(seededRandom(1).integer(7, 7)).toBe(7));
  test('may be negative', () => {
    const random = seededRandom(322);
    const seen = new Set(Array.from({ length: 1_000 }, () => random.integer(-2, 1)));
    expect([...seen].toSorted((left, right) => left - right)).toEqual([-2, -1, 0, 1]);
  });
});

describe('a fork', () => {
  test('does not depend on how many numbers were drawn before', () => {
    const [early, late] = [seededRandom(1), seededRandom(1)];
    take(late, 1_000);
    expect(take(late.fork('a'))).toEqual(take(early.fork('a')));
  });
  test('does not depend on the order of forks', () => {
    const [first, second] = [seededRandom(1), seededRandom(1)];
    const [a, b] = [first.fork('a'), first.fork('b')];
    const [later, sooner] = [second.fork('b'), second.fork('a')];
    expect([take(a), take(b)]).toEqual([take(sooner), take(later)]);
  });
  test('does not change what its origin gives', () => {
    const [forked, plain] = [seededRandom(1), seededRandom(1)];
    take(forked.fork('a'));
    expect(take(forked)).toEqual(take(plain));
  });
  test('differs by label, by seed and by depth', () => {
    const forks = [
      seededRandom(1),
      seededRandom(1).fork('a'),
      seededRandom(1).fork('b'),
      seededRandom(2).fork('a'),
      seededRandom(1).fork('a').fork('a'),
    ];
    expect(new Set(forks.map((random) => random.next())).size).toBe(forks.length);
  });
});

test('a uuid has version and variant of a version-4 one, and does not repeat', () => {
  const random = seededRandom(331);
  const uuids = Array.from({ length: 10_000 }, () => random.uuid());
  for (const uuid of uuids)
    expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(new Set(uuids).size).toBe(10_000);
});
