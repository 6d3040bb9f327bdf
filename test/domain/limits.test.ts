import { describe, expect, test } from 'vitest';
import { checkLimits, LIMITS } from '../../src/domain/limits.ts';

describe('the limits', () => {
  test('fit each other', () => expect(checkLimits()).toEqual([]));

  test('are all whole numbers above nothing', () => {
    for (const [name, limit] of Object.entries(LIMITS)) {
      expect(Number.isSafeInteger(limit) && limit > 0, name).toBe(true);
    }
  });

  /** With `planted` in place of some limits, one rule is broken, and told. */
  const check = (planted: Partial<Record<keyof typeof LIMITS, number>>, rule: string) =>
    expect(checkLimits({ ...LIMITS, ...planted } as typeof LIMITS)).toEqual([rule]);

  test('tell of an outlet above its maximum', () =>
    check({ outletCapacityRecords: LIMITS.outletCapacityRecordsMax + 1 }, 'an outlet fits its own maximum'));
  test('tell of a turn of the merge that no recorder can take', () =>
    check(
      { mergeQuantumRecords: LIMITS.recorderPendingRecordsMax + 1 },
      'one turn of the merge fits the recorder',
    ));
  test('tell of a dead letter above its payload', () =>
    check(
      { payloadBytesMax: LIMITS.deadLetterPayloadCharsMax - 1 },
      'a dead letter is no larger than a payload',
    ));
  test('tell of everything that is wrong, not of the first thing alone', () =>
    expect(
      checkLimits({
        ...LIMITS,
        payloadBytesMax: 1,
        mergeQuantumRecords: 1_000_000,
      } as unknown as typeof LIMITS).length,
    ).toBe(2));
});
