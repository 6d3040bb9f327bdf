/** Counters of sources and sinks over a whole run, under the virtual clock: whatever is changed between two
 *  scrapes, what they tell is what is stored. */

import { describe, expect, onTestFinished, test } from 'vitest';
import { defineSource, functionSink, HeadgateError, simulatedSource } from '../../src/index.ts';
import { createMetrics } from '../../src/metrics/metrics.ts';
import { startedRig, type EngineRig } from '../support/engine-rig.ts';
import { readExposition, type ReadText } from './exposition-reader.ts';
import { madeUpReload } from './made-up-stats.ts';

function scraper({ engine, clock }: EngineRig): () => Promise<ReadText> {
  const metrics = createMetrics({ stats: () => engine.stats(), reload: () => madeUpReload, clock });
  onTestFinished(() => metrics.close());
  return async () => readExposition((await metrics.render()).text);
}

const counting = (id: string, intervalMs: number) => simulatedSource({ id, intervalMs, value: (n) => n });
const stored = (rig: EngineRig, source: string) =>
  Number(rig.query('SELECT count(*) AS n FROM records WHERE source_id = ?', source)[0]?.['n']);

const RECORDS = 'headgate_source_records_total';
const ERRORS = 'headgate_source_errors_total';

test('a source that is changed again and again between two scrapes has counted what is stored', async () => {
  const rig = await startedRig({}, counting('a', 3), counting('b', 5));
  const scrape = scraper(rig);
  await rig.clock.advance(1_000);
  const before = (await scrape()).one(RECORDS, { source: 'a' });
  for (const intervalMs of [2, 7, 1]) {
    await rig.clock.runUntil(rig.engine.update(counting('a', intervalMs)));
    await rig.clock.advance(500);
  }
  await rig.engine.pause('a');
  await rig.clock.advance(100);
  const { one } = await scrape();
  expect(one(RECORDS, { source: 'a' })).toBe(stored(rig, 'a'));
  expect(one(RECORDS, { source: 'a' })).toBeGreaterThan(before + 500);
  expect(one(RECORDS, { source: 'a' })).toBeGreaterThan(rig.engine.health('a').recordsProduced + before);
  await rig.stop();
  expect((await scrape()).one(RECORDS, { source: 'b' })).toBe(stored(rig, 'b'));
});

test('a sink that is changed between two scrapes has counted what it delivered', async () => {
  const rig = await startedRig({}, counting('a', 10));
  const scrape = scraper(rig);
  let delivered = 0;
  const sink = (isHeldBack: boolean) =>
    functionSink({
      id: 'out',
      filter: ({ data }) => Number(data) % 2 === 0,
      deliver: async (batch) => {
        if (isHeldBack) throw new HeadgateError('HG_LINK_LOST', 'for the test');
        delivered += batch.length;
      },
    });
  await rig.engine.registerSink(sink(false));
  await rig.clock.advance(1_000);
  await rig.clock.runUntil(rig.engine.updateSink(sink(true)));
  await rig.clock.advance(1_000);
  await rig.clock.runUntil(rig.engine.updateSink(sink(false)));
  await rig.clock.advance(1_000);
  await rig.stop();
  const { one } = await scrape();
  const ofSink = { sink: 'out', tenant: 'default' };
  expect(one('headgate_sink_delivered_records_total', ofSink)).toBe(delivered);
  expect(one('headgate_sink_filtered_records_total', ofSink)).toBe(stored(rig, 'a') - delivered);
  expect(one('headgate_sink_errors_total', { ...ofSink, code: 'HG_LINK_LOST' })).toBeGreaterThan(1);
});

test('a source that was deregistered counts on where it comes back', async () => {
  const rig = await startedRig({}, counting('a', 10));
  await rig.clock.advance(500);
  await rig.clock.runUntil(rig.engine.deregister('a'));
  await rig.engine.register(counting('a', 10));
  await rig.clock.advance(505);
  await rig.stop();
  expect((await scraper(rig)()).one(RECORDS, { source: 'a' })).toBe(stored(rig, 'a'));
});

test('what an incarnation hands in after its end is counted', async () => {
  let handIn: () => void = () => {};
  const unruly = defineSource({
    type: 'unruly',
    async stream(io) {
      handIn = () => void io.emitAll([1, 2, 3]);
      await new Promise<void>((resolve) => io.signal.addEventListener('abort', () => resolve()));
    },
  });
  const rig = await startedRig({}, unruly({ id: 'a' }));
  const scrape = scraper(rig);
  await rig.clock.advance(10);
  const handInLate = handIn;
  await rig.clock.runUntil(rig.engine.update(unruly({ id: 'a' })));
  handInLate();
  await rig.clock.advance(10);
  expect((await scrape()).one('headgate_source_late_records_total', { source: 'a' })).toBe(3);
  expect(rig.engine.health('a').lateRecords).toBe(0);
});

describe('failures are counted by code,', () => {
  const failing = (codes: readonly string[]) =>
    defineSource({
      type: 'failing',
      async stream(io) {
        for (const code of codes) {
          io.readFailed(Object.assign(new HeadgateError('HG_LINK_LOST', 'for the test'), { code }));
          await io.clock.sleep(10, io.signal);
        }
        io.emit('well again');
        await new Promise<void>((resolve) => io.signal.addEventListener('abort', () => resolve()));
      },
    })({ id: 'a' });

  test('also those that a good read has made forgotten', async () => {
    const rig = await startedRig({}, failing(['HG_LINK_LOST', 'HG_LINK_REFUSED', 'HG_LINK_LOST']));
    const scrape = scraper(rig);
    await rig.clock.advance(100);
    await rig.clock.runUntil(rig.engine.update(failing(['HG_LINK_LOST'])));
    await rig.clock.advance(100);
    const { all, one } = await scrape();
    expect(one('headgate_source_consecutive_errors', { source: 'a' })).toBe(0);
    const counts = all(ERRORS).map(({ labels, value }) => [labels['code'], value]);
    expect(Object.fromEntries(counts)).toEqual({ HG_LINK_LOST: 3, HG_LINK_REFUSED: 1 });
  });

  test('and codes that no catalogue has are one', async () => {
    const codes = Array.from({ length: 5 }, (_, index) => `MADE_UP_${index}`);
    const rig = await startedRig({}, failing(codes));
    await rig.clock.advance(100);
    const { all } = await scraper(rig)();
    expect(all(ERRORS).map(({ labels, value }) => [labels['code'], value])).toEqual([['OTHER', 5]]);
  });
});
