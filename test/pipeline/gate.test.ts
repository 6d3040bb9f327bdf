/** The gate with a pump behind it, under the virtual clock: who gets a turn, and what limits do. */

import { describe, expect, onTestFinished, test } from 'vitest';
import type { Clock } from '../../src/domain/clock.ts';
import { seededRandom } from '../../src/domain/random.ts';
import type { IngestRecord } from '../../src/domain/record.ts';
import type { RateLimitOptions } from '../../src/domain/source.ts';
import { BoundedQueue } from '../../src/pipeline/bounded-queue.ts';
import { createLimit, Gate, type Lane, type Limit } from '../../src/pipeline/gate.ts';
import { createPump, type Pump } from '../../src/pipeline/pump.ts';
import { virtualClock, type VirtualClock } from '../../src/testing/virtual-clock.ts';
import { record } from './fixture.ts';

interface Event {
  readonly lane: string;
  readonly atMs: number;
  readonly records: number;
}

interface FieldOptions {
  readonly lanes?: readonly (Partial<RateLimitOptions> | null)[];
  readonly limit?: Partial<RateLimitOptions> | null;
  readonly quantumRecords?: number;
  /** A clock in front of the virtual one. */
  readonly clock?: (clock: VirtualClock) => Clock;
  /** Told of every batch, as it leaves the gate. */
  readonly onBatch?: (lane: TestLane, records: number) => void;
}

function limitOf(options: Partial<RateLimitOptions> | null | undefined): Limit | null {
  if (options === null || options === undefined) return null;
  return createLimit({
    recordsPerSecondMax: 20,
    policy: 'drop',
    scope: 'global',
    algorithm: 'sliding-window',
    refusalPauseMs: 10,
    ...options,
  });
}

class TestLane implements Lane {
  readonly name: string;
  readonly queue: BoundedQueue<IngestRecord>;
  readonly limit: Limit | null;
  readonly refused: IngestRecord[] = [];
  readonly passed: number[] = [];
  turn: Lane['turn'] = null;
  canWait = true;
  offered = 0;
  readonly #onRefused: (lane: TestLane) => void;

  constructor(name: string, limit: Limit | null, clock: Clock, field: Field) {
    this.name = name;
    this.limit = limit;
    this.#onRefused = (lane) =>
      field.refusals.push({ lane: lane.name, atMs: clock.monotonicMs(), records: 1 });
    this.queue = new BoundedQueue({
      capacity: 1_000_000,
      overflow: 'block',
      waitMsMax: null,
      clock,
      onItems: () => field.gate.arrive(this),
    });
  }

  onRefused(item: IngestRecord): void {
    this.refused.push(item);
    this.#onRefused(this);
  }

  offer(records: number): void {
    const batch = Array.from({ length: records }, () => record(++this.offered, { sourceId: this.name }));
    this.queue.offer(batch);
  }
}

class Field {
  readonly clock = virtualClock();
  readonly gate: Gate;
  readonly pump: Pump;
  readonly lanes: readonly TestLane[];
  readonly passes: Event[] = [];
  readonly refusals: Event[] = [];
  /** How much goes through before the pump is held up. */
  budget = Number.MAX_SAFE_INTEGER;
  toldLimited: { limit: Limit; dropped: number }[] = [];

  constructor({ lanes = [null], limit, quantumRecords, clock = (same) => same, onBatch }: FieldOptions = {}) {
    const seen = clock(this.clock);
    this.gate = new Gate({
      clock: seen,
      limit: limitOf(limit),
      onItems: () => this.pump.wake(),
      onLimited: ({ limit: reached, dropped }) => {
        this.toldLimited.push({ limit: reached, dropped });
      },
      ...(quantumRecords === undefined ? {} : { quantumRecords }),
    });
    this.lanes = lanes.map((options, index) => new TestLane(`s${index}`, limitOf(options), seen, this));
    const failures: unknown[] = [];
    onTestFinished(() => expect(failures).toEqual([]));
    this.pump = createPump(
      this.gate,
      () => this.budget,
      (batch) => {
        const lane = this.lane((batch[0] as IngestRecord).sourceId);
        expect(new Set(batch.map(({ sourceId }) => sourceId)).size).toBe(1);
        this.budget -= batch.length;
        lane.passed.push(...batch.map(({ seq }) => seq));
        this.passes.push({ lane: lane.name, atMs: this.clock.monotonicMs(), records: batch.length });
        onBatch?.(lane, batch.length);
      },
      (error) => failures.push(error),
    );
  }

  lane(name: string): TestLane {
    return this.lanes.find((lane) => lane.name === name) as TestLane;
  }

  let(records: number): void {
    this.budget += records;
    this.pump.wake();
  }

  /** Every record is passed, refused or waiting, and passed in order. */
  expectAccount(): void {
    for (const { offered, passed, refused, queue } of this.lanes) {
      expect(passed.length + refused.length + queue.size + queue.blocked).toBe(offered);
      expect(passed).toEqual(passed.toSorted((left, right) => left - right));
    }
  }
}

/** The most records of `events` within (t − 1 s, t], for any t. */
function mostWithinASecond(events: readonly Event[]): number {
  return Math.max(
    0,
    ...events.map(({ atMs }) =>
      events
        .filter((other) => other.atMs <= atMs && other.atMs > atMs - 1_000)
        .reduce((sum, { records }) => sum + records, 0),
    ),
  );
}

/** The most by which the records of any stretch of `events` exceed what `perSecond` brings in its time. */
function mostAboveRate(events: readonly Event[], perSecond: number): number {
  let [above, most, lastMs] = [0, 0, 0];
  for (const { atMs, records } of events) {
    above = Math.max(0, above - ((atMs - lastMs) * perSecond) / 1_000) + records;
    lastMs = atMs;
    most = Math.max(most, above);
  }
  return most;
}

/** How much more one of two lanes was served than the other, at most, over any time in which both had
 *  records. */
class ServiceGap {
  readonly #lanes: readonly TestLane[];
  /** Per pair: records of the first minus those of the second, and the least and most that was so far. */
  readonly #gaps = new Map<string, { now: number; least: number; most: number }>();
  widest = 0;

  constructor(lanes: readonly TestLane[]) {
    this.#lanes = lanes;
  }

  /** To be called after every batch; lanes without records begin from nothing. */
  served(lane: TestLane, records: number): void {
    for (const one of this.#lanes) {
      for (const other of this.#lanes) {
        if (one.name >= other.name || (one !== lane && other !== lane)) continue;
        const pair = `${one.name} ${other.name}`;
        const gap = this.#gaps.get(pair) ?? { now: 0, least: 0, most: 0 };
        gap.now += one === lane ? records : -records;
        gap.least = Math.min(gap.least, gap.now);
        gap.most = Math.max(gap.most, gap.now);
        this.widest = Math.max(this.widest, gap.now - gap.least, gap.most - gap.now);
        this.#gaps.set(pair, gap);
      }
    }
    for (const empty of this.#lanes.filter(({ queue }) => queue.size === 0)) {
      for (const pair of this.#gaps.keys()) if (pair.split(' ').includes(empty.name)) this.#gaps.delete(pair);
    }
  }
}

describe('the gate takes turns', () => {
  test.each([61, 62, 63, 64, 65])(
    'and serves lanes with the same number of records (seed %i)',
    async (seed) => {
      const random = seededRandom(seed);
      const quantum = 4;
      const field: Field = new Field({
        lanes: [null, null, null, null, null],
        quantumRecords: quantum,
        onBatch: (lane, records) => {
          expect(records).toBeLessThanOrEqual(quantum);
          gap.served(lane, records);
        },
      });
      const gap = new ServiceGap(field.lanes);
      field.budget = 0;
      for (let step = 0; step < 2_000; step++) {
        for (const lane of field.lanes) if (random.next() < 0.3) lane.offer(random.integer(1, 12));
        field.let(random.integer(0, 12));
        await field.clock.advance(1);
      }
      field.expectAccount();
      expect(field.passes.length).toBeGreaterThan(1_000);
      expect(gap.widest).toBeLessThanOrEqual(2 * quantum);
      field.let(Number.MAX_SAFE_INTEGER);
      await field.clock.advance(0);
      expect(field.lanes.map(({ passed, offered }) => passed.length === offered)).not.toContain(false);
    },
  );

  test('of the same size where the room on the far side varies with them', async () => {
    const field = new Field({ lanes: [null, null] });
    field.budget = 0;
    for (const lane of field.lanes) lane.offer(10_000);
    for (let step = 0; step < 200; step++) {
      field.let(step % 2 === 0 ? 1 : 64);
      await field.clock.advance(0);
    }
    const [first = 0, second = 0] = field.lanes.map(({ passed }) => passed.length);
    expect(Math.abs(first - second)).toBeLessThanOrEqual(64);
  });

  test('a record at a time where the far side has room for one', async () => {
    const field = new Field({ lanes: [null, null, null] });
    field.budget = 0;
    for (const lane of field.lanes) lane.offer(3);
    for (let step = 0; step < 9; step++) {
      field.let(1);
      await field.clock.advance(0);
    }
    expect(field.passes.map(({ lane }) => lane).join(' ')).toBe('s0 s1 s2 s0 s1 s2 s0 s1 s2');
  });

  test('with nobody where only one has records', async () => {
    const field = new Field({ lanes: [null, null], quantumRecords: 4 });
    field.lanes[0]?.offer(10);
    await field.clock.advance(0);
    expect(field.passes.map(({ records }) => records)).toEqual([4, 4, 2]);
  });

  test('and passes over a lane that was emptied meanwhile', async () => {
    const field = new Field({ lanes: [null, null] });
    field.budget = 0;
    for (const lane of field.lanes) lane.offer(2);
    await field.clock.advance(0);
    field.lanes[0]?.queue.clear();
    field.let(10);
    await field.clock.advance(0);
    expect(field.passes).toEqual([{ lane: 's1', atMs: 0, records: 2 }]);
    field.lanes[0]?.offer(1);
    await field.clock.advance(0);
    expect(field.lanes[0]?.passed).toEqual([3]);
  });
});

describe('a limit that drops', () => {
  /** 1 record a ms from each lane for 5 s. */
  async function saturate(field: Field): Promise<void> {
    for (let ms = 0; ms < 5_000; ms++) {
      for (const lane of field.lanes) lane.offer(1);
      await field.clock.advance(1);
      if (ms % 100 === 0) field.expectAccount();
    }
    field.expectAccount();
  }
  /** After a refusal nothing of `events` happens before its pause is over, and then something does at once.
   */
  function expectPauses(refusals: readonly Event[], passes: readonly Event[], pauseMs: number): void {
    const events = [...refusals, ...passes].toSorted((left, right) => left.atMs - right.atMs);
    for (const { atMs } of refusals.slice(0, -1)) {
      const next = events.find((event) => event.atMs > atMs);
      expect(next?.atMs).toBe(atMs + pauseMs);
    }
  }

  test.each([
    ['sliding-window', 10],
    ['sliding-window', 25],
    ['token-bucket', 10],
  ] as const)('(%s) tries again exactly its pause of %i ms after a refusal', async (algorithm, pauseMs) => {
    const field = new Field({ lanes: [null, null], limit: { algorithm, refusalPauseMs: pauseMs } });
    await saturate(field);
    expect(field.refusals.length).toBeGreaterThan(150);
    expectPauses(field.refusals, field.passes, pauseMs);
    if (algorithm === 'sliding-window') expect(mostWithinASecond(field.passes)).toBe(20);
    expect(field.toldLimited.length).toBe(field.refusals.length);
    expect(field.toldLimited.every(({ dropped }) => dropped === 1)).toBe(true);
  });

  test('for one source pauses that source alone', async () => {
    const field = new Field({ lanes: [{ recordsPerSecondMax: 20 }, null] });
    await saturate(field);
    const of = (events: readonly Event[], name: string) => events.filter(({ lane }) => lane === name);
    expect(field.lanes[1]?.passed.length).toBe(5_000);
    expect(mostWithinASecond(of(field.passes, 's0'))).toBe(20);
    expectPauses(of(field.refusals, 's0'), of(field.passes, 's0'), 10);
  });

  test('without a pause drops at once whatever is above it', async () => {
    const field = new Field({ limit: { refusalPauseMs: 0 } });
    field.lanes[0]?.offer(100);
    await field.clock.advance(0);
    expect([field.lanes[0]?.passed.length, field.lanes[0]?.refused.length]).toEqual([20, 80]);
  });

  test('takes its refusals from all lanes in turn', async () => {
    const field = new Field({ lanes: [null, null], limit: {} });
    for (const lane of field.lanes) lane.offer(200);
    await field.clock.advance(500);
    const [first = 0, second = 0] = field.lanes.map(({ refused }) => refused.length);
    expect(Math.abs(first - second)).toBeLessThanOrEqual(1);
    expect(first).toBeGreaterThan(10);
  });
});

describe('a limit that delays', () => {
  test.each(['sliding-window', 'token-bucket'] as const)('(%s) loses nothing', async (algorithm) => {
    const field = new Field({ lanes: [null, null, null], limit: { algorithm, policy: 'delay' } });
    for (const lane of field.lanes) lane.offer(100);
    await field.clock.advance(60_000);
    field.expectAccount();
    expect(field.lanes.map(({ passed }) => passed.length)).toEqual([100, 100, 100]);
    expect(field.refusals).toEqual([]);
    expect(field.toldLimited.every(({ dropped }) => dropped === 0)).toBe(true);
    const lastMs = field.passes.at(-1)?.atMs ?? 0;
    expect(lastMs).toBeGreaterThanOrEqual(14_000 - 1_000);
    expect(lastMs).toBeLessThanOrEqual(15_000);
    if (algorithm === 'sliding-window') expect(mostWithinASecond(field.passes)).toBe(20);
    expect(field.clock.pendingTimers).toBe(0);
  });

  test('for one source holds nobody else up', async () => {
    const field = new Field({ lanes: [{ policy: 'delay', recordsPerSecondMax: 1 }, null] });
    for (const lane of field.lanes) lane.offer(5);
    await field.clock.advance(0);
    expect(field.lanes.map(({ passed }) => passed.length)).toEqual([1, 5]);
    await field.clock.advance(4_000);
    expect(field.passes.filter(({ lane }) => lane === 's0').map(({ atMs }) => atMs)).toEqual([
      0, 1_000, 2_000, 3_000, 4_000,
    ]);
  });
});

describe('limits of sources and of all together', () => {
  const cases = (['drop', 'delay'] as const).flatMap((global) =>
    (['drop', 'delay'] as const).flatMap((own) =>
      (['sliding-window', 'token-bucket'] as const).map((algorithm) => ({ global, own, algorithm })),
    ),
  );
  test.each(cases.map((setting, index) => ({ ...setting, seed: 71 + index })))(
    'both hold under random load (all: $global, own: $own, $algorithm, seed $seed)',
    async ({ global, own, algorithm, seed }) => {
      const random = seededRandom(seed);
      const ownMax = [3, 8, 15, 25, 40];
      const field = new Field({
        lanes: ownMax.map((max) => ({ recordsPerSecondMax: max, policy: own, algorithm })),
        limit: { recordsPerSecondMax: 50, policy: global, algorithm },
        quantumRecords: 4,
      });
      for (let step = 0; step < 1_500; step++) {
        const lane = field.lanes[random.integer(0, 4)] as TestLane;
        lane.offer(random.next() < 0.9 ? 1 : random.integer(5, 30));
        await field.clock.advance(random.next() < 0.98 ? random.integer(0, 8) : random.integer(500, 2_000));
        field.expectAccount();
      }
      expectLimited(field.passes, 50, algorithm);
      for (const [index, { name }] of field.lanes.entries()) {
        const passes = field.passes.filter(({ lane }) => lane === name);
        expectLimited(passes, ownMax[index] as number, algorithm);
      }
      if (own === 'delay' && global === 'delay') {
        expect(field.refusals).toEqual([]);
        await field.clock.advance(2_000_000);
        expect(field.lanes.every(({ passed, offered }) => passed.length === offered)).toBe(true);
      } else {
        expect(field.refusals.length).toBeGreaterThan(20);
      }
    },
  );

  function expectLimited(passes: readonly Event[], max: number, algorithm: string): void {
    if (algorithm === 'sliding-window') {
      expect(mostWithinASecond(passes)).toBeLessThanOrEqual(max);
      return;
    }
    expect(mostAboveRate(passes, max)).toBeLessThanOrEqual(max + 1e-6);
  }
});

/** The largest share for each such that nobody gets more than it asks for and nobody could get more without
 *  taking it from one that has no more (max-min fairness). */
function fairShares(asked: readonly number[], capacity: number): number[] {
  const order = asked
    .map((_, index) => index)
    .toSorted((one, other) => (asked[one] ?? 0) - (asked[other] ?? 0));
  const shares = asked.map(() => 0);
  let left = capacity;
  for (const [place, index] of order.entries()) {
    shares[index] = Math.min(asked[index] ?? 0, left / (order.length - place));
    left -= shares[index] ?? 0;
  }
  return shares;
}

describe('a limit for all sources starves none', () => {
  test.each(['delay', 'drop'] as const)('of two that send alike (%s)', async (policy) => {
    const field = new Field({ lanes: [null, null], limit: { policy, recordsPerSecondMax: 5 } });
    for (let step = 0; step < 1_000; step++) {
      for (const lane of field.lanes) lane.offer(1);
      await field.clock.advance(20);
    }
    const [first = 0, second = 0] = field.lanes.map(({ passed }) => passed.length);
    expect(first + second).toBeGreaterThanOrEqual(95);
    expect(Math.abs(first - second)).toBeLessThanOrEqual(2);
  });

  test('and a single record beside a backlog waits for one turn', async () => {
    const field = new Field({ lanes: [null, null], limit: { policy: 'delay', recordsPerSecondMax: 5 } });
    field.lanes[0]?.offer(10_000);
    await field.clock.advance(5_300);
    field.lanes[1]?.offer(1);
    await field.clock.advance(1_000);
    expect(field.lanes[1]?.passed).toEqual([1]);
  });

  const SECONDS = 20;
  const policies = ['delay', 'drop', 'auto'] as const;
  const seeds = Array.from({ length: 12 }, (_, index) => index);

  test.each(policies.flatMap((policy) => seeds.map((seed) => ({ policy, seed }))))(
    'whatever their rates and phases ($policy, seed $seed)',
    async ({ policy, seed }) => {
      const random = seededRandom(seed * 3 + policies.indexOf(policy));
      const recordsPerSecondMax = random.integer(1, 60);
      const field = new Field({
        lanes: Array.from({ length: random.integer(2, 6) }, () => null),
        limit: {
          policy,
          recordsPerSecondMax,
          algorithm: random.next() < 0.5 ? 'sliding-window' : 'token-bucket',
        },
      });
      const intervals = [5, 10, 20, 50, 100, 500];
      const common = intervals[random.integer(0, 4)] as number;
      const sources = field.lanes.map((lane) => ({
        lane,
        everyMs: random.next() < 0.6 ? common : (intervals[random.integer(0, 5)] as number),
        burst: random.next() < 0.8 ? 1 : random.integer(2, 20),
        phaseMs: random.integer(0, 4),
      }));
      for (const lane of field.lanes) lane.canWait = random.next() < 0.5;
      for (let ms = 0; ms < SECONDS * 1_000; ms += 1) {
        const due = sources.filter(({ everyMs, phaseMs }) => (ms - phaseMs) % everyMs === 0);
        if (due.length === 0) continue;
        await field.clock.advance(ms - field.clock.monotonicMs());
        for (const { lane, burst } of due) lane.offer(burst);
      }
      field.expectAccount();
      const passed = field.lanes.map((lane) => lane.passed.length);
      const total = passed.reduce((sum, one) => sum + one, 0);
      const shares = fairShares(
        field.lanes.map(({ offered }) => offered),
        total,
      );
      for (const [index, share] of shares.entries()) {
        const { canWait } = field.lanes[index] as TestLane;
        const waits = policy === 'delay' || (policy === 'auto' && canWait);
        // Nothing of a source whose records are dropped waits for room, so it cannot have all of its share.
        const least = waits ? 0.7 * share - 5 : 0.2 * share - 2;
        expect(passed[index], JSON.stringify({ index, passed, shares })).toBeGreaterThanOrEqual(least);
      }
    },
  );
});

describe('a clock whose timers fire a little early', () => {
  const early = (clock: VirtualClock): Clock => ({
    ...clock,
    setTimeout: (callback, delayMs) => clock.setTimeout(callback, Math.max(0, delayMs - 0.8)),
  });

  test.each(['drop', 'delay'] as const)(
    'stops no gate that waits for a limit of all (%s)',
    async (policy) => {
      const field = new Field({ lanes: [null, null], limit: { policy }, clock: early });
      for (const lane of field.lanes) lane.offer(100);
      await field.clock.advance(20_000);
      field.expectAccount();
      expect(field.lanes.map(({ queue }) => queue.size)).toEqual([0, 0]);
    },
  );

  test('makes no pause after a refusal shorter', async () => {
    const field = new Field({ lanes: [{}, null], clock: early });
    field.lanes[0]?.offer(200);
    await field.clock.advance(2_000);
    const events = [...field.refusals, ...field.passes].toSorted((left, right) => left.atMs - right.atMs);
    for (const [index, { atMs }] of field.refusals.slice(0, -1).entries()) {
      const next = events.find((event) => event.atMs > atMs);
      expect((next?.atMs ?? 0) - atMs, `refusal ${index}`).toBeGreaterThanOrEqual(10);
    }
  });
});

test('a closed gate leaves no timer behind', async () => {
  const field = new Field({ lanes: [{ policy: 'delay' }, null], limit: { policy: 'delay' } });
  for (const lane of field.lanes) lane.offer(100);
  await field.clock.advance(10);
  expect(field.clock.pendingTimers).toBeGreaterThan(0);
  field.gate.close();
  expect(field.clock.pendingTimers).toBe(0);
});
