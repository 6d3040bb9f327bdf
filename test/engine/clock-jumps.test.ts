/** The wall clock is set while the engine runs. Windows and waits do not notice; the timeline says so. */

import { describe, expect, onTestFinished, test } from 'vitest';
import { openTimelineReader } from '../../storage/reading/open-timeline-reader.ts';
import { LogAges } from '../../actors/sinks/log-ages.ts';
import { seededRandom } from '../../src/domain/random.ts';
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
    const rows = rig.timeline("kind = 'clock'").map(({ data }) => data as { unsaid?: number });
    expect(rows).toHaveLength(120);
    expect(rows.reduce((sum, { unsaid = 0 }) => sum + unsaid, 0)).toBe(540);
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
  });
});

describe('ages within a run', () => {
  const jumps = [-HOUR_MS, 3 * HOUR_MS, -START_MS, 2 * START_MS];

  /** Ages each second of a source that falls silent after 10 s, and of a sink that never delivers. */
  async function ages(jumpsMs: readonly number[]) {
    const clock = virtualClock();
    const rig = await startedRig(
      { clock, health: { intervalMs: 100 } },
      simulatedSource({ id: 'a', intervalMs: 100, count: 100 }),
      simulatedSource({ id: 'b', intervalMs: 500 }),
    );
    let takes = 0;
    await rig.engine.registerSink(
      functionSink({
        id: 'out',
        batch: { rowsMax: 10 },
        backoff: { kind: 'constant', initialMs: 1_000, maxMs: 1_000, jitter: 'none' },
        breaker: { failures: 10_000 },
        deliver: async () => {
          // It takes a few batches, so that the oldest record is one of each stretch of the clock.
          if (takes <= 0) throw new HeadgateError('HG_LINK_REFUSED', 'for the test');
          takes--;
        },
      }),
    );
    const found: (number | null)[][] = [];
    for (let second = 0; second < 30; second++) {
      await clock.advance(1_000);
      if (second % 5 === 3) clock.jumpWall(jumpsMs[(second - 3) / 5] ?? 0);
      if (second > 10) takes = 1;
      const { monoMs, sources, sinks } = rig.engine.stats();
      const age = (one: { lastSuccessMonoMs: number | null } | undefined) =>
        monoMs - (one?.lastSuccessMonoMs ?? Number.NaN);
      found.push([age(sources[0]), age(sinks[0]), Math.round((sinks[0]?.lagSeconds ?? 0) * 10)]);
    }
    return found;
  }

  test('do not notice that the wall clock is set', async () => {
    const undisturbed = await ages([]);
    expect(undisturbed.at(-1)?.[0], 'the source has been silent').toBeGreaterThan(15_000);
    expect(Math.max(...undisturbed.map(([, , lag]) => lag ?? 0)), 'records wait').toBeGreaterThan(80);
    expect(await ages(jumps)).toEqual(undisturbed);
  });
});

describe('ages of rows, on a clock that jumps', () => {
  function log() {
    const clock = virtualClock();
    const rows: { readonly atMs: number; readonly monoMs: number }[] = [];
    const logAges = new LogAges(clock, () => rows.length);
    return {
      add: () => void rows.push({ atMs: clock.wallMs(), monoMs: clock.monotonicMs() }),
      advance: (ms: number) => clock.advance(ms),
      jump(ms: number) {
        const fromMs = clock.wallMs();
        clock.jumpWall(ms);
        logAges.jumped({ fromMs });
      },
      ages: () => rows.map(({ atMs }, index) => logAges.ageMs('records', index + 1, atMs)),
      right: () => rows.map(({ monoMs }) => clock.monotonicMs() - monoMs),
    };
  }

  test('are those of the monotonic clock, over any series of jumps', async () => {
    const random = seededRandom('log ages');
    for (let round = 0; round < 100; round++) {
      const books = log();
      for (let step = 0; step < 40; step++) {
        if (random.next() < 0.2) books.jump(random.integer(-5_000_000, 5_000_000));
        await books.advance(random.integer(0, 5_000));
        books.add();
      }
      expect(books.ages()).toEqual(books.right());
    }
  });

  test.each([HOUR_MS, -HOUR_MS])(
    'are right for a row that was on its way at a jump by %i ms',
    async (jumpMs) => {
      const clock = virtualClock();
      const logAges = new LogAges(clock, () => 0);
      const atMs = clock.wallMs();
      await clock.advance(100);
      const fromMs = clock.wallMs();
      clock.jumpWall(jumpMs);
      logAges.jumped({ fromMs });
      await clock.advance(10_000);
      expect(logAges.ageMs('records', 1, atMs)).toBe(10_100);
    },
  );

  test('are never negative', () => {
    const clock = virtualClock();
    expect(new LogAges(clock, () => 0).ageMs('records', 1, clock.wallMs() + HOUR_MS)).toBe(0);
  });
});
