/** Overflow to disk, in whole engines: a source that cannot be slowed loses nothing to a slow drain, keeps
 *  its order, and stores every record once, whenever the process dies. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createEngine, defineSource, filter, pushSource, Receipt, transform, z } from '../../src/index.ts';
import { virtualClock } from '../../src/testing/virtual-clock.ts';
import { copyOfDatabase, temporaryFile } from '../storage/fixture.ts';
import { startedRig, type EngineRig } from '../support/engine-rig.ts';

/** Emits `perTick` numbers every 10 ms for `ticks` ticks, whether or not there is room. What may be
 *  acknowledged is told to `acknowledge`. */
const flood = defineSource({
  type: 'flood',
  options: {
    perTick: z.number(),
    ticks: z.number(),
    acknowledge: z.custom<(numbers: readonly number[]) => void>().default(() => () => {}),
  },
  async stream(io, { perTick, ticks, acknowledge }) {
    let n = 0;
    for (let tick = 0; tick < ticks && !io.signal.aborted; tick++) {
      const batch = Array.from({ length: perTick }, () => ++n);
      const receipt = new Receipt(({ lost }) => {
        if (lost === 0) acknowledge(batch);
      });
      io.emitAll(batch, { receipt });
      receipt.seal();
      await io.clock.sleep(10, io.signal);
    }
    await new Promise<void>((resolve) => io.signal.addEventListener('abort', () => resolve()));
  },
});

const SPILL = { outlet: { capacityRecords: 50, overflow: 'spill' } } as const;
/** What the engine lets through, records a second. */
const DRAIN = { recordsPerSecondMax: 100, policy: 'delay' } as const;

const numbers = (count: number, from = 1) => Array.from({ length: count }, (_, index) => index + from);

const stored = (rig: EngineRig) =>
  rig.query('SELECT data FROM records ORDER BY seq').map(({ data }) => Number(data));

test(
  'thirty seconds at ten times the drain rate lose nothing and keep their order',
  { tags: 'full', timeout: 60_000 },
  async () => {
    const source = flood({ id: 'a', ...SPILL, perTick: 10, ticks: 3_000 });
    const rig = await startedRig({ rateLimit: DRAIN }, source);
    await rig.clock.advance(30_000);
    const { spilledRecords, queueDepth, droppedCount, recordsProduced } = rig.engine.health('a');
    expect([recordsProduced, droppedCount]).toEqual([30_000, 0]);
    expect(spilledRecords).toBeGreaterThan(26_000);
    expect(queueDepth).toBeLessThanOrEqual(50);
    await rig.clock.advance(280_000);
    expect(rig.engine.health('a').spilledRecords).toBe(0);
    expect(stored(rig)).toEqual(numbers(30_000));
    expect(rig.query('SELECT count(*) AS spilled FROM spill')).toEqual([{ spilled: 0 }]);
    expect(rig.query('SELECT min(source_seq) AS first, max(source_seq) AS last FROM records')).toEqual([
      { first: 1, last: 30_000 },
    ]);
  },
);

test('an outlet that is empty again takes records in without the disk', async () => {
  const source = pushSource({ id: 'a', ...SPILL });
  const rig = await startedRig({ rateLimit: { ...DRAIN, recordsPerSecondMax: 1_000 } }, source);
  await rig.clock.runUntil(source.pushAll(numbers(2_000)));
  await rig.clock.advance(5_000);
  const [before] = rig.query("SELECT seq FROM sqlite_sequence WHERE name = 'spill'");
  await rig.clock.runUntil(source.pushAll(numbers(40, 2_001)));
  expect(rig.query("SELECT seq FROM sqlite_sequence WHERE name = 'spill'")).toEqual([before]);
  expect(stored(rig)).toEqual(numbers(2_040));
});

test('what is on disk counts as stored: it is acknowledged', async () => {
  const source = pushSource({ id: 'a', ...SPILL });
  const rig = await startedRig({ rateLimit: DRAIN }, source);
  const push = source.pushAll(numbers(150));
  await rig.clock.advance(100);
  expect(await push).toMatchObject({ stored: 150 });
  expect(stored(rig).length).toBeLessThan(150);
});

test('what filters leave out and transforms throw for leaves the disk as well', async () => {
  const source = pushSource({ id: 'a', ...SPILL });
  const stages = [
    filter(({ data }) => (data as number) % 2 === 0),
    transform(({ data }) => {
      if ((data as number) % 10 === 0) throw new Error('no');
      return data;
    }),
  ];
  const rig = await startedRig({ rateLimit: { ...DRAIN, recordsPerSecondMax: 1_000 }, stages }, source);
  await rig.clock.runUntil(source.pushAll(numbers(1_000)));
  await rig.clock.advance(10_000);
  expect(stored(rig)).toEqual(numbers(1_000).filter((n) => n % 2 === 0 && n % 10 !== 0));
  expect(rig.query('SELECT count(*) AS letters FROM dead_letters')).toEqual([{ letters: 100 }]);
  expect(rig.query('SELECT count(*) AS spilled FROM spill')).toEqual([{ spilled: 0 }]);
});

test('bytes come back as bytes, frames as frames', async () => {
  const source = pushSource({ id: 'a', outlet: { capacityRecords: 1, overflow: 'spill' } });
  const rig = await startedRig({ rateLimit: DRAIN }, source);
  const values = [new Uint8Array([1, 255]), [new Uint8Array([2]), new Uint8Array([])], { a: [1] }, null, 'x'];
  await rig.clock.runUntil(source.pushAll([...numbers(110), ...values]));
  await rig.clock.advance(5_000);
  expect(rig.delivered.slice(-values.length).map(({ data }) => data)).toEqual(values);
});

test('beyond spillRecordsMax records are dropped and counted', async () => {
  const outlet = { ...SPILL.outlet, spillRecordsMax: 100 };
  const source = pushSource({ id: 'a', outlet });
  const rig = await startedRig({ rateLimit: DRAIN }, source);
  const push = source.pushAll(numbers(1_000));
  await rig.clock.advance(30_000);
  const { stored: kept, dropped } = await push;
  expect([kept + dropped, dropped]).toEqual([1_000, rig.engine.health('a').droppedCount]);
  expect(kept).toBeLessThanOrEqual(100 + 50 + 101);
  expect(stored(rig)).toEqual(numbers(kept));
});

test('a source that waits for room when it is told so loses nothing, however full the disk is', async () => {
  const patient = defineSource({
    type: 'patient',
    options: {},
    async stream(io) {
      for (let n = 1; n <= 2_000 && !io.signal.aborted; n++) if (!io.emit(n)) await io.room();
    },
  });
  const outlet = { capacityRecords: 10, overflow: 'spill', spillRecordsMax: 100 } as const;
  const rig = await startedRig({ rateLimit: DRAIN }, patient({ id: 'a', outlet }));
  await rig.clock.advance(25_000);
  expect(rig.engine.health('a')).toMatchObject({ recordsProduced: 2_000, droppedCount: 0 });
  expect(stored(rig)).toEqual(numbers(2_000));
});

test('where nothing is stored it is refused', async () => {
  const clock = virtualClock();
  const engine = createEngine({ clock, seed: 1, timeline: false });
  await engine.start();
  await expect(engine.register(pushSource({ id: 'a', ...SPILL }))).rejects.toMatchObject({
    code: 'HG_OPTION_INVALID',
    message: expect.stringContaining('outlet.overflow'),
  });
  await clock.runUntil(engine.stop());
});

describe('what is left on disk', () => {
  test('comes back in order when its source is registered again', async () => {
    const rig = await startedRig({ rateLimit: DRAIN }, flood({ id: 'a', ...SPILL, perTick: 10, ticks: 100 }));
    await rig.clock.advance(2_000);
    await rig.clock.runUntil(rig.engine.deregister('a', { mode: 'now' }));
    const left = rig.query('SELECT count(*) AS rows FROM spill')[0]?.['rows'] as number;
    expect(left).toBeGreaterThan(500);
    const again = pushSource({ id: 'a', ...SPILL });
    await rig.engine.register(again);
    await rig.clock.advance(20_000);
    expect(new Set(stored(rig)).size).toBe(stored(rig).length);
    expect(stored(rig)).toEqual(stored(rig).toSorted((a, b) => a - b));
    expect(stored(rig).length).toBeGreaterThan(940);
  });

  test('of a source nobody registers is told at the start', async () => {
    const first = await startedRig(
      { rateLimit: DRAIN },
      flood({ id: 'a', ...SPILL, perTick: 10, ticks: 100 }),
    );
    await first.clock.advance(2_000);
    await first.stop({ deadlineMs: 10 });
    const second = await startedRig({ file: first.file });
    await second.clock.advance(20);
    expect(second.timeline("event = 'spill.left'")[0]?.data).toMatchObject({ source: 'a' });
  });

  test(
    'after crashes at any moments, what was acknowledged is stored once and in order',
    { tags: 'full', timeout: 60_000 },
    async () => {
      const moments = fc.array(fc.integer({ min: 0, max: 3_000 }), { minLength: 1, maxLength: 3 });
      await fc.assert(fc.asyncProperty(moments, crashAt), { numRuns: 12 });
    },
  );
});

/** Crashes a flooded engine after each of these times, and looks at what the last one stores. */
async function crashAt(moments: readonly number[]): Promise<void> {
  let file = temporaryFile();
  const acknowledged: number[] = [];
  let toldAtCrash = acknowledged.length;
  for (const [index, moment] of moments.entries()) {
    const rig = await startedRig({ rateLimit: DRAIN, file });
    const acknowledge = (batch: readonly number[]) => void acknowledged.push(...batch);
    const ticks = index === 0 ? 60 : 0;
    await rig.engine.register(flood({ id: 'a', ...SPILL, perTick: 10, ticks, acknowledge }));
    await rig.clock.advance(moment);
    // What a kill leaves behind is what the file holds now.
    file = copyOfDatabase(file);
    if (index === 0) toldAtCrash = acknowledged.length;
    await rig.stop({ deadlineMs: 1 });
  }
  const rig = await startedRig({ file }, pushSource({ id: 'a', ...SPILL }));
  await rig.clock.advance(20_000);
  const all = stored(rig);
  await rig.stop();
  expect(all).toEqual(all.toSorted((a, b) => a - b));
  expect(new Set(all).size).toBe(all.length);
  expect(acknowledged.slice(0, toldAtCrash).filter((n) => !all.includes(n))).toEqual([]);
}
