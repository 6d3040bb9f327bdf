/** A source that speaks in bursts: 50 records 1 ms apart, then 10 records 200 ms apart, again and again
 *  for ten seconds. More than 30 records within half a second raise an alert. Two sources do so side by
 *  side, under two rate limits: one that lets every record through, and one that does not. */

import {
  createEngine,
  isBurstAlert,
  isPoison,
  mqttSource,
  simulatedSource,
  type BurstAlert,
  type RateLimitOptions,
  type SourceIo,
} from '../src/index.ts';
import type { DemoSetup } from './parts/demo.ts';
import { makePace } from './parts/pace.ts';
import { readingsFrom } from './parts/readings.ts';
import { simulated, startMqttField, whenStreaming, type Sensors } from './parts/sensors.ts';

export const title = 'two bursty sources under limits of 100 and 20 records/s, 10 s';

const DURATION_MS = 10_000;
const DETECTOR = { thresholdRecords: 30, windowMs: 500 };

const SCENARIOS = [
  { sourceId: 'bursty', limitPerSecond: 100, startDay: 0 },
  { sourceId: 'bursty-20', limitPerSecond: 20, startDay: 730 },
] as const;
const IDS = SCENARIOS.map(({ sourceId }) => sourceId);

/** Wait, then emit: one turn of the source. */
const CYCLE = [
  ...Array.from({ length: 50 }, () => ({ waitMs: 1, records: 1 })),
  ...Array.from({ length: 10 }, () => ({ waitMs: 200, records: 1 })),
];

export async function run(setup: DemoSetup) {
  await using parts = new AsyncDisposableStack();
  const sensors = setup.virtual ? simulatedSensors() : await realSensors(parts);
  const pace = makePace(setup.virtual, setup.signal);
  const engine = createEngine({
    timeline: { path: setup.db },
    records: { keep: true },
    burst: DETECTOR,
    seed: setup.seed,
    logger: setup.logger,
    ...pace.clock,
  });

  return await pace.play(engine, async () => {
    const alerts: BurstAlert[] = [];
    const ingested: Record<string, number> = {};
    engine.records$.subscribe((record) => {
      if (!isPoison(record)) ingested[record.sourceId] = (ingested[record.sourceId] ?? 0) + 1;
    });
    engine.alerts$.subscribe((alert) => {
      if (!isBurstAlert(alert)) return;
      alerts.push(alert);
      setup.tell(pace.elapsedMs(), 'alert', alertText(alert));
    });
    await engine.start();
    for (const spec of sensors.specs) await engine.register(spec);
    await sensors.begin(engine);
    pace.begin();
    setup.watch(() => ({
      elapsedMs: pace.elapsedMs(),
      durationMs: DURATION_MS,
      sources: engine.health(),
    }));
    await pace.until(DURATION_MS);
    await engine.stop({ deadlineMs: 5_000 });

    const scenarios = SCENARIOS.map(({ sourceId, limitPerSecond }) => ({
      limitPerSecond,
      ingested: ingested[sourceId] ?? 0,
      dropped: engine.health(sourceId).droppedCount,
      alerts: alerts.filter((alert) => alert.sourceId === sourceId),
    }));
    const first = scenarios[0] as (typeof scenarios)[number];
    return { demo: 'burst' as const, ...first, scenarios, db: setup.db };
  });
}

function alertText({ sourceId, windowRecords, windowDurationMs, rate }: BurstAlert): string {
  const pace = rate === null ? '' : `, ${rate.toFixed(0)}/s`;
  return `BURST of ${sourceId}: ${windowRecords} records within ${windowDurationMs.toFixed(0)} ms${pace}`;
}

function limitOf(recordsPerSecondMax: number): Partial<RateLimitOptions> & { recordsPerSecondMax: number } {
  return { recordsPerSecondMax, policy: 'drop' };
}

function simulatedSensors(): Sensors {
  return simulated(
    SCENARIOS.map(({ sourceId, limitPerSecond, startDay }) => {
      const read = readingsFrom(startDay);
      return simulatedSource({
        id: sourceId,
        type: 'mqtt',
        rateLimit: limitOf(limitPerSecond),
        stream: (io) => bursts(io, read),
      });
    }),
  );
}

async function* bursts(io: SourceIo, read: () => unknown): AsyncGenerator<unknown> {
  for (;;) {
    for (const { waitMs } of CYCLE) {
      await io.clock.sleep(waitMs, io.signal);
      if (io.signal.aborted) return;
      yield read();
    }
  }
}

async function realSensors(parts: AsyncDisposableStack): Promise<Sensors> {
  const feeds = SCENARIOS.map(({ sourceId, startDay }) => ({
    ...{ topic: `weather/${sourceId}`, qos: 1 as const, startDay },
    ...{ cycle: CYCLE, cycles: null },
  }));
  const field = await startMqttField(parts, feeds);
  return {
    specs: SCENARIOS.map(({ sourceId, limitPerSecond }) =>
      mqttSource({
        id: sourceId,
        url: field.brokerUrl,
        topics: { topic: `weather/${sourceId}`, qos: 1 },
        rateLimit: limitOf(limitPerSecond),
      }),
    ),
    begin: async (engine) => {
      await whenStreaming(engine, IDS);
      field.publish();
    },
  };
}
