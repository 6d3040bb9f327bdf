/** Bursts as an engine reports them: what the alert says, when it comes, and what it leaves behind. */

import { describe, expect, onTestFinished, test } from 'vitest';
import { simulatedSource } from '../../../actors/sources/simulated-source.ts';
import type { Alert } from '../../../src/domain/alert.ts';
import { SILENT_LOGGER } from '../../../src/domain/logger.ts';
import { createEngine, type CreateEngineOptions } from '../../../src/engine/engine.ts';
import { virtualClock } from '../../../src/testing/virtual-clock.ts';

const START_MS = Date.UTC(2020, 0, 1);

/** Records that a source emits together: [ms since its start, records]. */
type Emissions = readonly (readonly [number, number])[];

/** Runs sources that emit as told, for `durationMs`; gives back what the engine told of bursts. */
async function run(
  emissions: Readonly<Record<string, Emissions>>,
  burst: CreateEngineOptions['burst'],
  durationMs = 3_000,
) {
  const clock = virtualClock();
  const engine = createEngine({ burst, clock, seed: 1, logger: SILENT_LOGGER });
  const alerts: Alert[] = [];
  const edges: string[] = [];
  engine.alerts$.subscribe((alert) => alerts.push(alert));
  engine.transitions$.subscribe(({ actor, kind, toState, atMs }) => {
    if (actor === 'burstDetector' && kind === 'transition') edges.push(`${atMs - START_MS} ${toState}`);
  });
  onTestFinished(() => clock.runUntil(engine.stop().then(() => {})));
  for (const [id, plan] of Object.entries(emissions)) {
    void engine.register(
      simulatedSource({
        id,
        stream: async (io) => {
          for (const [atMs, records] of plan) {
            const waitMs = atMs - io.clock.monotonicMs();
            if (waitMs > 0) await io.clock.sleep(waitMs, io.signal);
            if (io.signal.aborted) return;
            io.emitAll(Array.from({ length: records }, (_, n) => n));
          }
          await io.clock.sleep(1e9, io.signal);
        },
      }),
    );
  }
  await clock.runUntil(engine.start());
  await clock.advance(durationMs);
  return { alerts, edges, engine, clock };
}

const BURST = { thresholdRecords: 30, windowMs: 500 };

/** 30 records at 1 s, one more 200 ms later. */
const JUST_A_BURST: Emissions = [
  [1_000, 30],
  [1_200, 1],
];

describe('a burst alert', () => {
  test('says what the window held, over which time, and when', async () => {
    const { alerts } = await run({ 'plc-7': JUST_A_BURST }, BURST);
    expect(alerts).toEqual([
      {
        event: 'BURST',
        severity: 'warning',
        sourceId: 'plc-7',
        windowRecords: 31,
        windowDurationMs: 200,
        rate: 155,
        timestamp: START_MS + 1_200,
        start: START_MS + 1_000,
        end: START_MS + 1_200,
        again: false,
      },
      {
        event: 'BURST_OVER',
        severity: 'info',
        sourceId: 'plc-7',
        timestamp: START_MS + 1_500,
        start: START_MS + 1_200,
        end: START_MS + 1_500,
        durationMs: 300,
        peakRecords: 31,
      },
    ]);
  });

  test('has no rate where all came at one instant, as an object and as JSON', async () => {
    const { alerts } = await run({ 'plc-7': [[1_000, 40]] }, BURST);
    expect(alerts[0]).toMatchObject({ event: 'BURST', windowRecords: 31, windowDurationMs: 0, rate: null });
    expect(JSON.stringify(alerts[0])).toContain('"windowDurationMs":0,"rate":null');
  });

  test('is not raised by as many records as the threshold', async () => {
    const plan: Emissions = Array.from({ length: 30 }, (_, index) => [index * 16, 1] as const);
    const { alerts, edges } = await run({ 'plc-7': plan }, BURST);
    expect([alerts, edges]).toEqual([[], []]);
  });

  test('comes while the burst is on, and its end when the window has cleared', async () => {
    const { alerts } = await run({ 'plc-7': JUST_A_BURST }, BURST, 1_499);
    expect(alerts.map(({ event }) => event)).toEqual(['BURST']);
  });

  test('comes again as long as the burst goes on, if wanted', async () => {
    const plan: Emissions = Array.from({ length: 100 }, (_, index) => [index * 10, 1] as const);
    const { alerts } = await run({ 'plc-7': plan }, { ...BURST, realertMs: 300 });
    const told = alerts.map(({ event, timestamp, ...rest }) => [
      event,
      timestamp - START_MS,
      'again' in rest && rest.again,
    ]);
    expect(told).toEqual([
      ['BURST', 300, false],
      ['BURST', 600, true],
      ['BURST', 900, true],
      // Records came until 990; the window then empties, and holds 30 when those up to 690 have left.
      ['BURST_OVER', 1_190, false],
    ]);
  });

  test('is over only when the window is as calm as it has to be', async () => {
    const { alerts } = await run({ 'plc-7': JUST_A_BURST }, { ...BURST, clearRecords: 0 });
    expect(alerts.at(-1)).toMatchObject({
      event: 'BURST_OVER',
      timestamp: START_MS + 1_700,
      peakRecords: 31,
    });
  });

  test('bears wall time that keeps up with a clock set anew', async () => {
    const clockSet = async () => {
      const { alerts, clock } = await run({ 'plc-7': JUST_A_BURST }, BURST, 1_100);
      clock.jumpWall(-3_600_000);
      await clock.advance(1_000);
      return alerts;
    };
    const [began, over] = (await clockSet()).filter(({ event }) => event.startsWith('BURST'));
    expect(began).toMatchObject({ windowDurationMs: 200, timestamp: START_MS + 1_200 - 3_600_000 });
    expect(over).toMatchObject({ durationMs: 300, timestamp: START_MS + 1_500 - 3_600_000 });
  });
});

describe('the burst detector', () => {
  test('bursts from the first source that does to the last', async () => {
    const { edges } = await run(
      {
        'plc-1': [[1_000, 31]],
        'plc-2': [[1_300, 31]],
        'plc-3': [[1_000, 30]],
      },
      BURST,
    );
    expect(edges).toEqual(['1000 bursting', '1800 quiet']);
  });

  test('counts each source for itself', async () => {
    const { alerts } = await run({ 'plc-1': [[1_000, 20]], 'plc-2': [[1_000, 20]] }, BURST);
    expect(alerts).toEqual([]);
  });

  test('sees what the rate limiter and the outlet drop: it counts arrivals', async () => {
    const clock = virtualClock();
    const engine = createEngine({
      burst: BURST,
      rateLimit: { recordsPerSecondMax: 1, policy: 'drop' },
      clock,
      seed: 1,
      logger: SILENT_LOGGER,
    });
    onTestFinished(() => clock.runUntil(engine.stop().then(() => {})));
    const alerts: Alert[] = [];
    engine.alerts$.subscribe((alert) => alerts.push(alert));
    void engine.register(
      simulatedSource({
        id: 'plc-7',
        outlet: { capacityRecords: 2, overflow: 'drop-newest' },
        intervalMs: 10,
      }),
    );
    await clock.runUntil(engine.start());
    await clock.advance(1_000);
    expect(alerts.find(({ event }) => event === 'BURST')).toMatchObject({
      windowRecords: 31,
      windowDurationMs: 300,
      rate: 103.33333333333333,
    });
  });

  test('looks for nothing where no bursts are asked for', async () => {
    const { alerts, edges } = await run({ 'plc-7': [[1_000, 5_000]] }, null);
    expect([alerts, edges]).toEqual([[], []]);
  });

  test('leaves no timer behind when the engine stops in the midst of a burst', async () => {
    const { clock, engine } = await run({ 'plc-7': [[1_000, 31]] }, BURST, 1_100);
    await clock.runUntil(engine.stop());
    expect(clock.pendingTimers).toBe(0);
  });
});
