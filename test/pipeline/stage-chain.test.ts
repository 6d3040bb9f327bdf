/** The flow between a supply and an exit: what stages do to records, and how fullness travels back. */

import { map } from 'rxjs';
import type { Outcome } from '../../src/domain/receipt.ts';
import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../src/domain/random.ts';
import { isPoison, type FlowItem, type IngestRecord, type PoisonRecord } from '../../src/domain/record.ts';
import { StageChain } from '../../src/pipeline/stage-chain.ts';
import { createPump, type Downstream, type Pump } from '../../src/pipeline/pump.ts';
import type { Stage } from '../../src/pipeline/stage.ts';
import { boundedQueue, filter, transform, transformAsync } from '../../src/pipeline/stages.ts';
import { virtualClock } from '../../src/testing/virtual-clock.ts';
import { records, seqsOf, settled, tracked } from './fixture.ts';

const n = (record: IngestRecord): number => (record.data as { n: number }).n;

/** What becomes of larger batches is not written down. */
const TRACKED_RECORDS_MAX = 100;

class Channel implements Downstream {
  readonly clock = virtualClock();
  readonly flow: StageChain;
  readonly supply: IngestRecord[] = [];
  readonly received: FlowItem[] = [];
  readonly poisoned: { readonly item: PoisonRecord; readonly stageName: string }[] = [];
  /** What became of records that did not come out, in order. */
  readonly settled: [seq: number, outcome: Outcome][] = [];
  readonly failures: unknown[] = [];
  /** Records fetched from the supply. */
  pulled = 0;
  budget = Number.MAX_SAFE_INTEGER;
  onPush: (batch: readonly FlowItem[]) => void = () => {};
  readonly #pump: Pump;

  constructor(...stages: Stage[]) {
    this.flow = new StageChain({
      stages,
      exit: this,
      clock: this.clock,
      onPoison: (item, stageName) => this.poisoned.push({ item, stageName }),
      onDropped: () => {},
      onRoom: () => this.#pump.wake(),
      onFailure: (error) => this.failures.push(error),
    });
    this.#pump = createPump(
      {
        take: (max) => {
          const batch = this.supply.splice(0, Math.min(max, 256));
          this.pulled += batch.length;
          return batch;
        },
      },
      () => this.flow.budget,
      (batch) => this.flow.push(batch),
      (error) => this.failures.push(error),
    );
  }

  push(batch: readonly FlowItem[]): void {
    expect(batch.length).toBeLessThanOrEqual(this.budget);
    this.onPush(batch);
    this.budget -= batch.length;
    this.received.push(...batch);
  }

  /** Hands records in and lets what can move move. */
  async send(batch: readonly IngestRecord[]): Promise<void> {
    const isTracked = batch.length <= TRACKED_RECORDS_MAX;
    for (const item of batch) {
      const tell = (outcome: Outcome) => this.settled.push([item.seq, outcome]);
      this.supply.push(isTracked ? tracked(item, tell) : item);
    }
    this.#pump.wake();
    await settled();
  }

  /** The exit takes `records` more. */
  async allow(records: number): Promise<void> {
    this.budget += records;
    this.flow.wakeLast();
    await settled();
  }

  report(stageName: string) {
    const found = this.flow.reports().find((report) => report.stageName === stageName);
    if (found === undefined) throw new Error(`no stage "${stageName}" reports`);
    return found;
  }

  get values(): unknown[] {
    return this.received.map((item) => (isPoison(item) ? 'poison' : item.data));
  }
}

describe('operators', () => {
  test('pass everything where there are none', async () => {
    const channel = new Channel();
    await channel.send(records(600));
    expect(seqsOf(channel.received)).toEqual(seqsOf(records(600)));
  });

  test('keep what the filter keeps, and count both', async () => {
    const random = seededRandom(201);
    const input = records(10_000).map((record) => ({ ...record, data: { n: random.integer(0, 100) } }));
    const keep = (record: IngestRecord) => n(record) >= 30 && n(record) <= 70;
    const channel = new Channel(filter(keep, 'window'));
    await channel.send(input);
    expect(seqsOf(channel.received)).toEqual(seqsOf(input.filter(keep)));
    const passed = channel.received.length;
    expect(channel.report('window')).toEqual({
      stageName: 'window',
      in: 10_000,
      out: passed,
      filtered: 10_000 - passed,
      failed: 0,
    });
  });

  test('change data and leave identity, times, key and cursor', async () => {
    const channel = new Channel(transform((record) => (n(record) - 30) / 40));
    const [record] = records(1, { key: 'k', cursor: 'c', contentType: 'application/json', data: { n: 50 } });
    await channel.send([record as IngestRecord]);
    expect(channel.received).toMatchObject([{ ...record, data: 0.5 }]);
  });

  test('that throw make poison in its place, and go on', async () => {
    const channel = new Channel(
      transform((record) => {
        if (record.seq % 7 === 0) throw new RangeError(`no ${record.seq}`);
        return record.seq * 10;
      }, 'tens'),
    );
    await channel.send(records(100));
    await channel.send(records(1));
    const expected = Array.from({ length: 100 }, (_, index) =>
      (index + 1) % 7 === 0 ? 'poison' : (index + 1) * 10,
    );
    expect(channel.values).toEqual([...expected, 10]);
    expect(seqsOf(channel.received.slice(0, 100))).toEqual(seqsOf(records(100)));
    expect(channel.poisoned.length).toBe(14);
    expect(channel.poisoned[0]?.stageName).toBe('tens');
    expect(channel.poisoned[0]?.item).toMatchObject({
      seq: 7,
      data: undefined,
      error: { code: 'HG_STAGE_THREW', message: 'no 7' },
      originalRecord: records(7).at(-1),
    });
    expect(channel.report('tens')).toMatchObject({ in: 101, out: 101, filtered: 0, failed: 14 });
    expect(channel.failures).toEqual([]);
  });

  test.each<[string, unknown]>([
    ['a string', 'no'],
    ['nothing', undefined],
    ['null', null],
    ['an object that cannot be printed', Object.create(null)],
  ])('may throw %s', async (_, thrown) => {
    const channel = new Channel(
      filter(() => {
        throw thrown;
      }),
    );
    await channel.send(records(2));
    expect(channel.values).toEqual(['poison', 'poison']);
    expect(typeof channel.poisoned[0]?.item.error.message).toBe('string');
  });

  test('never see poison made before them', async () => {
    const seen: number[] = [];
    const channel = new Channel(
      transform((record) => {
        if (record.seq === 2) throw new Error('no');
        return record.data;
      }),
      filter((record) => {
        seen.push(record.seq);
        return record.seq !== 3;
      }),
      transformAsync(async (record) => {
        seen.push(record.seq);
        return record.data;
      }),
    );
    await channel.send(records(3));
    expect(seen).toEqual([1, 3, 1]);
    expect(channel.values).toEqual([{ n: 1 }, 'poison']);
  });

  test('that leave nothing of a batch send nothing on', async () => {
    const channel = new Channel(filter(() => false));
    let pushes = 0;
    channel.onPush = () => pushes++;
    await channel.send(records(300));
    expect(pushes).toBe(0);
  });
});

describe('stages of the same name', () => {
  const any = () => true;
  test.each([
    [
      ['filter', 'filter', 'filter'],
      ['filter', 'filter-2', 'filter-3'],
    ],
    [
      ['a', 'b', 'a'],
      ['a', 'b', 'a-2'],
    ],
    [
      ['a', 'a-2', 'a'],
      ['a', 'a-2', 'a-3'],
    ],
    [
      ['a', 'a', 'a-2'],
      ['a', 'a-2', 'a-2-2'],
    ],
  ])('%j are told apart as %j', (given, told) => {
    const channel = new Channel(...given.map((name) => filter(any, name)));
    expect(channel.flow.reports().map(({ stageName }) => stageName)).toEqual(told);
  });
});

describe('a queue between stages', () => {
  test.each([1, 5, 10, 11, 12, 40, 100])(
    'of 10 before a reader that sleeps 10 ms makes all but the first 10 of %i records wait 10 ms each',
    async (count) => {
      const channel = new Channel(boundedQueue({ stageName: 'normalised', capacityRecords: 10 }));
      channel.budget = 0;
      await channel.send(records(count));
      for (let consumed = 0; consumed < count;) {
        expect(channel.pulled).toBeLessThanOrEqual(consumed + 11);
        await channel.clock.advance(10);
        await channel.allow(1);
        expect(channel.received.length).toBe(++consumed);
      }
      const { queue, ...counts } = channel.report('normalised');
      expect(counts).toMatchObject({ in: count, out: count });
      const waited = Math.max(0, count - 10);
      expect(queue).toEqual({
        capacityRecords: 10,
        size: 0,
        highWater: Math.min(10, count),
        dropped: 0,
        waits: { count, avgMs: (waited * 10) / count, maxMs: waited > 0 ? 10 : 0, over5ms: waited },
      });
      expect(seqsOf(channel.received)).toEqual(seqsOf(records(count)));
    },
  );

  test('holds back what is before it however little is taken, at every moment (seed 211)', async () => {
    const random = seededRandom(211);
    const channel = new Channel(
      filter((record) => record.seq % 3 !== 0),
      boundedQueue({ stageName: 'first', capacityRecords: 7 }),
      transform((record) => record.seq),
      boundedQueue({ stageName: 'second', capacityRecords: 4 }),
      transformAsync((record) => channel.clock.sleep(random.integer(0, 9)).then(() => record.seq), {
        concurrency: 3,
      }),
    );
    channel.budget = 0;
    await channel.send(records(2_000));
    for (let step = 0; step < 1_500; step++) {
      await channel.clock.advance(random.integer(0, 5));
      if (random.next() < 0.7) await channel.allow(random.integer(1, 4));
      const [first, second] = [channel.report('first'), channel.report('second')];
      const { in: pulled, filtered } = channel.report('filter');
      expect(pulled - filtered - channel.received.length).toBeLessThanOrEqual(7 + 1 + 4 + 1 + 3);
      expect(channel.flow.size).toBe(pulled - filtered - channel.received.length);
      expect(first.queue?.highWater).toBeLessThanOrEqual(7);
      expect(second.queue?.highWater).toBeLessThanOrEqual(4);
    }
    await channel.allow(10_000);
    await channel.clock.advance(100_000);
    expect(seqsOf(channel.received)).toEqual(seqsOf(records(2_000)).filter((seq) => seq % 3 !== 0));
  });

  test('reports under its own name, one of two', async () => {
    const channel = new Channel(
      boundedQueue({ stageName: 'raw', capacityRecords: 5 }),
      boundedQueue({ stageName: 'normalised', capacityRecords: 3 }),
    );
    channel.budget = 0;
    await channel.send(records(20));
    const sizes = channel.flow
      .reports()
      .map(({ stageName, queue }) => [stageName, queue?.size, queue?.capacityRecords]);
    expect(sizes).toEqual([
      ['raw', 5, 5],
      ['normalised', 3, 3],
    ]);
  });

  test.each([
    ['drop-newest', [1, 2, 3, 4, 5]],
    ['drop-oldest', [16, 17, 18, 19, 20]],
  ] as const)('with %s holds nobody back, and every record is accounted for', async (overflow, kept) => {
    const channel = new Channel(boundedQueue({ stageName: 'q', capacityRecords: 5, overflow }));
    channel.budget = 0;
    await channel.send(records(20));
    expect(channel.supply.length).toBe(0);
    const { in: taken, out, queue } = channel.report('q');
    expect(taken).toBe(out + (queue?.dropped ?? 0) + (queue?.size ?? 0));
    await channel.allow(100);
    expect(seqsOf(channel.received)).toEqual(kept);
    expect(channel.settled.length).toBe(15);
    expect(new Set(channel.settled.map(([, outcome]) => outcome))).toEqual(new Set(['dropped']));
  });

  test('drops what waited longer than it may, and takes the next', async () => {
    const channel = new Channel(boundedQueue({ stageName: 'q', capacityRecords: 2, waitMsMax: 100 }));
    channel.budget = 0;
    await channel.send(records(6));
    expect(channel.pulled).toBe(3);
    await channel.clock.advance(250);
    expect(channel.settled).toEqual([
      [3, 'dropped'],
      [4, 'dropped'],
    ]);
    await channel.allow(10);
    expect(seqsOf(channel.received)).toEqual([1, 2, 5, 6]);
  });
});

describe('an asynchronous stage', () => {
  test(
    'has at most 8 of 100,000 records in hand, and keeps their order (seed 221)',
    { tags: 'full' },
    async () => {
      const random = seededRandom(221);
      let [inFlight, inFlightMax] = [0, 0];
      const channel = new Channel(
        transformAsync(
          async (record) => {
            inFlightMax = Math.max(inFlightMax, ++inFlight);
            for (let turns = random.integer(0, 4); turns > 0; turns--) await Promise.resolve();
            inFlight--;
            return record.seq;
          },
          { concurrency: 8, stageName: 'look-up' },
        ),
      );
      await channel.send(records(100_000));
      expect(channel.received.length).toBe(100_000);
      expect(channel.received.every((item, index) => item.data === index + 1)).toBe(true);
      expect(inFlightMax).toBe(8);
      expect(channel.report('look-up')).toMatchObject({ in: 100_000, out: 100_000, failed: 0 });
    },
  );

  test('lets results wait for the one before them', async () => {
    const channel = new Channel(
      transformAsync((record) => channel.clock.sleep(record.seq === 1 ? 50 : 10).then(() => record.seq), {
        concurrency: 4,
      }),
    );
    await channel.send(records(6));
    await channel.clock.advance(49);
    expect([channel.values, channel.pulled]).toEqual([[], 4]);
    await channel.clock.advance(1);
    expect(channel.values).toEqual([1, 2, 3, 4]);
    await channel.clock.advance(10);
    expect(channel.values).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test('makes poison of a rejection and of a throw, in its place', async () => {
    const channel = new Channel(
      transformAsync(
        (record) => {
          if (record.seq === 2) throw new Error('at once');
          if (record.seq === 4) return channel.clock.sleep(20).then(() => Promise.reject(new Error('later')));
          return Promise.resolve(record.seq);
        },
        { stageName: 'look-up' },
      ),
    );
    await channel.send(records(5));
    await channel.clock.advance(20);
    expect(channel.values).toEqual([1, 'poison', 3, 'poison', 5]);
    expect(channel.poisoned.map(({ item, stageName }) => [item.seq, item.error.message, stageName])).toEqual([
      [2, 'at once', 'look-up'],
      [4, 'later', 'look-up'],
    ]);
    expect(channel.report('look-up')).toMatchObject({ in: 5, out: 5, failed: 2 });
  });

  test('takes a plain value for a result', async () => {
    const channel = new Channel(transformAsync(((record: IngestRecord) => record.seq) as never));
    await channel.send(records(3));
    expect(channel.values).toEqual([1, 2, 3]);
  });

  test('holds back what is before it while the exit is full', async () => {
    const channel = new Channel(transformAsync(async (record) => record.seq, { concurrency: 4 }));
    channel.budget = 0;
    await channel.send(records(100));
    expect([channel.pulled, channel.flow.size]).toEqual([4, 4]);
    await channel.allow(3);
    expect([channel.pulled, channel.values]).toEqual([7, [1, 2, 3]]);
  });
});

describe('a flow', () => {
  test('that was stopped lets nothing through any more', async () => {
    const channel = new Channel(
      transformAsync((record) => channel.clock.sleep(10).then(() => record.seq)),
      boundedQueue({ stageName: 'q', capacityRecords: 5 }),
    );
    await channel.send(records(3));
    channel.flow.stop();
    await channel.clock.advance(10);
    await channel.send(records(3));
    expect(channel.received).toEqual([]);
  });

  test.each<[string, Stage[]]>([
    ['at once', []],
    ['behind a queue', [boundedQueue({ stageName: 'q', capacityRecords: 5 })]],
  ])('tells of an exit that throws (%s)', async (_, stages) => {
    const channel = new Channel(...stages);
    channel.onPush = () => {
      throw new Error('the exit is broken');
    };
    await channel.send(records(1));
    expect(channel.failures).toEqual([new Error('the exit is broken')]);
  });

  test('tells of an operator that throws outside of any record', async () => {
    const broken: Stage = {
      kind: 'operator',
      stageName: 'broken',
      operator: () =>
        map(() => {
          throw new Error('the operator is broken');
        }),
    };
    const channel = new Channel(broken);
    await channel.send(records(1));
    expect(channel.failures).toEqual([new Error('the operator is broken')]);
  });

  test('counts afresh for every engine that is given the same stages', async () => {
    const stages = [filter(() => true, 'any'), boundedQueue({ stageName: 'q', capacityRecords: 5 })];
    const [first, second] = [new Channel(...stages), new Channel(...stages)];
    await first.send(records(3));
    await second.send(records(1));
    expect([first.report('any').in, second.report('any').in, second.report('q').out]).toEqual([3, 1, 1]);
  });
});

describe('the end of a record within the stages', () => {
  const check = async (stages: Stage[], expected: [number, Outcome][], budget = 100) => {
    const channel = new Channel(...stages);
    channel.budget = budget;
    await channel.send(records(4));
    channel.flow.stop();
    expect(channel.settled.toSorted(([a], [b]) => a - b)).toEqual(expected);
  };

  test('is told where a filter leaves it out', () =>
    check(
      [filter(({ seq }) => seq % 2 === 0)],
      [
        [1, 'filtered'],
        [3, 'filtered'],
      ],
    ));

  test('is told where the flow is stopped with it in a queue', () =>
    check(
      [boundedQueue({ stageName: 'q', capacityRecords: 2 })],
      [
        [1, 'lost'],
        [2, 'lost'],
        [3, 'lost'],
      ],
      0,
    ));

  test('is told where the flow is stopped while its transform is under way', () =>
    check(
      [transformAsync(() => new Promise(() => {}), { concurrency: 2 })],
      [
        [1, 'lost'],
        [2, 'lost'],
      ],
    ));

  test('is told once, by whom it goes on to, where a transform changes it or throws for it', () =>
    check(
      [
        transform(({ seq }) => {
          if (seq === 2) throw new Error('no');
          return seq;
        }),
      ],
      [],
    ));
});

test('a probe finds the stages through which nothing comes any more', () => {
  const same = (name: string) => transform(({ data }) => data, name);
  const channel = new Channel(
    same('a'),
    boundedQueue({ stageName: 'q', capacityRecords: 9 }),
    same('b'),
    same('c'),
  );
  expect(channel.flow.probe()).toBeNull();
  const handOn = channel.flow.admitted$.next.bind(channel.flow.admitted$);
  channel.flow.admitted$.next = () => {};
  expect(channel.flow.probe()).toEqual(['a']);
  channel.flow.admitted$.next = handOn;
  expect(channel.flow.probe()).toBeNull();
});
