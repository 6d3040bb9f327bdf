import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createReconnectPacer } from '../../../../actors/sources/runtime/reconnect-pacer.ts';
import { virtualClock } from '../../../../src/testing/virtual-clock.ts';

/** The most of these times that fall into one second. */
function mostInASecond(times: readonly number[]): number {
  let most = 0;
  for (let first = 0, last = 0; last < times.length; last++) {
    while ((times[last] as number) - (times[first] as number) >= 1_000) first++;
    most = Math.max(most, last - first + 1);
  }
  return most;
}

test('any crowd comes in turn, none twice, none lost, those that leave aside', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 20 }),
      fc.array(fc.record({ afterMs: fc.integer({ min: 0, max: 400 }), leaves: fc.boolean() }), {
        maxLength: 60,
      }),
      async (perSecondMax, arrivals) => {
        const clock = virtualClock();
        const pacer = createReconnectPacer(clock, perSecondMax);
        const begun: { index: number; atMs: number }[] = [];
        const left = new Set<number>();
        for (const [index, { afterMs, leaves }] of arrivals.entries()) {
          await clock.advance(afterMs);
          const giveUp = pacer.enter(() => begun.push({ index, atMs: clock.monotonicMs() }));
          if (!leaves) continue;
          giveUp();
          if (!begun.some((one) => one.index === index)) left.add(index);
        }
        await clock.advance(arrivals.length * 1_000 + 1_000);
        const expected = [...arrivals.keys()].filter((index) => !left.has(index));
        expect(begun.map(({ index }) => index)).toEqual(expected);
        expect(mostInASecond(begun.map(({ atMs }) => atMs))).toBeLessThanOrEqual(perSecondMax);
        expect(clock.pendingTimers).toBe(0);
      },
    ),
    { numRuns: 60 },
  );
});

test('10,000 at once come as fast as the bound allows', async () => {
  const clock = virtualClock();
  const pacer = createReconnectPacer(clock, 200);
  const times: number[] = [];
  for (let index = 0; index < 10_000; index++) pacer.enter(() => times.push(clock.monotonicMs()));
  await clock.advance(49_000);
  expect(times).toHaveLength(10_000);
  expect(mostInASecond(times)).toBe(200);
});
