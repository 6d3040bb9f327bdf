/** What an engine tells of itself, under the virtual clock: the numbers are those of its tables and reports.
 */

import { expect, test, vi } from 'vitest';
import {
  createEngine,
  defineSource,
  functionSink,
  HeadgateError,
  isPoison,
  pushSource,
  simulatedSource,
  transform,
  type ErrorCode,
} from '../../src/index.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import { virtualClock } from '../../src/testing/virtual-clock.ts';
import { handedIn, startedRig } from '../support/engine-rig.ts';

/** How the disk is just now: what a commit fails by, and what it waits for. */
const disk = vi.hoisted(() => ({
  refuses: null as ErrorCode | null,
  rest: null as (() => Promise<void>) | null,
}));

vi.mock('../../storage/open-event-store.ts', async (importOriginal) => {
  const original = await importOriginal<typeof import('../../storage/open-event-store.ts')>();
  return {
    openEventStore: async (options: Parameters<typeof original.openEventStore>[0]) => {
      const store = await original.openEventStore(options);
      const commit: typeof store.commit = async (unit) => {
        if (disk.refuses !== null) throw new HeadgateError(disk.refuses, 'for the test');
        await disk.rest?.();
        return store.commit(unit);
      };
      return { ...store, commit };
    },
  };
});

const counting = (id: string) => simulatedSource({ id, intervalMs: 10, value: (n) => n });

test('an engine tells of itself in every state', async () => {
  const clock = virtualClock();
  const engine = createEngine({ clock, seed: 1 });
  expect(engine.stats()).toMatchObject({ state: 'idle', startedAtMs: null, storage: null, sources: [] });
  const starting = engine.start();
  expect(engine.stats().state).toBe('booting');
  await starting;
  await engine.register(counting('a'));
  await clock.advance(505);
  expect(engine.stats()).toMatchObject({
    ...{ state: 'running', startedAtMs: Date.UTC(2020, 0, 1), monoMs: 505, deliveredRecords: 50 },
    storage: { fileBytes: 0, walBytes: 0, committedRecords: 50 },
  });
  const stopping = engine.stop();
  expect(engine.stats().state).toBe('draining');
  await clock.runUntil(stopping);
  expect(engine.stats()).toMatchObject({ state: 'stopped', deliveredRecords: 50, inFlightRecords: 0 });
  await engine.start();
  // Counters begin anew with each start.
  expect(engine.stats()).toMatchObject({ state: 'running', deliveredRecords: 0 });
  expect(engine.stats().storage?.committedRecords).toBe(0);
  await clock.runUntil(engine.stop());
  const unstored = createEngine({ clock, seed: 1, timeline: false });
  await unstored.start();
  expect(unstored.stats().storage).toBeNull();
  await clock.runUntil(unstored.stop());
});

test('what it counts is what its tables hold', async () => {
  const twice = pushSource({ id: 'twice', dedupKey: (data) => String(data) });
  const failing = transform(({ data }) => {
    if ((data as number) % 10 === 0) throw new Error('for the test');
    return data;
  }, 'tenth');
  const rig = await startedRig(
    {
      stages: [failing],
      rateLimit: { recordsPerSecondMax: 60 },
      burst: { thresholdRecords: 20, windowMs: 100 },
    },
    twice,
    counting('a'),
  );
  await rig.engine.registerSink(functionSink({ id: 'out', deliver: async () => {} }));
  for (let turn = 0; turn < 3; turn++) {
    await handedIn(twice.pushAll(Array.from({ length: 25 }, (_, n) => n + 1)));
    await rig.clock.advance(2_000);
  }
  const running = rig.engine.stats();
  expect(running.burst).toEqual({ state: 'quiet', bursts: 3 });
  expect(running.limiter).toMatchObject({ state: 'limiting', recordsPerSecondMax: 60 });
  await rig.stop();
  const stats = rig.engine.stats();
  const count = (sql: string) => Number(rig.query(`SELECT count(*) AS n FROM ${sql}`)[0]?.['n']);
  expect(stats.deadLetters).toBe(count('dead_letters'));
  expect(stats.alerts).toEqual({
    BURST: count("alerts WHERE event = 'BURST'"),
    BURST_OVER: count("alerts WHERE event = 'BURST_OVER'"),
    SOURCE_RECORDS_DROPPED: 1,
  });
  expect(stats.limiter).toMatchObject({
    admittedRecords: rig.engine.report().admitted,
    droppedRecords: rig.engine.report().dropped,
  });
  const shown = rig.delivered.filter((item) => item.sourceId === 'twice' && !isPoison(item)).length;
  expect(shown).toBeGreaterThan(50);
  expect(stats.storage).toMatchObject({
    committedRecords: count('records'),
    duplicateRecords: shown - count("records WHERE source_id = 'twice'"),
    committedRows: count('timeline'),
    ...{ pendingRecords: 0, pendingRows: 0, waitingSinceMonoMs: null, isStalled: false },
  });
  expect(stats.stages).toMatchObject([{ stageName: 'tenth', failed: stats.deadLetters }]);
  expect([stats.sources.length, stats.sinks.length]).toEqual([2, 1]);
  const { bounds = [], counts = [], sum } = stats.storage?.commitSeconds ?? {};
  expect(counts).toHaveLength(bounds.length);
  expect([counts.at(-1), sum]).toEqual([stats.storage?.commits, 0]);
});

test('nothing waits in an engine without sources, whose health samples are empty', async () => {
  const rig = await startedRig({});
  await rig.clock.advance(60_000);
  expect(rig.engine.stats().storage).toMatchObject({ waitingSinceMonoMs: null, pendingRows: 0 });
  await rig.stop();
});

test('a disk that is slow shows in the histogram, and since when something waits', async () => {
  const rig = await startedRig({}, counting('a'));
  await rig.clock.advance(1_000);
  const before = rig.engine.stats().storage;
  disk.rest = () => rig.clock.sleep(400);
  try {
    await rig.clock.advance(10_000);
    const { commitSeconds, commits = 0, waitingSinceMonoMs } = rig.engine.stats().storage ?? {};
    const slow = commits - (before?.commits ?? 0);
    expect(slow).toBeGreaterThan(20);
    const at = (bound: number) => commitSeconds?.counts[commitSeconds.bounds.indexOf(bound)];
    expect([at(0.25), at(0.5)]).toEqual([before?.commits, commits]);
    expect(commitSeconds?.sum).toBeCloseTo(slow * 0.4);
    expect(rig.clock.monotonicMs() - Number(waitingSinceMonoMs)).toBeLessThanOrEqual(801);
  } finally {
    disk.rest = null;
  }
  await rig.clock.advance(1_000);
  const { lastCommitAtMs, lastCommitMonoMs } = rig.engine.stats().storage ?? {};
  expect(Number(lastCommitAtMs) - Number(lastCommitMonoMs)).toBe(Date.UTC(2020, 0, 1));
});

test('a disk that refuses, or hangs, shows by what and since when', async () => {
  const rig = await startedRig({}, counting('a'));
  await rig.clock.advance(1_000);
  disk.refuses = 'HG_STORAGE_FULL';
  await rig.clock.advance(2_000);
  const refused = rig.engine.stats().storage;
  disk.refuses = null;
  expect(refused).toMatchObject({
    isStalled: true,
    stalledBy: { code: 'HG_STORAGE_FULL', message: 'for the test' },
  });
  expect(Number(refused?.waitingSinceMonoMs)).toBeLessThanOrEqual(1_020);
  expect(refused?.pendingRecords).toBeGreaterThan(190);
  expect(refused?.pendingRows).toBeGreaterThan(0);
  await rig.clock.advance(6_000);
  expect(rig.engine.stats().storage).toMatchObject({ isStalled: false, stalledBy: null });
  const hang = Promise.withResolvers<void>();
  disk.rest = () => hang.promise;
  await rig.clock.advance(3_000);
  const { waitingSinceMonoMs, isStalled, pendingRecords } = rig.engine.stats().storage ?? {};
  expect(rig.clock.monotonicMs() - Number(waitingSinceMonoMs)).toBeGreaterThanOrEqual(2_980);
  expect([isStalled, rig.engine.stats().inFlightRecords]).toEqual([false, pendingRecords]);
  disk.rest = null;
  hang.resolve();
});

test('names of alerts are bounded: beyond the bound they are counted together', async () => {
  const noisy = defineSource({
    type: 'noisy',
    async stream(io) {
      for (let n = 0; n < LIMITS.alertEventsCountedMax + 10; n++) {
        io.alert(`NO_${n}`, 'for the test');
        await io.clock.sleep(2_000, io.signal);
      }
    },
  });
  const rig = await startedRig({}, noisy({ id: 'noisy' }));
  await rig.clock.advance(200_000);
  const { alerts } = rig.engine.stats();
  expect(Object.keys(alerts)).toHaveLength(LIMITS.alertEventsCountedMax + 1);
  expect(alerts['OTHER']).toBe(10);
});

test('the file and its write-ahead log are measured', async () => {
  const rig = await startedRig({}, counting('a'));
  await rig.clock.advance(1_000);
  const { fileBytes = 0, walBytes = 0 } = rig.engine.stats().storage ?? {};
  expect(fileBytes).toBeGreaterThan(4_096);
  expect(walBytes).toBeGreaterThan(0);
  await rig.stop();
  expect(rig.engine.stats().storage?.walBytes).toBe(0);
});
