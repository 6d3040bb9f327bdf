/** The burst window against a plain count of every record, arrival by arrival and departure by departure. */

import { describe, expect, test } from 'vitest';
import { seededRandom, type Random } from '../../src/domain/random.ts';
import { BurstWindow, type BurstEdge, type BurstOptions } from '../../src/pipeline/burst-window.ts';
import { heapBytes } from './fixture.ts';

/** Records in the window, one by one; edges as they come. */
class Oracle {
  readonly edges: BurstEdge[] = [];
  readonly #options: BurstOptions;
  times: number[] = [];
  #burst: { beganMs: number; alertedMs: number; peak: number } | null = null;

  constructor(options: BurstOptions) {
    this.#options = options;
  }

  get isBursting(): boolean {
    return this.#burst !== null;
  }

  /** Lets every record leave that has been here for a whole window. */
  pass(nowMs: number): void {
    const { windowMs, clearRecords } = this.#options;
    while (this.times.length > 0 && (this.times[0] as number) + windowMs <= nowMs) {
      const leftMs = (this.times.shift() as number) + windowMs;
      if (this.#burst === null || this.times.length > clearRecords) continue;
      const { beganMs, peak } = this.#burst;
      this.edges.push({ edge: 'over', beganMs, overMs: leftMs, peakRecords: peak });
      this.#burst = null;
    }
  }

  arrive(records: number, nowMs: number): void {
    this.pass(nowMs);
    for (let count = 0; count < records; count++) {
      this.times.push(nowMs);
      if (this.times.length > this.#options.thresholdRecords) this.#above(nowMs);
      if (this.#burst !== null) this.#burst.peak = Math.max(this.#burst.peak, this.times.length);
    }
  }

  #above(nowMs: number): void {
    const { realertMs } = this.#options;
    const isDue = realertMs !== null && nowMs - (this.#burst?.alertedMs ?? 0) >= realertMs;
    if (this.#burst !== null && !isDue) return;
    this.edges.push({
      edge: this.#burst === null ? 'began' : 'again',
      windowRecords: this.times.length,
      oldestMs: this.times[0] as number,
      newestMs: nowMs,
    });
    this.#burst = { beganMs: nowMs, peak: 0, ...this.#burst, alertedMs: nowMs };
  }
}

const OPTIONS: BurstOptions = { thresholdRecords: 30, windowMs: 500, clearRecords: 30, realertMs: null };

function randomOptions(random: Random): BurstOptions {
  const thresholdRecords = random.integer(1, 40);
  return {
    thresholdRecords,
    windowMs: random.integer(1, 40) * 25,
    clearRecords: random.next() < 0.5 ? thresholdRecords : random.integer(0, thresholdRecords),
    realertMs: random.next() < 0.5 ? null : random.integer(1, 1_000),
  };
}

/** Times that swing between calm and busy, in quarters of a millisecond. */
function nextGapMs(random: Random, isBusy: boolean): number {
  const roll = random.next();
  if (roll < 0.2) return 0;
  return random.integer(1, isBusy ? 40 : 600) / 4;
}

/** Runs window and oracle side by side; gives back the edges. */
function sideBySide(seed: number): readonly BurstEdge[] {
  const random = seededRandom(seed);
  const options = randomOptions(random);
  const [window, oracle] = [new BurstWindow(options), new Oracle(options)];
  const edges: BurstEdge[] = [];
  let [nowMs, isBusy] = [0, false];
  for (let step = 0; step < 2_500; step++) {
    if (random.next() < 0.01) isBusy = !isBusy;
    nowMs += nextGapMs(random, isBusy);
    const records = random.next() < 0.8 ? 1 : random.integer(1, 12);
    if (random.next() < 0.1) {
      oracle.pass(nowMs);
      edges.push(...window.settle(nowMs));
    } else {
      oracle.arrive(records, nowMs);
      edges.push(...window.arrive(records, nowMs));
    }
    expect(window.records, `seed ${seed}, step ${step}`).toBe(oracle.times.length);
    expect(window.isBursting, `seed ${seed}, step ${step}`).toBe(oracle.isBursting);
    expectClearTime(window, oracle, options);
  }
  expect(edges, `seed ${seed}`).toEqual(oracle.edges);
  return edges;
}

/** If nothing more arrives, the burst is over when enough of what is here has left. */
function expectClearTime(window: BurstWindow, { times, isBursting }: Oracle, options: BurstOptions): void {
  const leavingMs = times[times.length - options.clearRecords - 1];
  expect(window.clearAtMs).toBe(isBursting ? (leavingMs as number) + options.windowMs : null);
}

test('edges are those of a plain count of every record (seeds 101 to 160)', { tags: 'full' }, () => {
  const edges = Array.from({ length: 60 }, (_, index) => sideBySide(101 + index)).flat();
  for (const kind of ['began', 'again', 'over']) {
    expect(edges.filter(({ edge }) => edge === kind).length, kind).toBeGreaterThan(200);
  }
});

/** Edges of arrivals given as [ms, records]; a closing `null` lets time pass to the end. */
function check(
  arrivals: readonly (readonly [number, number])[],
  expected: readonly Partial<BurstEdge>[],
  options: Partial<BurstOptions> = {},
): void {
  const window = new BurstWindow({ ...OPTIONS, ...options });
  const edges = arrivals.flatMap(([nowMs, records]) => window.arrive(records, nowMs));
  edges.push(...window.settle(1e6));
  expect(edges).toEqual(expected.map((edge) => expect.objectContaining(edge) as BurstEdge));
}

describe('a burst', () => {
  test('is not 30 records in a window for 30', () => check([[0, 30]], []));
  test('is the 31st record in a window for 30', () =>
    check(
      [
        [0, 30],
        [499, 1],
      ],
      [
        { edge: 'began', windowRecords: 31, oldestMs: 0, newestMs: 499 },
        { edge: 'over', beganMs: 499, overMs: 500, peakRecords: 31 },
      ],
    ));
  test('is not 31 records of which the first has left', () =>
    check(
      [
        [0, 1],
        [10, 29],
        [500, 1],
      ],
      [],
    ));
  test('that arrives all at once is told of its 31st record', () =>
    check(
      [[100, 50]],
      [
        { edge: 'began', windowRecords: 31, oldestMs: 100, newestMs: 100 },
        { edge: 'over', beganMs: 100, overMs: 600, peakRecords: 50 },
      ],
    ));
  test('that follows another at the instant of its end is one of its own', () =>
    check(
      [
        [0, 31],
        [500, 31],
      ],
      [
        { edge: 'began' },
        { edge: 'over', overMs: 500 },
        { edge: 'began', newestMs: 500 },
        { edge: 'over', overMs: 1_000 },
      ],
    ));
  test('that goes on is told once where no further alert is wanted', () =>
    check(
      Array.from({ length: 200 }, (_, index) => [index * 10, 2] as const),
      [{ edge: 'began' }, { edge: 'over' }],
    ));
  test('that goes on is told again after as long as wanted, by the record that comes then', () =>
    check(
      [
        [0, 31],
        [299, 1],
        [300, 1],
        [301, 1],
        [599, 40],
        [601, 1],
      ],
      [
        { edge: 'began' },
        { edge: 'again', newestMs: 300, windowRecords: 33 },
        { edge: 'over', overMs: 500, peakRecords: 34 },
        { edge: 'began', newestMs: 599 },
        { edge: 'over' },
      ],
      { realertMs: 300 },
    ));
  test('holds on until the window is down to what counts as clear', () =>
    check(
      [
        [0, 20],
        [100, 11],
        [550, 5],
        [560, 20],
      ],
      [{ edge: 'began' }, { edge: 'over', beganMs: 100, overMs: 1_060, peakRecords: 36 }],
      { clearRecords: 10 },
    ));
});

describe('a million arrivals in one window', () => {
  test('take no more memory than some thousand', async () => {
    const options = { ...OPTIONS, windowMs: 1_000, thresholdRecords: 100_000, clearRecords: 50_000 };
    const windows: BurstWindow[] = [];
    const growthBytes = async () => {
      const before = await heapBytes();
      const window = new BurstWindow(options);
      windows.push(window);
      let edges = 0;
      for (let arrival = 0; arrival < 1_000_000; arrival++) edges += window.arrive(1, arrival / 1_000).length;
      expect([window.records, edges]).toEqual([1_000_000, 1]);
      return (await heapBytes()) - before;
    };
    // The least of three: what else the process does meanwhile takes memory of its own.
    const growths = [await growthBytes(), await growthBytes(), await growthBytes()];
    expect(Math.min(...growths)).toBeLessThan(400_000);
    expect(windows).toHaveLength(3);
  });

  test('leave at most a 4,096th of the window early', { tags: 'full' }, () => {
    const random = seededRandom(161);
    const windowMs = 1_000;
    const window = new BurstWindow({ ...OPTIONS, windowMs });
    const slackMs = windowMs / 4_096;
    const times: number[] = [];
    let [nowMs, oldest, oldestSure] = [0, 0, 0];
    for (let arrival = 0; arrival < 200_000; arrival++) {
      nowMs += random.next() * (arrival % 50_000 < 40_000 ? 0.1 : 1);
      window.arrive(1, nowMs);
      times.push(nowMs);
      while ((times[oldest] as number) <= nowMs - windowMs) oldest++;
      while ((times[oldestSure] as number) <= nowMs - windowMs + slackMs) oldestSure++;
      expect(window.records).toBeLessThanOrEqual(times.length - oldest);
      expect(window.records).toBeGreaterThanOrEqual(times.length - oldestSure);
    }
  });
});
