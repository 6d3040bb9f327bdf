/** When a link is taken for dead, and when not: the rule itself, under the virtual clock. */

import { expect, test } from 'vitest';
import { startKeepalive } from '../../../../actors/protocols/mqtt/keepalive.ts';
import { virtualClock } from '../../../../src/testing/virtual-clock.ts';

const KEEPALIVE_MS = 10_000;

function watched(isHeld: () => boolean = () => false) {
  const clock = virtualClock();
  const seen = { pings: [] as number[], deadMs: null as number | null };
  const keepalive = startKeepalive(clock, KEEPALIVE_MS, isHeld, {
    ping: () => seen.pings.push(clock.monotonicMs()),
    dead: () => (seen.deadMs = clock.monotonicMs()),
  });
  return { clock, seen, keepalive };
}

test.each([0, 1, 2_499, 2_500, 9_999, 33_333])(
  'silence since %i ms is found after one and a half keepalives, at most a quarter later',
  async (lastSignMs) => {
    const { clock, seen, keepalive } = watched();
    for (let atMs = 0; atMs < lastSignMs; atMs += 1_000) {
      keepalive.alive();
      await clock.advance(Math.min(1_000, lastSignMs - atMs));
    }
    keepalive.alive();
    await clock.advance(10 * KEEPALIVE_MS);
    const silentMs = (seen.deadMs ?? 0) - lastSignMs;
    expect(silentMs).toBeGreaterThanOrEqual(1.5 * KEEPALIVE_MS);
    expect(silentMs).toBeLessThanOrEqual(1.75 * KEEPALIVE_MS);
    expect(clock.pendingTimers).toBe(0);
  },
);

test('a ping goes out twice in each keepalive, and none after the end', async () => {
  const { clock, seen, keepalive } = watched();
  for (let second = 0; second < 40; second++) {
    keepalive.alive();
    await clock.advance(1_000);
  }
  expect(seen.pings).toEqual([5_000, 10_000, 15_000, 20_000, 25_000, 30_000, 35_000, 40_000]);
  keepalive.stop();
  await clock.advance(10 * KEEPALIVE_MS);
  expect([seen.pings.length, seen.deadMs]).toEqual([8, null]);
});

test('silence of a link that is held back means nothing, and counts from the end of the hold', async () => {
  let isHeld = true;
  const { clock, seen } = watched(() => isHeld);
  await clock.advance(10 * KEEPALIVE_MS);
  expect(seen.deadMs).toBeNull();
  expect(seen.pings).toHaveLength(20);
  isHeld = false;
  await clock.advance(10 * KEEPALIVE_MS);
  expect(seen.deadMs).toBe(10 * KEEPALIVE_MS + 1.75 * KEEPALIVE_MS);
});
