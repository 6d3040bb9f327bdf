import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../src/domain/random.ts';
import { RateMeter } from '../../src/pipeline/rate-meter.ts';

describe('a rate meter', () => {
  test('counts what came in the ten tenths of a second that end now (seed 51)', () => {
    const random = seededRandom(51);
    const meter = new RateMeter();
    const arrivals: { slot: number; records: number }[] = [];
    let nowMs = 0;
    for (let step = 0; step < 5_000; step++) {
      nowMs += random.next() < 0.99 ? random.next() * 60 : random.next() * 5_000;
      const slot = Math.floor(nowMs / 100);
      if (random.next() < 0.7) {
        const records = random.integer(1, 9);
        meter.count(records, nowMs);
        arrivals.push({ slot, records });
      }
      const recent = arrivals.filter((arrival) => arrival.slot > slot - 10);
      expect(meter.perSecond(nowMs)).toBe(recent.reduce((sum, { records }) => sum + records, 0));
    }
  });

  test('that counted nothing says 0', () => expect(new RateMeter().perSecond(1e9)).toBe(0));

  test('begun late counts from then on', () => {
    const meter = new RateMeter();
    meter.count(5, 1e9);
    expect([meter.perSecond(1e9 + 899), meter.perSecond(1e9 + 1_000)]).toEqual([5, 0]);
  });
});
