import { describe, expect, test } from 'vitest';
import { HeadgateError } from '../../src/domain/errors.ts';
import { boundedQueue, filter, transform, transformAsync } from '../../src/pipeline/stages.ts';

/** Making the stage fails with `code`, and the message says what is wrong with what. */
function check(make: () => unknown, code: string, ...words: string[]): void {
  let thrown: unknown;
  try {
    make();
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(HeadgateError);
  expect((thrown as HeadgateError).code).toBe(code);
  for (const word of words) expect((thrown as HeadgateError).message).toContain(word);
}

const any = () => true;
const later = async () => 1;
const queue = { stageName: 'q', capacityRecords: 10 };

describe('a stage refuses', () => {
  test('a predicate that is none', () =>
    check(() => filter('x > 3' as never), 'HG_OPTION_INVALID', 'filter', 'function'));
  test('a change that is none', () =>
    check(() => transform(undefined as never), 'HG_OPTION_INVALID', 'transform'));
  test('a promise for a function', () =>
    check(() => transformAsync(later() as never), 'HG_OPTION_INVALID', 'transformAsync'));
  test('a concurrency of 0', () =>
    check(() => transformAsync(later, { concurrency: 0 }), 'HG_OPTION_INVALID', 'concurrency'));
  test('a fraction of a call', () =>
    check(() => transformAsync(later, { concurrency: 1.5 }), 'HG_OPTION_INVALID', 'concurrency'));
  test('a misspelled option', () =>
    check(
      () => transformAsync(later, { concurency: 3 } as never),
      'HG_OPTION_UNKNOWN',
      'concurency',
      '"concurrency"',
    ));
  test('a queue without a name', () =>
    check(() => boundedQueue({ capacityRecords: 10 } as never), 'HG_OPTION_INVALID', 'stageName'));
  test('a queue without a bound', () =>
    check(() => boundedQueue({ stageName: 'q' } as never), 'HG_OPTION_INVALID', 'capacityRecords'));
  test('a queue for nothing', () =>
    check(() => boundedQueue({ ...queue, capacityRecords: 0 }), 'HG_OPTION_INVALID', 'capacityRecords'));
  test('a queue of infinite length', () =>
    check(
      () => boundedQueue({ ...queue, capacityRecords: Infinity }),
      'HG_OPTION_INVALID',
      'capacityRecords',
    ));
  test('an overflow policy it does not know', () =>
    check(() => boundedQueue({ ...queue, overflow: 'spill' as never }), 'HG_OPTION_INVALID', 'overflow'));
  test('a wait below nothing', () =>
    check(() => boundedQueue({ ...queue, waitMsMax: -1 }), 'HG_OPTION_INVALID', 'waitMsMax'));
  test('options that are none', () =>
    check(() => boundedQueue(undefined as never), 'HG_OPTION_INVALID', 'boundedQueue'));
});

describe('a stage takes', () => {
  test('its name from what it does, or from its maker', () =>
    expect(
      [filter(any), filter(any, 'warm'), transform(any), transformAsync(later)].map(
        ({ stageName }) => stageName,
      ),
    ).toEqual(['filter', 'warm', 'transform', 'transform']));
  test('a blocking queue without a longest wait for granted', () =>
    expect(boundedQueue(queue)).toEqual({ kind: 'queue', ...queue, overflow: 'block', waitMsMax: null }));
  test('eight calls at once for granted', () => expect(transformAsync(later).concurrency).toBe(8));
});
