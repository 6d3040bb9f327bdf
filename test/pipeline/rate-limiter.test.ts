/** Rate windows against counts made the slow way. Times are eighths of a millisecond, which floating point
 *  adds without rounding. */

import { describe, expect, test } from 'vitest';
import { seededRandom, type Random } from '../../src/domain/random.ts';
import { RunLog, SlidingWindow, TokenBucket, type RateWindow } from '../../src/pipeline/rate-limiter.ts';

interface Pass {
  readonly atMs: number;
  readonly records: number;
}

/** The next time: often the same, mostly soon, now and then after a rest. */
function nextMs(random: Random, nowMs: number, soonMs: number): number {
  const roll = random.next();
  if (roll < 0.3) return nowMs;
  if (roll < 0.995) return nowMs + random.integer(1, soonMs * 8) / 8;
  return nowMs + random.integer(500, 3_000);
}

/** Sends `attempts` at random times through a window, each of 1 record or a few, and gives back what passed.
 */
function load(
  random: Random,
  window: RateWindow,
  attempts: number,
  onRoom: (room: number, nowMs: number, passes: Pass[]) => void,
) {
  const passes: Pass[] = [];
  let nowMs = 0;
  const soonMs = random.integer(1, 40);
  for (let attempt = 0; attempt < attempts; attempt++) {
    nowMs = nextMs(random, nowMs, soonMs);
    const room = window.room(nowMs);
    onRoom(room, nowMs, passes);
    const records = Math.min(room, random.next() < 0.9 ? 1 : random.integer(1, 6));
    window.pass(records, nowMs);
    if (records > 0) passes.push({ atMs: nowMs, records });
  }
  return passes;
}

/** Records that passed in (nowMs − 1 s, nowMs]. */
function passedWithin(passes: readonly Pass[], nowMs: number): number {
  let records = 0;
  for (let index = passes.length - 1; index >= 0; index--) {
    const pass = passes[index] as Pass;
    if (pass.atMs <= nowMs - 1_000) break;
    records += pass.records;
  }
  return records;
}

/** The most records that passed in (t − 1 s, t], for any t. */
function mostWithinASecond(passes: readonly Pass[]): number {
  let [oldest, records, most] = [0, 0, 0];
  for (const pass of passes) {
    records += pass.records;
    while ((passes[oldest] as Pass).atMs <= pass.atMs - 1_000) records -= (passes[oldest++] as Pass).records;
    most = Math.max(most, records);
  }
  return most;
}

describe('a sliding window', () => {
  test.each([
    [1, 11],
    [7, 12],
    [100, 13],
    [300, 14],
  ])(
    'of %i a second allows what a count of 100,000 attempts allows, no more, no less (seed %i)',
    (max, seed) => {
      const window = new SlidingWindow(max);
      let entriesMax = 0;
      const passes = load(seededRandom(seed), window, 100_000, (room, nowMs, before) => {
        expect(room, `at ${nowMs} ms`).toBe(max - passedWithin(before, nowMs));
        entriesMax = Math.max(entriesMax, window.entries);
      });
      expect(mostWithinASecond(passes)).toBe(max);
      expect(entriesMax).toBeLessThanOrEqual(max);
      expect(passes.length).toBeGreaterThan(100);
    },
  );

  test('says when there is room again: as the oldest pass leaves', () => {
    const window = new SlidingWindow(3);
    expect(window.freeAtMs(5)).toBe(5);
    window.pass(1, 10);
    window.pass(2, 700);
    expect(window.freeAtMs(800)).toBe(1_010);
    expect(window.room(1_009.875)).toBe(0);
    expect(window.room(1_010)).toBe(1);
  });

  test('keeps those that pass at one instant as one entry', () => {
    const window = new SlidingWindow(1_000);
    for (let records = 0; records < 1_000; records++) window.pass(1, 50);
    expect([window.entries, window.room(50)]).toEqual([1, 0]);
  });
});

describe('a token bucket', () => {
  test.each([
    [1, 21],
    [7, 22],
    [100, 23],
    [997, 24],
  ])('of %i a second holds whole tokens as exact arithmetic has them (seed %i)', (max, seed) => {
    const bucket = new TokenBucket(max);
    // Eighths of thousandths of tokens are whole numbers.
    const unit = 8_000;
    let tokens = max * unit;
    let filledMs = 0;
    let passed = 0;
    load(seededRandom(seed), bucket, 100_000, (room, nowMs, before) => {
      const total = before.length === 0 ? 0 : (before.at(-1) as Pass).records;
      if (before.length > passed) tokens -= total * unit;
      passed = before.length;
      tokens = Math.min(max * unit, tokens + (nowMs - filledMs) * 8 * max);
      filledMs = nowMs;
      expect(room, `at ${nowMs} ms`).toBe(Math.floor(tokens / unit));
    });
    expect(passed).toBeGreaterThan(100);
  });

  test.each([3, 50, 999])('of %i a second lets pass a burst of as many, and then its rate', (max) => {
    const bucket = new TokenBucket(max);
    let passed = 0;
    for (let nowMs = 0; nowMs <= 60_000; nowMs++) {
      const room = bucket.room(nowMs);
      if (nowMs === 0) expect(room).toBe(max);
      bucket.pass(room);
      passed += room;
      expect(passed).toBeLessThanOrEqual(max + (max * nowMs) / 1_000 + 1e-6);
    }
    expect(passed).toBe(max + max * 60);
  });

  test('says when there is room again, and there is', () => {
    const random = seededRandom(31);
    for (let round = 0; round < 2_000; round++) {
      const bucket = new TokenBucket(random.integer(1, 500));
      let nowMs = random.integer(0, 1_000_000);
      bucket.pass(bucket.room(nowMs));
      nowMs += random.next() / 10;
      const freeMs = bucket.freeAtMs(nowMs);
      expect(freeMs).toBeGreaterThanOrEqual(nowMs);
      expect(bucket.room(Math.max(nowMs, freeMs - 0.01))).toBeLessThanOrEqual(freeMs - 0.01 < nowMs ? 1 : 0);
      expect(bucket.room(freeMs)).toBe(1);
    }
  });

  test('is not emptied, nor filled, by a look', () => {
    const bucket = new TokenBucket(10);
    bucket.pass(bucket.room(0));
    for (let nowMs = 0; nowMs < 100; nowMs++) expect(bucket.room(nowMs)).toBe(0);
    expect(bucket.room(100)).toBe(1);
    expect(bucket.room(100)).toBe(1);
    expect(bucket.room(10_000)).toBe(10);
  });
});

describe('a run log', () => {
  test('counts and forgets as a plain list does (seed 41)', () => {
    const random = seededRandom(41);
    const log = new RunLog();
    let list: { atMs: number; count: number }[] = [];
    let nowMs = 0;
    for (let step = 0; step < 20_000; step++) {
      nowMs += random.integer(0, 3);
      if (random.next() < 0.7) {
        const count = random.integer(1, 5);
        log.add(count, nowMs);
        list.push({ atMs: nowMs, count });
      } else {
        const untilMs = nowMs - random.integer(0, 400);
        const target = random.integer(0, 200);
        const [before, gone] = [total(list), list.filter(({ atMs }) => atMs <= untilMs)];
        list = list.filter(({ atMs }) => atMs > untilMs);
        let left = before;
        let fellAtMs: number | undefined;
        // Those of one instant leave together.
        for (const instantMs of new Set(gone.map(({ atMs }) => atMs))) {
          left -= total(gone.filter(({ atMs }) => atMs === instantMs));
          if (left <= target) fellAtMs ??= instantMs;
        }
        expect(log.expire(untilMs, target)).toBe(fellAtMs);
      }
      expect(log.total).toBe(total(list));
      expect(log.length).toBe(new Set(list.map(({ atMs }) => atMs)).size);
      expect([log.oldestMs, log.newestMs]).toEqual([list[0]?.atMs, list.at(-1)?.atMs]);
    }
  });
});

function total(list: readonly { count: number }[]): number {
  return list.reduce((sum, { count }) => sum + count, 0);
}
