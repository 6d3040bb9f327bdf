/** An engine that is changed while records flow, under the virtual clock: none is lost, each goes through the
 *  stages of one version, order stays, sources go on, and the timeline tells why. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  boundedQueue,
  filter,
  pushSource,
  simulatedSource,
  transform,
  transformAsync,
  type Engine,
  type FlowItem,
  type Reconfiguration,
} from '../../src/index.ts';
import type { Stage } from '../../src/pipeline/stage.ts';
import type { VirtualClock } from '../../src/testing/virtual-clock.ts';
import { codeOf, handedIn, readAll, startedRig, type EngineRig } from '../support/engine-rig.ts';

/** What goes through the stages of one version bears its number at every stage. */
interface Marked {
  readonly n: number;
  readonly marks: readonly number[];
}

const mark = (version: number) => (item: { data: unknown }) => {
  const { n, marks } = item.data as Marked;
  return { n, marks: [...marks, version] };
};

/** Ten records every millisecond: 10,000 a second. */
const fast = (id = 'fast') =>
  simulatedSource({
    id,
    burst: { recordsMin: 10, recordsMax: 10, gapMs: 1 },
    outlet: { capacityRecords: 100_000 },
    value: (n): Marked => ({ n, marks: [] }),
  });

/** Stages of one version: each marks, with whatever lies between. */
function stagesOf(version: number, clock: VirtualClock, shape = version % 4): Stage[] {
  const marked = transform(mark(version));
  const slow = transformAsync(
    async (item) => {
      await clock.sleep(version % 3);
      return mark(version)(item);
    },
    { concurrency: 64 },
  );
  const queue = boundedQueue({ stageName: 'q', capacityRecords: 50 });
  const shapes = [
    [marked, marked],
    [marked, queue, marked],
    [slow, marked],
    [marked, queue, slow, filter(() => true)],
  ];
  return shapes[shape] as Stage[];
}

/** Whether every record bears the mark of one version only, at each of its two marking stages. */
function versionsOf(items: readonly FlowItem[]): number[] {
  return items.map(({ data }) => {
    const { marks } = data as Marked;
    expect(marks).toHaveLength(2);
    expect(marks[0]).toBe(marks[1]);
    return marks[0] as number;
  });
}

const numbersOf = (items: readonly FlowItem[]) => items.map(({ data }) => (data as Marked).n);
const range = (count: number) => Array.from({ length: count }, (_, n) => n + 1);

function change(rig: EngineRig, changes: Reconfiguration, options?: Parameters<Engine['reconfigure']>[1]) {
  return rig.clock.runUntil(rig.engine.reconfigure(changes, options));
}

describe('stages', () => {
  test(
    'are exchanged a hundred times at 10,000 records a second: none is lost, none is of two versions',
    { tags: 'full', timeout: 180_000 },
    async () => {
      const rig = await startedRig({ health: { intervalMs: 60_000 } });
      await change(rig, { stages: stagesOf(0, rig.clock) });
      await rig.engine.register(fast());
      for (let version = 1; version <= 100; version++) {
        await change(rig, { stages: stagesOf(version, rig.clock) });
        await rig.clock.advance(20);
      }
      const report = await rig.stop();
      const [source] = report.sources;
      expect(report).toMatchObject({ lost: 0, dropped: 0, delivered: source?.recordsProduced });
      expect(source).toMatchObject({ restarts: 0, incarnation: 1, droppedCount: 0 });
      expect(report.delivered).toBeGreaterThan(20_000);
      expect(numbersOf(rig.delivered)).toEqual(range(report.delivered));
      const versions = versionsOf(rig.delivered);
      expect(versions).toEqual([...versions].sort((one, other) => one - other));
      expect(new Set(versions).size).toBeGreaterThan(95);
      expect(rig.course('fast')).toEqual(['connecting>streaming', 'streaming>draining', 'draining>stopped']);
      const stored = rig.query('SELECT source_seq FROM records ORDER BY seq').map((row) => row['source_seq']);
      expect(stored).toEqual(range(report.delivered));
      expect(rig.complaints()).toEqual([]);
    },
  );

  test('that were exchanged are told in the timeline, with their cause', async () => {
    const rig = await startedRig({}, fast());
    const cause = rig.engine.noteConfig({ event: 'config.applied', data: { version: 2 } });
    await change(rig, { stages: stagesOf(1, rig.clock) }, { cause });
    await rig.stop();
    const [note] = rig.timeline("kind = 'config'");
    expect(note).toMatchObject({
      seq: cause,
      actor: 'engine',
      event: 'config.applied',
      data: { version: 2 },
    });
    const [command] = rig.timeline("event = 'pipeline.configure' AND kind = 'command'");
    expect(command).toMatchObject({ cause, actor: 'pipeline', data: { deadlineMs: 5_000 } });
    expect(command?.data?.['stageNames']).toEqual(['transform', 'q', 'transform']);
    expect(rig.timeline("actor = 'pipeline' AND kind = 'transition'").slice(0, 2)).toMatchObject([
      { event: 'pipeline.configure', from_state: 'flowing', to_state: 'switching', cause: command?.seq },
      { event: 'flow.switched', from_state: 'switching', to_state: 'flowing' },
    ]);
  });

  test('count on where a stage of the same name takes their place', async () => {
    const rig = await startedRig({ stages: [filter(() => true), transform(({ data }) => data)] }, fast());
    await rig.clock.advance(99);
    const counted = () => rig.engine.report().stages.map(({ stageName, in: in_ }) => [stageName, in_]);
    expect(counted()).toEqual([
      ['filter', 1_000],
      ['transform', 1_000],
    ]);
    await change(rig, {
      stages: [boundedQueue({ stageName: 'q', capacityRecords: 10 }), filter(() => false)],
    });
    await rig.clock.advance(100);
    expect(counted()).toEqual([
      ['q', 1_000],
      ['filter', 2_000],
    ]);
    await change(rig, { stages: [boundedQueue({ stageName: 'q', capacityRecords: 99 })] });
    await rig.clock.advance(100);
    expect(rig.engine.report().stages).toMatchObject([
      { stageName: 'q', in: 2_000, out: 2_000, queue: { capacityRecords: 99, waits: { count: 2_000 } } },
    ]);
  });

  test('stay where one of them hangs, and the change is refused in time', async () => {
    const rig = await startedRig({});
    const gate = Promise.withResolvers<void>();
    const hanging = transformAsync(
      async (item) => {
        if ((item.data as Marked).n === 50) await gate.promise;
        return mark(1)({ data: mark(1)(item) });
      },
      { concurrency: 1_000 },
    );
    const stages = [transformAsync(async (item) => mark(1)(item)), hanging] as const;
    await change(rig, { stages: [hanging] });
    await rig.engine.register(fast());
    await rig.clock.advance(10);
    const atMs = rig.clock.monotonicMs();
    const refused = codeOf(
      change(rig, { stages, rateLimit: { recordsPerSecondMax: 1 } }, { deadlineMs: 200 }),
    );
    expect(await refused).toBe('HG_RECONFIGURE_TIMEOUT');
    expect(rig.clock.monotonicMs() - atMs).toBe(200);
    await rig.clock.advance(10);
    gate.resolve();
    await rig.clock.advance(50);
    const report = await rig.stop();
    expect(report).toMatchObject({ lost: 0, dropped: 0, delivered: report.sources[0]?.recordsProduced });
    expect(report.stages.map(({ stageName }) => stageName)).toEqual(['transform']);
    expect(numbersOf(rig.delivered)).toEqual(range(report.delivered));
    expect(rig.timeline("event = 'flow.kept'")).toMatchObject([
      { to_state: 'flowing', data: { error: { code: 'HG_RECONFIGURE_TIMEOUT' } } },
    ]);
    expect(rig.timeline("event = 'rateLimiter.configure'")).toEqual([]);
    expect(rig.complaints()).toEqual(['the stages could not be exchanged; the old ones go on']);
  });

  test('stay where a consumer does not read, and are exchanged once it does', async () => {
    const rig = await startedRig(
      {
        stages: [
          transform(mark(1)),
          boundedQueue({ stageName: 'q', capacityRecords: 10 }),
          transform(mark(1)),
        ],
      },
      simulatedSource({ id: 'n', intervalMs: 1, value: (n): Marked => ({ n, marks: [] }) }),
    );
    const consumer = rig.engine.consume({ capacityRecords: 4 });
    await rig.clock.advance(3_000);
    const next = { stages: [transform(mark(2)), transform(mark(2))] };
    expect(await codeOf(change(rig, next, { deadlineMs: 100 }))).toBe('HG_RECONFIGURE_TIMEOUT');
    const reading = readAll(consumer);
    await change(rig, next);
    await rig.clock.advance(100);
    await rig.stop();
    const read = await reading;
    expect(new Set(versionsOf(read))).toEqual(new Set([1, 2]));
    expect(numbersOf(read)).toEqual(range(read.length));
    expect(rig.course('pipeline').slice(0, 3)).toEqual([
      'flowing>blocked',
      'blocked>switching',
      'switching>flowing',
    ]);
  });

  test('give way to a stop: it drains through the old ones, and the change is refused', async () => {
    const rig = await startedRig({});
    const slow = transformAsync(
      async (item) => {
        await rig.clock.sleep(50);
        return mark(1)({ data: mark(1)(item) });
      },
      { concurrency: 10_000 },
    );
    await change(rig, { stages: [slow] });
    await rig.engine.register(fast());
    await rig.clock.advance(20);
    const refused = codeOf(rig.engine.reconfigure({ stages: [] }));
    await rig.clock.advance(20);
    expect(rig.course('pipeline').at(-1)).toBe('flowing>switching');
    const report = await rig.stop();
    expect(await refused).toBe('HG_ENGINE_STATE');
    expect(report).toMatchObject({ lost: 0, delivered: report.sources[0]?.recordsProduced });
    expect(new Set(versionsOf(rig.delivered))).toEqual(new Set([1]));
  });

  test('that cannot be built, or are none, change nothing', async () => {
    const rig = await startedRig({ stages: [transform(mark(1), 'kept')] }, fast());
    const broken = { kind: 'operator', stageName: 'broken', operator: () => fail() } as unknown as Stage;
    function fail(): never {
      throw new Error('for the test');
    }
    const bad: [changes: unknown, message: RegExp][] = [
      [{ stages: [transform(mark(2)), broken] }, /option "stages": for the test/],
      [{ stages: [{ kind: 'fitler', stageName: 'x' }] }, /must be made by filter/],
      [{ stages: [], rateLimit: { recordsPerSecondMax: 0 } }, /rateLimit\.recordsPerSecondMax/],
      [{ stages: [], burst: { thresholdRecords: 1 } }, /burst\.windowMs/],
      [{ stage: [] }, /did you mean "stages"/],
    ];
    for (const [changes, message] of bad) {
      await expect(change(rig, changes as Reconfiguration)).rejects.toThrow(message);
    }
    for (const options of [{ cause: 0 }, { cause: 1e9 }, { deadlineMs: -1 }, { deadline: 1 }]) {
      await expect(change(rig, { stages: [] }, options as never)).rejects.toThrow(/option "/);
    }
    expect(rig.engine.report().stages.map(({ stageName }) => stageName)).toEqual(['kept']);
    expect(rig.timeline("event LIKE '%.configure'")).toEqual([]);
    expect(rig.course('pipeline')).toEqual([]);
  });

  test('asked for one after the other come one after the other', async () => {
    const rig = await startedRig({}, fast());
    const named = (stageName: string) => ({ stages: [transform(({ data }) => data, stageName)] });
    const all = ['a', 'b', 'c'].map((name) => rig.engine.reconfigure(named(name)));
    await rig.clock.runUntil(Promise.all(all));
    await rig.clock.advance(20);
    const names = rig.timeline("event = 'pipeline.configure' AND kind = 'command'");
    expect(names.map(({ data }) => data?.['stageNames'])).toEqual([['a'], ['b'], ['c']]);
    expect(rig.engine.report().stages.map(({ stageName }) => stageName)).toEqual(['c']);
  });
});

describe('before the start, and over a stop', () => {
  test('changes count from the start on, and last', async () => {
    const rig = await startedRig({ stages: [transform(mark(1))] });
    await rig.stop();
    await change(rig, { stages: [transform(mark(2)), transform(mark(2))] });
    await rig.engine.start();
    await rig.engine.register(fast());
    await rig.clock.advance(10);
    await change(rig, { stages: [transform(mark(3)), transform(mark(3))] });
    await rig.stop();
    await rig.engine.start();
    await rig.engine.register(fast());
    await rig.clock.advance(10);
    await rig.stop();
    expect(new Set(versionsOf(rig.delivered))).toEqual(new Set([2, 3]));
    expect(rig.engine.report().stages.map(({ stageName }) => stageName)).toEqual([
      'transform',
      'transform-2',
    ]);
  });
});

describe('the rate limit', () => {
  const limitOf = (recordsPerSecondMax: number) => ({ recordsPerSecondMax, policy: 'delay' }) as const;

  test('is another from one moment to the next, and who waited for the old one waits no longer', async () => {
    const source = pushSource({ id: 'a' });
    const rig = await startedRig({ rateLimit: limitOf(10) }, source);
    await handedIn(source.pushAll(range(500)));
    await rig.clock.advance(500);
    expect(rig.engine.report().admitted).toBe(10);
    await change(rig, { rateLimit: limitOf(100) });
    await rig.clock.advance(1);
    // The ten of the second before count.
    expect(rig.engine.report().admitted).toBe(100);
    await change(rig, { rateLimit: null });
    await rig.clock.advance(1);
    expect(rig.engine.report()).toMatchObject({ admitted: 500, dropped: 0 });
    await rig.clock.advance(20);
    const rows = rig.timeline("event = 'rateLimiter.configure'");
    expect(rows.map(({ data }) => data)).toMatchObject([
      { recordsPerSecondMax: 100, policy: 'delay', scope: 'global' },
      { rateLimit: null },
    ]);
  });

  test('lets no more through for being changed over and over', async () => {
    for (const algorithm of ['sliding-window', 'token-bucket'] as const) {
      const source = pushSource({ id: 'a' });
      const rig = await startedRig({}, source);
      await handedIn(source.pushAll(range(1_000)));
      const times: number[] = [];
      rig.engine.records$.subscribe(() => times.push(rig.clock.monotonicMs()));
      const second = pushSource({ id: 'b' });
      await rig.engine.register(second);
      await change(rig, { rateLimit: { ...limitOf(50), algorithm } });
      await handedIn(second.pushAll(range(1_000)));
      for (let turn = 0; turn < 90; turn++) {
        const other = turn % 3 === 2 ? 'token-bucket' : 'sliding-window';
        await change(rig, { rateLimit: { ...limitOf(40 + (turn % 2) * 10), algorithm: other } });
        await rig.clock.advance(10);
      }
      expect(rig.engine.report().admitted - 1_000).toBeLessThanOrEqual(50);
      await rig.stop({ deadlineMs: 10 });
    }
  });

  test('of each source takes the place of that for all, and spares those that have their own', async () => {
    const [a, b] = [pushSource({ id: 'a' }), pushSource({ id: 'b', rateLimit: limitOf(5) })];
    const rig = await startedRig({ rateLimit: limitOf(10) }, a, b);
    await change(rig, { rateLimit: { ...limitOf(20), scope: 'source' } });
    const c = pushSource({ id: 'c' });
    await rig.engine.register(c);
    await handedIn(Promise.all([a, b, c].map((source) => source.pushAll(range(100)))));
    await rig.clock.advance(500);
    const passed = (id: string) => rig.delivered.filter(({ sourceId }) => sourceId === id).length;
    expect(['a', 'b', 'c'].map(passed)).toEqual([20, 5, 20]);
    await change(rig, { rateLimit: null });
    await rig.clock.advance(10);
    expect(['a', 'b', 'c'].map(passed)).toEqual([100, 5, 100]);
  });

  test('that is hit while it is changed is cleared a second after the last refusal', async () => {
    const source = pushSource({ id: 'a' });
    const rig = await startedRig({ rateLimit: { recordsPerSecondMax: 10 } }, source);
    await handedIn(source.pushAll(range(30)));
    await rig.clock.advance(300);
    await change(rig, { rateLimit: null });
    await rig.clock.advance(2_000);
    expect(rig.course('rateLimiter')).toEqual(['open>limiting', 'limiting>open']);
    const [cleared] = rig.timeline("event = 'limit.cleared'");
    expect(cleared?.data).toEqual({ dropped: rig.engine.report().dropped });
  });
});

describe('burst detection', () => {
  const alertsOf = (rig: EngineRig) =>
    rig.query('SELECT event, data FROM alerts ORDER BY seq').map(({ event, data }) => {
      const { windowRecords } = JSON.parse(data as string) as { windowRecords?: number };
      return [event, windowRecords];
    });

  test('sees a burst in the midst of the change', async () => {
    const source = pushSource({ id: 'a' });
    const rig = await startedRig({ burst: { thresholdRecords: 100, windowMs: 500 } }, source);
    await handedIn(source.pushAll(range(20)));
    await rig.clock.advance(100);
    await change(rig, { burst: { thresholdRecords: 30, windowMs: 500 } });
    await handedIn(source.pushAll(range(20)));
    await rig.clock.advance(2_000);
    expect(alertsOf(rig)).toEqual([
      ['BURST', 31],
      ['BURST_OVER', undefined],
    ]);
    expect(rig.timeline("event = 'burstDetector.configure'")).toMatchObject([
      { data: { thresholdRecords: 30, clearRecords: 30, windowMs: 500 } },
    ]);
  });

  test('ends a burst where it is turned off, and tells whoever is to be told from then on', async () => {
    const told: string[] = [];
    const burstOf = (name: string) => ({
      ...{ thresholdRecords: 10, windowMs: 60_000 },
      onBurst: () => void told.push(name),
    });
    const source = pushSource({ id: 'a' });
    const rig = await startedRig({}, source);
    const hand = async () => {
      await handedIn(source.pushAll(range(20)));
      await rig.clock.advance(100);
    };
    await hand();
    await change(rig, { burst: burstOf('first') });
    await hand();
    await change(rig, { burst: burstOf('second') });
    await hand();
    await change(rig, { burst: null });
    await hand();
    expect(alertsOf(rig).map(([event]) => event)).toEqual(['BURST', 'BURST_OVER']);
    expect(rig.course('burstDetector')).toEqual(['quiet>bursting', 'bursting>quiet']);
    await rig.clock.advance(60_000);
    await change(rig, { burst: burstOf('third') });
    await hand();
    expect(told).toEqual(['first', 'third']);
  });
});

describe('what was noted of the configuration', () => {
  test('is the cause that explain leads to, for every command', async () => {
    const rig = await startedRig({}, fast('old'));
    const seq = rig.engine.noteConfig({ event: 'config.applied', data: { changes: ['sources.plc-7'] } });
    await rig.engine.register(fast('plc-7'), { cause: seq });
    rig.engine.send({ type: 'registry.pause', id: 'plc-7', cause: seq });
    await rig.clock.runUntil(rig.engine.update(fast('old'), { cause: seq }));
    await rig.stop();
    const rows = new Map(rig.timeline().map((row) => [row.seq, row]));
    const originOf = (row: { seq: number; cause: number | null }): number =>
      row.cause === null ? row.seq : originOf(rows.get(row.cause) as never);
    for (const where of [
      "actor = 'plc-7' AND kind = 'born'",
      "actor = 'plc-7' AND to_state = 'paused'",
      "actor = 'old' AND to_state = 'draining' AND incarnation = 1",
      "actor = 'old' AND kind = 'born' AND incarnation > 1",
    ]) {
      const [row] = rig.timeline(where);
      expect([where, row === undefined ? null : originOf(row)]).toEqual([where, seq]);
    }
    for (const { cause, seq: own } of rows.values()) expect(cause ?? 0).toBeLessThan(own);
  });

  test('must be there to be a cause', async () => {
    const rig = await startedRig({});
    await expect(rig.engine.register(fast(), { cause: 99_999 })).rejects.toThrow(/has no row 99999 yet/);
    rig.engine.send({ type: 'registry.pause', id: 'x', cause: 99_999 });
    rig.engine.send({ type: 'registry.pause', id: 'x', cause: 'y' as never });
    expect(() => rig.engine.noteConfig({ event: 'config.applied' }, { cause: 99_999 })).toThrow(/no row/);
    await rig.stop();
    expect(rig.timeline("event LIKE '%.refused'")).toHaveLength(3);
    expect(rig.timeline('cause >= seq')).toEqual([]);
  });

  test('is plain data of a running engine', async () => {
    const rig = await startedRig({});
    const loop: Record<string, unknown> = {};
    loop['loop'] = loop;
    const note = (event: string, data?: Record<string, unknown>) =>
      rig.engine.noteConfig({ event, ...(data === undefined ? {} : { data }) } as never);
    expect(() => note('config.applied', loop)).toThrow(/cannot be written as JSON/);
    expect(() => note('config.applied', { long: 'x'.repeat(2_000_000) })).toThrow(/characters as JSON/);
    expect(() => note('applied')).toThrow(/must be "config\."/);
    note('config.refused', { at: new Date(0) });
    await rig.stop();
    expect(() => note('config.applied')).toThrow(/does not run/);
    expect(rig.timeline("kind = 'config'")).toMatchObject([
      { event: 'config.refused', data: { at: '1970-01-01T00:00:00.000Z' } },
    ]);
  });
});

test(
  'whatever is changed in whatever order, nothing is lost and nothing is mixed',
  { tags: 'full', timeout: 300_000 },
  async () => {
    const step = fc.record({
      restMs: fc.integer({ min: 0, max: 40 }),
      shape: fc.option(fc.integer({ min: 0, max: 3 })),
      limit: fc.option(fc.constantFrom(null, 5_000, 20_000)),
      burst: fc.option(fc.constantFrom(null, 20, 200)),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        const rig = await startedRig({});
        await change(rig, { stages: stagesOf(0, rig.clock) });
        await rig.engine.register(fast('a'));
        await rig.engine.register(fast('b'));
        for (const [index, { restMs, shape, limit, burst }] of steps.entries()) {
          const changes: Reconfiguration = {
            ...(shape === null ? {} : { stages: stagesOf(index + 1, rig.clock, shape) }),
            ...(limit === undefined
              ? {}
              : { rateLimit: limit === null ? null : { recordsPerSecondMax: limit, policy: 'delay' } }),
            ...(burst === undefined
              ? {}
              : { burst: burst === null ? null : { thresholdRecords: burst, windowMs: 5 } }),
          };
          const changing = rig.engine.reconfigure(changes);
          await rig.clock.advance(restMs);
          await rig.clock.runUntil(changing);
        }
        const report = await rig.stop({ deadlineMs: 60_000 });
        const produced = report.sources.reduce((sum, { recordsProduced }) => sum + recordsProduced, 0);
        expect(report).toMatchObject({ lost: 0, dropped: 0, delivered: produced });
        versionsOf(rig.delivered);
        for (const id of ['a', 'b']) {
          const own = rig.delivered.filter(({ sourceId }) => sourceId === id);
          expect(numbersOf(own)).toEqual(range(own.length));
        }
        expect(rig.clock.pendingTimers).toBe(0);
      }),
      { numRuns: 15, seed: 7 },
    );
  },
);
