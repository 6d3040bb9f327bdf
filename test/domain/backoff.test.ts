import { describe, expect, test } from 'vitest';
import { backoffMs, coolDownWaitMs, DEFAULT_BACKOFF, type BackoffPolicy } from '../../src/domain/backoff.ts';
import { seededRandom } from '../../src/domain/random.ts';

const EXACT: BackoffPolicy = { kind: 'constant', initialMs: 100, maxMs: 1_000, factor: 2, jitter: 'none' };

/** The waits before attempts 1, 2, 3, …, without chance. */
function check(policy: Partial<BackoffPolicy>, expected: readonly number[]): void {
  const waits = expected.map((_, index) => backoffMs({ ...EXACT, ...policy }, index + 1, 0.999));
  expect(waits).toEqual(expected);
}

describe('waits', () => {
  test('constant', () => check({}, [100, 100, 100]));
  test('constant, above their bound', () => check({ initialMs: 5_000 }, [1_000, 1_000]));
  test('linear', () => check({ kind: 'linear' }, [100, 200, 300, 400]));
  test('linear, up to their bound', () =>
    check({ kind: 'linear', initialMs: 400 }, [400, 800, 1_000, 1_000]));
  test('exponential', () => check({ kind: 'exponential' }, [100, 200, 400, 800, 1_000, 1_000]));
  test('exponential by three', () => check({ kind: 'exponential', factor: 3 }, [100, 300, 900, 1_000]));
  test('exponential by a fraction', () =>
    check({ kind: 'exponential', factor: 1.5 }, [100, 150, 225, 338, 506, 759]));
  test('exponential by one', () => check({ kind: 'exponential', factor: 1 }, [100, 100, 100]));
  test('by default', () => {
    const exact = { ...DEFAULT_BACKOFF, jitter: 'none' } as const;
    const waits = Array.from({ length: 11 }, (_, index) => backoffMs(exact, index + 1, 0));
    expect(waits).toEqual([100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]);
  });
  test('before attempt 0, as before the first', () =>
    expect(backoffMs({ ...EXACT, kind: 'linear' }, 0, 0)).toBe(100));
  test.each(['linear', 'exponential'] as const)(
    'are their bound after however many attempts (%s)',
    (kind) => {
      for (const attempt of [1_000, 1e6, 1e12, Number.MAX_SAFE_INTEGER, Infinity]) {
        expect(backoffMs({ ...EXACT, kind }, attempt, 0.5)).toBe(1_000);
      }
    },
  );
});

describe('jitter of 10,000 draws (seed 301)', () => {
  const draws = (policy: Partial<BackoffPolicy>, attempt: number): number[] => {
    const random = seededRandom(301);
    return Array.from({ length: 10_000 }, () => backoffMs({ ...EXACT, ...policy }, attempt, random.next()));
  };
  const mean = (waits: readonly number[]) => waits.reduce((sum, wait) => sum + wait, 0) / waits.length;

  /** All within the bounds, both ends nearly reached, the mean in the middle. */
  function check(
    policy: Partial<BackoffPolicy>,
    attempt: number,
    [low, high]: readonly [number, number],
  ): void {
    const waits = draws(policy, attempt);
    const slack = (high - low) / 100;
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(low);
    expect(Math.min(...waits)).toBeLessThan(low + slack);
    expect(Math.max(...waits)).toBeLessThanOrEqual(high);
    expect(Math.max(...waits)).toBeGreaterThan(high - slack);
    expect(Math.abs(mean(waits) - (low + high) / 2)).toBeLessThan(slack * 2);
    expect(waits.every(Number.isInteger)).toBe(true);
  }

  test('of a tenth is within ±10 %', () => check({ jitter: 'tenth', initialMs: 500 }, 1, [450, 550]));
  test('of a tenth follows the growth', () =>
    check({ jitter: 'tenth', kind: 'exponential', maxMs: 10_000 }, 5, [1_440, 1_760]));
  test('of a tenth never goes above the bound', () => {
    const waits = draws({ jitter: 'tenth', kind: 'exponential' }, 9);
    expect(Math.max(...waits)).toBe(1_000);
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(900);
  });
  test('in full is anywhere from 0', () => check({ jitter: 'full', initialMs: 800 }, 1, [0, 800]));
  test('in full never goes above the bound', () =>
    check({ jitter: 'full', kind: 'exponential' }, 20, [0, 1_000]));
  test('of none is none', () => expect(new Set(draws({}, 3))).toEqual(new Set([100])));
});

test('a cool-down is never longer than asked for, and by its jitter that much shorter', () => {
  const waits = (jitter: BackoffPolicy['jitter']) =>
    [0, 0.5, 0.999].map((random) => coolDownWaitMs(30_000, jitter, random));
  expect(waits('none')).toEqual([30_000, 30_000, 30_000]);
  expect(waits('tenth')).toEqual([30_000, 28_500, 27_003]);
  expect(waits('full')).toEqual([30_000, 22_500, 15_015]);
});
