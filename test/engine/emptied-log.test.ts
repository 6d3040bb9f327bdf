/** A record log that retention has emptied but for its newest row, and somebody by hand of that: what comes
 *  after it has numbers of its own, and those who follow the log by a cursor miss nothing. */

import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { functionSink, pushSource, type PushSource } from '../../src/index.ts';
import type { VirtualClock } from '../../src/testing/virtual-clock.ts';
import { startedRig, type EngineRig } from '../support/engine-rig.ts';

const MINUTE_MS = 60_000;

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, n) => from + n);

/** Starts an engine that keeps records for a minute, with a sink that notes what it gets. */
async function start(source: PushSource, got: number[], before?: EngineRig) {
  const storage = { retention: { records: { ageMsMax: MINUTE_MS } } };
  const going = before === undefined ? {} : { file: before.file, clock: before.clock };
  const rig = await startedRig({ ...going, storage }, source);
  const deliver = async (batch: readonly { readonly data: unknown }[]) =>
    void got.push(...batch.map(({ data }) => Number(data)));
  await rig.engine.registerSink(functionSink({ id: 'cloud', deliver }));
  await rig.clock.advance(10);
  return rig;
}

function push(clock: VirtualClock, source: PushSource, values: readonly number[]) {
  return clock.runUntil(source.pushAll(values));
}

const rows = (rig: EngineRig) =>
  rig.query('SELECT min(seq) AS first, max(seq) AS last, count(*) AS count FROM records')[0];

/** Lets the records come of age, and takes out the newest, which retention leaves. */
async function empty(rig: EngineRig): Promise<void> {
  await rig.clock.advance(3 * MINUTE_MS);
  expect(rows(rig)?.['count']).toBe(1);
  const db = new Database(rig.file);
  db.exec('DELETE FROM records');
  db.close();
}

test('is gone on with, in this run and the next, by a sink that waits, one that was away and one that is new', async () => {
  const source = pushSource({ id: 'plc-7' });
  const got: number[] = [];
  const rig = await start(source, got);
  await push(rig.clock, source, range(1, 100));
  await empty(rig);
  expect(rows(rig)).toEqual({ first: null, last: null, count: 0 });
  expect(got).toEqual(range(1, 100));

  await push(rig.clock, source, range(101, 150));
  await rig.clock.advance(100);
  expect(got).toEqual(range(1, 150));
  expect(rows(rig)).toEqual({ first: 101, last: 150, count: 50 });
  await empty(rig);

  // Stopped and started with an empty log.
  await rig.stop();
  const next = await start(source, got, rig);
  await push(next.clock, source, range(151, 160));
  await next.clock.advance(100);
  expect(rows(next)).toEqual({ first: 151, last: 160, count: 10 });
  expect(got).toEqual(range(1, 160));

  // A sink that is paused while the log empties and fills holds on to what it has not delivered.
  await next.engine.pauseSink('cloud');
  await empty(next);
  await push(next.clock, source, range(161, 170));
  await next.clock.advance(3 * MINUTE_MS);
  expect(rows(next)).toEqual({ first: 161, last: 170, count: 10 });
  await next.engine.resumeSink('cloud');
  const late: number[] = [];
  const deliver = async (batch: readonly { readonly data: unknown }[]) =>
    void late.push(...batch.map(({ data }) => Number(data)));
  await next.engine.registerSink(functionSink({ id: 'late', deliver }));
  await next.clock.advance(1_000);
  expect(got).toEqual(range(1, 170));
  expect(late).toEqual(range(161, 170));
  expect(next.query('SELECT sink_id, seq FROM sink_cursors ORDER BY sink_id')).toEqual([
    { sink_id: 'cloud', seq: 170 },
    { sink_id: 'late', seq: 170 },
  ]);
});
