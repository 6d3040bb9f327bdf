import { expect, onTestFinished, test } from 'vitest';
import { monitorLoop } from '../../src/metrics/event-loop.ts';
import { realClock } from '../../src/platform/real-clock.ts';
import { until } from '../chaos/rig/until.ts';

const STALL_MS = 300;
const WINDOW_MS = 10_000;

function stall(): void {
  const endMs = realClock.monotonicMs() + STALL_MS;
  while (realClock.monotonicMs() < endMs);
}

test('a loop that stood still is told of, to everybody who asks within the window', async () => {
  let nowMs = 0;
  const loop = monitorLoop({ ...realClock, monotonicMs: () => nowMs });
  onTestFinished(() => loop.stop());
  // The monitor counts from its own second turn on: one stall may come before that.
  await until('the stall is seen', 30_000, () => {
    stall();
    return loop.read().maxSeconds >= (STALL_MS - 50) / 1_000;
  });
  nowMs += WINDOW_MS;
  const facts = loop.read();
  expect(facts.maxSeconds).toBeGreaterThanOrEqual(facts.p99Seconds);
  expect(facts.p99Seconds).toBeGreaterThanOrEqual(facts.p50Seconds);
  expect(facts.p50Seconds).toBeGreaterThanOrEqual(0);
  expect(facts.utilizationRatio).toBeLessThanOrEqual(1);
  // The next window has begun: this one is shown until it is over.
  nowMs += WINDOW_MS - 1;
  expect(loop.read()).toEqual(facts);
  nowMs += 1;
  expect(loop.read()).not.toEqual(facts);
});
