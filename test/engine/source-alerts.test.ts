/** What a source's code tells the operator: a warning with a row, whatever it says and however often. */

import { expect, test } from 'vitest';
import { defineSource, type Alert, type SourceIo } from '../../src/index.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import { startedRig, type RigOptions } from '../support/engine-rig.ts';

/** A source that does nothing by itself; a test speaks for it. */
async function speaking(options: RigOptions = {}) {
  const runs: SourceIo[] = [];
  const source = defineSource({
    type: 'plc',
    stream: (io) => {
      runs.push(io);
      return new Promise<void>((resolve) => io.signal.addEventListener('abort', () => resolve()));
    },
  });
  const rig = await startedRig(options, source({ id: 'plc-7', tenant: 'acme' }));
  const seen: Alert[] = [];
  rig.engine.alerts$.subscribe((alert) => void seen.push(alert));
  await rig.clock.advance(10);
  const [io] = runs as [SourceIo];
  return { ...rig, io, seen };
}

test('an alert of a source is a row of its own, hung on what it did last, and is shown once it is stored', async () => {
  const { io, seen, clock, timeline, query } = await speaking();
  io.alert('TANK_EMPTY', 'the tank is empty', { level: 0 });
  await clock.advance(50);
  expect(seen).toMatchObject([
    { event: 'TANK_EMPTY', severity: 'warning', sourceId: 'acme/plc-7', details: { level: 0 } },
  ]);
  const [born] = timeline("actor = 'acme/plc-7' AND kind <> 'alert'").slice(-1);
  expect(timeline("kind = 'alert'")).toMatchObject([
    { actor: 'acme/plc-7', incarnation: 1, event: 'TANK_EMPTY', cause: born?.seq, to_state: 'streaming' },
  ]);
  expect(query('SELECT tenant, event, severity FROM alerts')).toEqual([
    { tenant: 'acme', event: 'TANK_EMPTY', severity: 'warning' },
  ]);
});

test('a run that is over tells nothing', async () => {
  const { io, engine, clock, timeline } = await speaking();
  await engine.pause('acme/plc-7');
  await clock.advance(10);
  io.alert('TANK_EMPTY', 'the tank is empty');
  await clock.advance(50);
  expect(timeline("kind = 'alert'")).toEqual([]);
});

test('a storm of alerts is stored up to its bound a minute, and the rest is counted in the next', async () => {
  const { io, clock, timeline } = await speaking();
  for (let n = 0; n < 1_000; n++) io.alert('TANK_EMPTY', 'the tank is empty', { n });
  await clock.advance(60_000);
  io.alert('TANK_EMPTY', 'the tank is empty', { n: 1_000 });
  await clock.advance(50);
  const rows = timeline("kind = 'alert'").map(({ data }) => data?.['details']);
  expect(rows).toHaveLength(LIMITS.alertsPerMinuteMax + 1);
  expect(rows.at(-1)).toEqual({ n: 1_000, suppressed: 1_000 - LIMITS.alertsPerMinuteMax });
});

test('details that cannot be written stand in the way of nothing', async () => {
  const { io, engine, clock, timeline, stop } = await speaking();
  const circular: Record<string, unknown> = {};
  circular['self'] = circular;
  io.alert('A', 'circular', circular);
  io.alert('B', 'a BigInt', { n: 1n });
  io.alert('C', 'too long', { text: 'x'.repeat(LIMITS.recordBytesMax) });
  io.alert('D', 'all is well', { n: 1 });
  await clock.advance(50);
  expect(timeline("kind = 'alert'").map(({ event, data }) => [event, data?.['details']])).toMatchObject([
    ['A', { unreadable: expect.stringContaining('circular') as string }],
    ['B', { unreadable: expect.stringContaining('BigInt') as string }],
    ['C', { unreadable: expect.stringContaining('characters') as string }],
    ['D', { n: 1 }],
  ]);
  await stop();
  expect(engine.state).toBe('stopped');
});

test('an alert that bears the name of a burst is none to the callback for bursts', async () => {
  const bursts: unknown[] = [];
  const onBurst = (alert: unknown) => void bursts.push(alert);
  const { io, clock, seen } = await speaking({ burst: { thresholdRecords: 10, windowMs: 1_000, onBurst } });
  io.alert('BURST', 'a pipe');
  await clock.advance(50);
  expect([seen.length, bursts]).toEqual([1, []]);
});
