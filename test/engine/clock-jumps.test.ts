/** The wall clock is set while the engine runs. Windows and waits do not notice; the timeline says so. */

import { describe, expect, onTestFinished, test } from 'vitest';
import { openTimelineReader } from '../../storage/reading/open-timeline-reader.ts';
import { functionSink, HeadgateError, simulatedSource } from '../../src/index.ts';
import { virtualClock } from '../../src/testing.ts';
import { engineRig, startedRig, type EngineRig } from '../support/engine-rig.ts';

const HOUR_MS = 3_600_000;
const START_MS = Date.UTC(2020, 0, 1);

async function run(jumpMs: number | null) {
  const rig = await startedRig(
    {
      health: { intervalMs: 100 },
      rateLimit: { recordsPerSecondMax: 60 },
      burst: { thresholdRecords: 30, windowMs: 500 },
    },
    simulatedSource({ id: 'steady', intervalMs: 20 }),
    simulatedSource({ id: 'shaky', intervalMs: 50, script: ['ok', 'lost', 'ok', 'crash'] }),
  );
  await rig.clock.advance(1_000);
  if (jumpMs !== null) rig.clock.jumpWall(jumpMs);
  await rig.clock.advance(2_000);
  const report = await rig.stop();
  return {
    numbers: report.sources.map((source) => [source.recordsProduced, source.droppedCount, source.restarts]),
    passed: [report.admitted, report.dropped],
    alerts: rig.query("SELECT event FROM alerts WHERE event <> 'CLOCK_JUMP' ORDER BY seq"),
    jumps: rig.query("SELECT severity, data FROM alerts WHERE event = 'CLOCK_JUMP' ORDER BY seq"),
    course: rig.course('shaky'),
    clock: rig.timeline("kind = 'clock'").map(({ data }) => data),
    seqs: rig.timeline().map(({ seq }) => seq),
  };
}

test.each([
  ['an hour back', -HOUR_MS],
  ['two hours on', 2 * HOUR_MS],
  ['to 1970', -Date.UTC(2020, 0, 1)],
  ['beyond 2038', Date.UTC(2040, 0, 1) - Date.UTC(2020, 0, 1)],
])('a wall clock that is set %s changes no count, no alert and no wait', async (_, jumpMs) => {
  const undisturbed = await run(null);
  const jumped = await run(jumpMs);
  const said = { clock: [], seqs: [], jumps: [] };
  expect({ ...jumped, ...said }).toEqual({ ...undisturbed, ...said });
  expect(undisturbed.clock).toEqual([]);
  expect(jumped.clock).toEqual([{ jumpMs }]);
  expect(jumped.jumps).toHaveLength(1);
  const { details, message } = JSON.parse(jumped.jumps[0]?.['data'] as string) as Record<string, unknown>;
  expect(details).toMatchObject({ jumpMs, direction: jumpMs < 0 ? 'back' : 'forward' });
  expect(message).toMatch(jumpMs < 0 ? /jumped back by \S+ \w+, from/ : /jumped forward by \S+ \w+, from/);
  expect(jumped.seqs).toEqual(jumped.seqs.map((_seq, index) => index + 1));
});

describe('the wall clock of an engine at rest', () => {
  test.each([
    ['a second forth, and back a second later', [1_000, -1_000]],
    ['a quarter of a second', [250]],
    ['a fortieth of a second, five times', [25, 25, 25, 25, 25]],
  ])('is known to have jumped by %s, between two samples', async (_, jumps) => {
    const rig = await startedRig({ health: { intervalMs: 60_000 } });
    for (const jumpMs of jumps) {
      await rig.clock.advance(1_100);
      rig.clock.jumpWall(jumpMs);
    }
    await rig.clock.advance(1_100);
    await rig.stop();
    const clock = rig.timeline("kind = 'clock'").map(({ data }) => (data as { jumpMs: number }).jumpMs);
    expect(clock.length).toBe(jumps.length === 5 ? 1 : jumps.length);
    expect(clock.every((jumpMs) => Math.abs(jumpMs) >= 100)).toBe(true);
  });

  test('has not jumped where it is slewed', async () => {
    const rig = await startedRig({ health: { intervalMs: 60_000 } });
    for (let second = 0; second < 600; second++) {
      rig.clock.jumpWall(second < 300 ? 0.5 : -0.5);
      await rig.clock.advance(1_000);
    }
    await rig.stop();
    expect(rig.timeline("kind = 'clock'")).toEqual([]);
  });

  test('is reported sixty times a minute at most, with the number of the other jumps', async () => {
    const rig = await startedRig({}, simulatedSource({ id: 'steady', intervalMs: 20 }));
    for (let jump = 0; jump < 1_000; jump++) {
      rig.clock.jumpWall(jump % 2 === 0 ? 5_000 : -5_000);
      await rig.clock.advance(100);
    }
    await rig.stop();
    const rows = rig.timeline("kind = 'clock'").map(({ data }) => data as { suppressed?: number });
    expect(rows).toHaveLength(120);
    expect(rows.reduce((sum, { suppressed = 0 }) => sum + suppressed, 0)).toBe(540);
  });
});

test('rows after a jump stand behind the row about it, and are found by their time', async () => {
  const rig = await startedRig(
    { health: { intervalMs: 60_000 } },
    simulatedSource({ id: 'shaky', intervalMs: 50, script: ['ok', 'lost'] }),
  );
  for (const jumpMs of [HOUR_MS, -HOUR_MS, -HOUR_MS, HOUR_MS]) {
    await rig.clock.advance(333);
    rig.clock.jumpWall(jumpMs);
  }
  await rig.clock.advance(333);
  await rig.stop();
  const rows = rig.query('SELECT kind, at_ms - mono_ms AS offset FROM timeline ORDER BY seq');
  const offset = (index: number) => rows[index]?.['offset'] as number;
  const jumped = rows.filter((_, index) => index > 0 && Math.abs(offset(index) - offset(index - 1)) > 100);
  expect(jumped.map(({ kind }) => kind)).toEqual(['clock', 'clock', 'clock', 'clock']);
  const reader = openTimelineReader(rig.file);
  onTestFinished(() => reader.close());
  for (const aroundMs of [0, HOUR_MS, -HOUR_MS]) {
    const range = [START_MS + aroundMs + 100, START_MS + aroundMs + 1_500] as const;
    const found = reader.timeline({ sinceMs: range[0], untilMs: range[1] }).map(({ seq }) => seq);
    const all = rig.query('SELECT seq FROM timeline WHERE at_ms BETWEEN ? AND ? ORDER BY seq', ...range);
    expect(found).toEqual(all.map(({ seq }) => seq));
    expect(found.length).toBeGreaterThan(1);
  }
});

describe('an engine that starts with a wrong clock raises an alert', () => {
  const alerts = (rig: EngineRig) => rig.query('SELECT event, data FROM alerts ORDER BY seq');

  test('where the clock was never set', async () => {
    const rig = engineRig({ clock: virtualClock(60_000) });
    await rig.clock.runUntil(rig.engine.start());
    await rig.stop();
    expect(alerts(rig).map(({ event }) => event)).toEqual(['CLOCK_BEHIND']);
    expect(alerts(rig)[0]?.['data']).toContain('the wall clock says 1970-01-01T00:01:00.000Z');
  });

  test('where the clock is behind the end of the run before', async () => {
    const rig = await startedRig({});
    await rig.clock.advance(1_000);
    await rig.stop();
    rig.clock.jumpWall(-2 * HOUR_MS - 1_000);
    await rig.clock.runUntil(rig.engine.start());
    await rig.stop();
    expect(alerts(rig).map(({ event }) => event)).toEqual(['CLOCK_BEHIND']);
    expect(alerts(rig)[0]?.['data']).toContain('2 hours before the end of the run before');
    expect(rig.timeline("event = 'clock.behind'")[0]?.data).toMatchObject({ jumpMs: -2 * HOUR_MS - 1_000 });
  });

  /** Runs one engine after the other on one database, each so long after the one before. */
  async function starts(...pausesMs: number[]): Promise<EngineRig> {
    const rig = await startedRig({});
    await rig.stop();
    for (const pauseMs of pausesMs) {
      rig.clock.jumpWall(pauseMs);
      await rig.clock.runUntil(rig.engine.start());
      await rig.stop();
    }
    return rig;
  }
  const YEAR_MS = 365 * 24 * HOUR_MS;

  test('where the clock is more than a year ahead of all runs before', async () => {
    const rig = await starts(14 * YEAR_MS);
    const [alert, ...more] = alerts(rig);
    expect([alert?.['event'], more]).toEqual(['CLOCK_JUMP', []]);
    const { message, details } = JSON.parse(alert?.['data'] as string) as Record<string, unknown>;
    expect(message).toMatch(/says 2033-\S+, 5,110 days after the latest time in the database, 2020-01-01T/);
    expect(details).toMatchObject({ jumpMs: 14 * YEAR_MS, direction: 'forward' });
    expect(rig.timeline("event = 'clock.ahead'")[0]?.data).toMatchObject({ jumpMs: 14 * YEAR_MS });
  });

  test('but not after an outage of some months', async () => {
    expect(alerts(await starts(YEAR_MS / 2))).toEqual([]);
  });

  test('once for each step, however many runs follow', async () => {
    // Ahead, back to the truth, and a day later.
    const rig = await starts(14 * YEAR_MS, -14 * YEAR_MS, 24 * HOUR_MS);
    expect(alerts(rig).map(({ event }) => event)).toEqual(['CLOCK_JUMP', 'CLOCK_BEHIND']);
  });

  test('but not where it was wrong in the run before, which said so', async () => {
    const rig = engineRig({ clock: virtualClock(60_000) });
    await rig.clock.runUntil(rig.engine.start());
    await rig.stop();
    rig.clock.jumpWall(56 * YEAR_MS);
    await rig.clock.runUntil(rig.engine.start());
    await rig.stop();
    expect(alerts(rig).map(({ event }) => event)).toEqual(['CLOCK_BEHIND']);
  });
});

describe.each([
  ['an hour back', [-HOUR_MS]],
  ['two hours on', [2 * HOUR_MS]],
  ['from 1970 to today and back', [50 * 365 * 24 * HOUR_MS, -50 * 365 * 24 * HOUR_MS]],
])('after a wall clock that is set %s', (_, jumps) => {
  test('the age of a reading, of a delivery and of the oldest waiting record are what has passed', async () => {
    const rig = await startedRig(
      { health: { intervalMs: 1_000 } },
      simulatedSource({ id: 'a', intervalMs: 1_000, count: 3 }),
    );
    let isDead = false;
    await rig.engine.registerSink(
      functionSink({
        id: 'out',
        batch: { rowsMax: 1, lingerMs: 0 },
        backoff: { initialMs: 3_600_000, maxMs: 3_600_000, jitter: 'none' },
        deliver: async () => {
          if (isDead) throw new HeadgateError('HG_LINK_REFUSED', 'for the test');
        },
      }),
    );
    await rig.clock.advance(2_500);
    isDead = true;
    await rig.clock.advance(2_500);
    const { sources, sinks, ageMs } = rig.engine.stats();
    const before = [sources[0]?.lastReadTimestamp, sinks[0]?.lastDeliveryAtMs].map((atMs) =>
      ageMs(atMs as number),
    );
    const lag = sinks[0]?.lagSeconds as number;
    expect(before).toEqual([2_000, expect.closeTo(3_000, -2)]);
    expect(lag).toBeCloseTo(2, 1);
    for (const jumpMs of jumps) {
      rig.clock.jumpWall(jumpMs);
      await rig.clock.advance(4_000);
    }
    const after = rig.engine.stats();
    const passedMs = 4_000 * jumps.length;
    const atMs = [after.sources[0]?.lastReadTimestamp, after.sinks[0]?.lastDeliveryAtMs];
    expect(atMs.map((one) => after.ageMs(one as number))).toEqual(before.map((one) => one + passedMs));
    expect(after.sinks[0]?.lagSeconds).toBeCloseTo(lag + passedMs / 1_000, 5);
  });
});
