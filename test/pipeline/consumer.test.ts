/** Consumers that read at their own pace, leave in the middle, or come to the end. */

import { describe, expect, test } from 'vitest';
import { isPoison, poison, type FlowItem } from '../../src/domain/record.ts';
import { Consumer, type Consumed } from '../../src/pipeline/consumer.ts';
import { createPump } from '../../src/pipeline/pump.ts';
import { virtualClock } from '../../src/testing/virtual-clock.ts';
import { record, records, seqsOf, settled } from './fixture.ts';

/** A consumer behind a pump that feeds it what it can bear. */
function reading(capacityRecords: number, supply: FlowItem[]) {
  const clock = virtualClock();
  const left: Consumer[] = [];
  const state = { pulled: 0 };
  const consumer: Consumer = new Consumer(
    capacityRecords,
    clock,
    () => pump.wake(),
    (one) => left.push(one),
  );
  const pump = createPump(
    {
      take: (max) => {
        const batch = supply.splice(0, max);
        state.pulled += batch.length;
        return batch;
      },
    },
    () => consumer.budget,
    (batch) => consumer.push(batch, clock.monotonicMs()),
    (error) => {
      throw error;
    },
  );
  pump.wake();
  return { clock, consumer, left, state, pump };
}

describe('a consumer', () => {
  test.each([1, 10, 11, 50])(
    'of 10 that sleeps 10 ms before each read lets all but the first 10 of %i records wait 10 ms',
    async (count) => {
      const { clock, consumer, state } = reading(10, records(count));
      const waits: number[] = [];
      const loop = (async () => {
        for (let read = 0; read < count; read++) {
          await clock.sleep(10);
          expect(state.pulled).toBeLessThanOrEqual(read + 11);
          const { value } = (await consumer.next()) as IteratorYieldResult<Consumed>;
          expect(value.seq).toBe(read + 1);
          waits.push(value.queueWaitMs);
        }
      })();
      await clock.runUntil(loop);
      expect(waits).toEqual(Array.from({ length: count }, (_, index) => (index < 10 ? 0 : 10)));
      const { highWater, consumed, waits: summary } = consumer.report();
      expect([highWater, consumed]).toEqual([Math.min(10, count), count]);
      expect(summary.over5ms).toBe(Math.max(0, count - 10));
    },
  );

  test('reads what came before its end, then ends', async () => {
    const { consumer } = reading(10, records(3));
    await settled();
    consumer.end();
    const seqs: number[] = [];
    for await (const item of consumer) seqs.push(item.seq);
    expect(seqs).toEqual([1, 2, 3]);
    expect(await consumer.next()).toEqual({ done: true, value: undefined });
  });

  test('that waits for a record when the end comes is told so', async () => {
    const { consumer } = reading(10, []);
    const reads = [consumer.next(), consumer.next()];
    consumer.end();
    expect(await Promise.all(reads)).toEqual([
      { done: true, value: undefined },
      { done: true, value: undefined },
    ]);
  });

  test('answers reads in the order they were made', async () => {
    const { consumer, pump } = reading(2, records(5));
    const reads = Array.from({ length: 5 }, () => consumer.next());
    pump.wake();
    const results = await Promise.all(reads);
    expect(seqsOf(results.map(({ value }) => value as Consumed))).toEqual([1, 2, 3, 4, 5]);
  });

  test('that leaves its loop says so once, and reads nothing more', async () => {
    const { consumer, left } = reading(3, records(10));
    for await (const item of consumer) if (item.seq === 2) break;
    expect(left).toEqual([consumer]);
    expect(consumer.isEmpty).toBe(true);
    expect(await consumer.next()).toEqual({ done: true, value: undefined });
  });

  test('that throws in its loop has left it', async () => {
    const { consumer, left } = reading(3, records(10));
    const loop = async () => {
      for await (const item of consumer) throw new Error(`cannot use ${item.seq}`);
    };
    await expect(loop()).rejects.toThrow('cannot use 1');
    expect(left).toEqual([consumer]);
  });

  test('is given poison as poison', async () => {
    const item = poison({ code: 'HG_STAGE_THREW', message: 'no' }, record(1));
    const { consumer } = reading(3, [item]);
    const { value } = (await consumer.next()) as IteratorYieldResult<Consumed>;
    expect(isPoison(value)).toBe(true);
    expect(value).toMatchObject({ seq: 1, queueWaitMs: 0, error: { message: 'no' } });
  });

  test('that is cleared counts what it did not read', async () => {
    const { consumer } = reading(3, records(10));
    await settled();
    expect(consumer.clear()).toBe(4);
    expect(consumer.report()).toMatchObject({ size: 0, consumed: 0, capacityRecords: 3 });
  });
});
