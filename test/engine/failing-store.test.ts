/** A database that refuses for a while, under the virtual clock: what was accepted is stored when it gives
 *  in, what cannot be stored any more is told, and the next run starts afresh. */

import { expect, test, vi } from 'vitest';
import {
  boundedQueue,
  defineSource,
  HeadgateError,
  pushSource,
  simulatedSource,
  transform,
  transformAsync,
  type ErrorCode,
} from '../../src/index.ts';
import type { WriteBatch } from '../../src/domain/timeline.ts';
import { virtualClock } from '../../src/testing/virtual-clock.ts';
import { codeOf, type EngineRig, handedIn, startedRig } from '../support/engine-rig.ts';

/** Why the database refuses just now; null: it does not. */
const disk = vi.hoisted(() => ({
  refuses: null as ErrorCode | null,
  refused: 0,
  only: null as string | null,
}));

function holds({ cursors, records }: WriteBatch, wanted: string): boolean {
  return cursors.some(({ cursor }) => cursor === wanted) || records.some(({ data }) => data === wanted);
}

vi.mock('../../storage/open-event-store.ts', async (importOriginal) => {
  const original = await importOriginal<typeof import('../../storage/open-event-store.ts')>();
  return {
    openEventStore: async (options: Parameters<typeof original.openEventStore>[0]) => {
      const store = await original.openEventStore(options);
      const commit: typeof store.commit = async (unit) => {
        if (disk.refuses === null || (disk.only !== null && !holds(unit, disk.only))) {
          return store.commit(unit);
        }
        if (disk.only !== null) disk.only = 'none';
        disk.refused++;
        throw new HeadgateError(disk.refuses, 'for the test');
      };
      return { ...store, commit };
    },
  };
});

/** Runs `act` while the database refuses with `code`. */
async function whileRefusing(code: ErrorCode, act: () => Promise<void>): Promise<void> {
  disk.refuses = code;
  try {
    await act();
  } finally {
    disk.refuses = null;
  }
}

const counting = (id = 'a', intervalMs = 10) => simulatedSource({ id, intervalMs, value: (n) => n });

const stored = (rig: EngineRig) =>
  rig.query('SELECT data FROM records ORDER BY seq').map(({ data }) => Number(data));

for (const code of [
  'HG_STORAGE_BUSY',
  'HG_STORAGE_FULL',
  'HG_STORAGE_READONLY',
  'HG_STORAGE_FAILED',
] as const) {
  test(`${code}: sources are held back, everything accepted is stored in order once it is over`, async () => {
    const rig = await startedRig({}, counting());
    await rig.clock.advance(105);
    await whileRefusing(code, () => rig.clock.advance(20_000));
    expect(rig.course('recorder')).toEqual([]);
    expect(rig.engine.health('a').recordsProduced).toBe(2_010);
    await rig.clock.advance(10_000);
    const report = await rig.stop();
    expect(report).toMatchObject({ lost: 0, delivered: 3_010, dropped: 0, unwritten: { rows: 0 } });
    expect(stored(rig)).toEqual(Array.from({ length: 3_010 }, (_, n) => n + 1));
    expect(rig.course('recorder')).toEqual(['recording>stalled', 'stalled>recording']);
    const [stalled] = rig.timeline("actor = 'recorder' AND to_state = 'stalled'");
    expect(stalled?.data).toEqual({ error: { code, message: 'for the test' } });
    expect(rig.query("SELECT severity FROM alerts WHERE event = 'RECORDER_STALLED'")).toEqual([
      { severity: 'critical' },
    ]);
    expect(rig.complaints('error')).toEqual(expect.arrayContaining(['recorder is stalled']));
  });
}

test('it is asked again ever more rarely, and at least every five seconds', async () => {
  const rig = await startedRig({}, counting());
  disk.refused = 0;
  await whileRefusing('HG_STORAGE_FULL', () => rig.clock.advance(60_000));
  expect(disk.refused).toBeGreaterThanOrEqual(60_000 / 5_000);
  expect(disk.refused).toBeLessThan(25);
});

test('memory is bounded meanwhile: outlets fill, transports wait, health and dead letters give way', async () => {
  const burst = { recordsMin: 500, recordsMax: 500, gapMs: 10 };
  const rig = await startedRig(
    { health: { intervalMs: 10 } },
    ...['a', 'b'].map((id) => simulatedSource({ id, burst, outlet: { capacityRecords: 100 } })),
  );
  await whileRefusing('HG_STORAGE_FULL', () => rig.clock.advance(30_000));
  const { sources } = rig.engine.report();
  for (const { recordsProduced, droppedCount } of sources) {
    expect(recordsProduced).toBeLessThan(9_000);
    expect(droppedCount).toBe(0);
  }
  expect(rig.engine.health('a').queueDepth).toBeLessThanOrEqual(101);
  const before = sources.reduce((sum, { recordsProduced }) => sum + recordsProduced, 0);
  await rig.engine.pause('a');
  await rig.engine.pause('b');
  await rig.clock.advance(10_000);
  await rig.stop();
  expect(stored(rig)).toHaveLength(before);
});

test('a stop meanwhile ends at its deadline, says what is lost, and looks like no clean end', async () => {
  const rig = await startedRig({}, counting());
  await rig.clock.advance(55);
  await whileRefusing('HG_STORAGE_FULL', async () => {
    await rig.clock.advance(1_000);
    const report = await rig.stop({ deadlineMs: 500 });
    expect(report.delivered).toBe(5);
    expect(report.lost).toBe(rig.engine.health('a').recordsProduced - 5);
    expect(report.unwritten).toMatchObject({ error: { code: expect.stringMatching(/^HG_STORAGE_/) } });
    // Rows of the timeline besides.
    expect(report.unwritten.rows).toBeGreaterThan(report.lost);
  });
  expect(rig.engine.state).toBe('stopped');
  expect(rig.complaints('error').join('\n')).toContain('could not be written and are lost');
  expect(rig.query('SELECT end FROM runs')).toEqual([{ end: null }]);
  expect(stored(rig)).toEqual([1, 2, 3, 4, 5]);
  expect(rig.clock.pendingTimers).toBe(0);
});

test('the run after one whose last records were lost has its whole room again', async () => {
  const source = pushSource({ id: 'a', outlet: { capacityRecords: 20_000 } });
  const rig = await startedRig({}, source);
  await whileRefusing('HG_STORAGE_FULL', async () => {
    await handedIn(source.pushAll(Array.from({ length: 10_000 }, (_, n) => n)));
    await rig.clock.advance(1_000);
    await rig.stop({ deadlineMs: 100 });
  });
  await rig.engine.start();
  await rig.engine.register(counting('b'));
  await rig.clock.advance(105);
  const report = await rig.stop();
  expect(report).toMatchObject({ delivered: 10, lost: 0 });
  expect(stored(rig)).toEqual(Array.from({ length: 10 }, (_, n) => n + 1));
  const [gap] = rig.timeline("kind = 'gap'");
  expect(gap).toMatchObject({ run: 2, event: 'engine.outage' });
});

test('rows that the database will never take are given up and told, and what comes after is stored', async () => {
  const rig = await startedRig({}, counting());
  await rig.clock.advance(45);
  disk.refuses = 'HG_RECORD_UNSTORABLE';
  await rig.clock.advance(20);
  disk.refuses = null;
  await rig.clock.advance(40);
  await rig.stop();
  expect(stored(rig)).toEqual([1, 2, 3, 4, 7, 8, 9, 10]);
  expect(rig.complaints('error')).toEqual(
    expect.arrayContaining([expect.stringContaining('could not be written and are lost')]),
  );
  expect(rig.engine.state).toBe('stopped');
});

test('a source with a cursor reads again what was lost so, from the last cursor that is stored', async () => {
  const reading = defineSource({
    type: 'reading',
    async stream(io) {
      for (let n = Number(io.cursor ?? 0) + 1; n <= 60 && !io.signal.aborted; n++) {
        io.emit(n, { cursor: String(n) });
        await io.clock.sleep(10, io.signal);
      }
      await io.clock.sleep(9e9, io.signal);
    },
  });
  const clock = virtualClock();
  const slow = transformAsync(async ({ data }) => clock.sleep(15).then(() => data), { concurrency: 1 });
  const stages = [boundedQueue({ stageName: 'q', capacityRecords: 100 }), slow];
  const rig = await startedRig({ clock, stages }, reading({ id: 'a' }), counting('n', 100));
  await rig.clock.advance(105);
  disk.only = '9';
  await whileRefusing('HG_RECORD_UNSTORABLE', () => rig.clock.advance(20_000));
  disk.only = null;
  const cursor = rig.query("SELECT cursor FROM source_cursors WHERE source_id = 'a'");
  await rig.stop();
  const numbers = rig.query("SELECT data FROM records WHERE source_id = 'a' ORDER BY seq");
  const seen = new Set(numbers.map(({ data }) => Number(data)));
  expect([seen.size, cursor]).toEqual([60, [{ cursor: '60' }]]);
  const gaps = rig.timeline("kind = 'gap' AND event = 'records.lost' AND actor = 'a'");
  expect(gaps.length).toBeGreaterThan(0);
  expect(gaps[0]?.data).toMatchObject({ records: expect.any(Number), readAgainFrom: expect.any(String) });
  expect(
    rig.query("SELECT DISTINCT actor, severity FROM alerts WHERE event = 'RECORDS_LOST' ORDER BY 1"),
  ).toEqual([{ actor: 'a', severity: 'critical' }]);
  expect(rig.engine.report().lost).toBeGreaterThan(0);
});

test('a record that waits on disk is read again where it was lost so', async () => {
  const outlet = { capacityRecords: 2, overflow: 'spill' } as const;
  const source = pushSource({ id: 'a', outlet, rateLimit: { recordsPerSecondMax: 1, policy: 'delay' } });
  const rig = await startedRig({}, source);
  for (let n = 101; n <= 110; n++) await handedIn(source.push(n));
  disk.only = '107';
  await whileRefusing('HG_RECORD_UNSTORABLE', () => rig.clock.advance(20_000));
  disk.only = null;
  await rig.stop();
  expect(stored(rig).toSorted((a, b) => a - b)).toEqual(Array.from({ length: 10 }, (_, n) => n + 101));
  expect(rig.query('SELECT * FROM spill')).toEqual([]);
});

test('dead letters that come meanwhile are kept, as far as there is room for them', async () => {
  const failing = transform(() => {
    throw new Error('no good');
  });
  const rig = await startedRig({ stages: [failing] }, counting());
  await whileRefusing('HG_STORAGE_BUSY', () => rig.clock.advance(2_005));
  await rig.clock.advance(6_000);
  await rig.stop();
  const [{ n } = {}] = rig.query('SELECT count(*) AS n FROM dead_letters');
  expect(n).toBe(rig.engine.health('a').recordsProduced);
});

test('where the storage ends for good every push is told, wherever its records were', async () => {
  const sources = [
    pushSource({ id: 'full', outlet: { capacityRecords: 2 } }),
    pushSource({ id: 'waiting', outlet: { capacityRecords: 100 } }),
    pushSource({ id: 'spilling', outlet: { capacityRecords: 2, overflow: 'spill' } }),
  ];
  const rateLimit = { recordsPerSecondMax: 10, policy: 'delay' } as const;
  const rig = await startedRig(
    { rateLimit, stages: [boundedQueue({ stageName: 'q', capacityRecords: 2 })] },
    ...sources,
  );
  await rig.clock.advance(10);
  const told: Promise<string>[] = [];
  await whileRefusing('HG_STORAGE_STOPPED', async () => {
    for (const source of sources) for (let n = 0; n < 30; n++) told.push(codeOf(source.push(n)));
    await rig.clock.advance(1_000);
  });
  expect(rig.engine.state).toBe('failed');
  const codes = await rig.clock.runUntil(Promise.all(told));
  expect(codes.length).toBe(90);
  expect(new Set(codes)).toEqual(new Set(['HG_RECORD_LOST', 'HG_SOURCE_STOPPED']));
  expect(codes.filter((code) => code === 'HG_RECORD_LOST').length).toBeGreaterThan(30);
});
