/** Three HTTP sensors, of whose answers every tenth fails, and two MQTT sensors that speak in bursts fill
 *  one queue for three seconds. Every half second their health is looked at; at the end the queue is
 *  drained. */

import {
  createEngine,
  httpSource,
  isPoison,
  mqttSource,
  simulatedSource,
  type SourceHealth,
} from '../src/index.ts';
import { seededRandom } from '../src/testing.ts';
import type { DemoSetup } from './parts/demo.ts';
import type { Feed } from './parts/feed.ts';
import { startHttpSensor } from './parts/http-sensor.ts';
import { makePace } from './parts/pace.ts';
import { readingsFrom } from './parts/readings.ts';
import { simulated, startMqttField, whenStreaming, type Sensors } from './parts/sensors.ts';

export const title = '3 HTTP sensors that fail now and then and 2 MQTT sensors fill one queue for 3 s';

const DURATION_MS = 3_000;
const SUMMARY_MS = 500;
const QUEUE_RECORDS = 1_024;
const HTTP_INTERVAL_MS = 100;
const HTTP_TIMEOUT_MS = 80;
const FAIL_RATE = 0.1;
const BURST = { recordsMin: 3, recordsMax: 5, gapMs: 100 };
const HTTP_IDS = ['http-1', 'http-2', 'http-3'];
const MQTT_IDS = ['mqtt-1', 'mqtt-2'];

export async function run(setup: DemoSetup) {
  await using parts = new AsyncDisposableStack();
  const sensors = setup.virtual ? simulatedSensors() : await realSensors(parts, setup.seed);
  const pace = makePace(setup.virtual, setup.signal);
  const engine = createEngine({
    timeline: { path: setup.db },
    records: { keep: true },
    health: { intervalMs: SUMMARY_MS },
    seed: setup.seed,
    logger: setup.logger,
    ...pace.clock,
  });

  return await pace.play(engine, async () => {
    const queue = engine.consume({ capacityRecords: QUEUE_RECORDS });
    await engine.start();
    for (const spec of sensors.specs) await engine.register(spec);
    await sensors.begin(engine);
    pace.begin();
    setup.watch(() => ({
      elapsedMs: pace.elapsedMs(),
      durationMs: DURATION_MS,
      sources: byName(engine.health()),
      queue: { name: 'queue', records: queue.report().size, capacityRecords: QUEUE_RECORDS },
    }));

    const healthSummaries: { atMs: number; sources: readonly SourceHealth[] }[] = [];
    for (let atMs = SUMMARY_MS; atMs <= DURATION_MS && !setup.signal.aborted; atMs += SUMMARY_MS) {
      await pace.until(atMs);
      const sources = byName(engine.health());
      healthSummaries.push({ atMs: pace.elapsedMs(), sources });
      setup.tell(pace.elapsedMs(), sources.some(isFailing) ? 'alert' : 'plain', summaryText(sources));
    }

    // What the sources had taken in goes on through the stages into the queue, and the queue ends after it.
    const stopped = engine.stop({ deadlineMs: 5_000 });
    const drainedBySource: Record<string, number> = {};
    for await (const record of queue) {
      if (isPoison(record)) continue;
      drainedBySource[record.sourceId] = (drainedBySource[record.sourceId] ?? 0) + 1;
    }
    const sources = byName((await stopped).sources);
    return {
      demo: 'health' as const,
      seed: setup.seed,
      sources,
      healthSummaries,
      totalsByType: totalsByType(drainedBySource, sources),
      drained: Object.values(drainedBySource).reduce((sum, records) => sum + records, 0),
      db: setup.db,
    };
  });
}

function totalsByType(counts: Readonly<Record<string, number>>, sources: readonly SourceHealth[]) {
  const totals = { http: 0, mqtt: 0 };
  for (const { sourceId, type } of sources) totals[type as keyof typeof totals] += counts[sourceId] ?? 0;
  return totals;
}

function byName(sources: readonly SourceHealth[]): SourceHealth[] {
  return [...sources].sort((left, right) => (left.sourceId < right.sourceId ? -1 : 1));
}

function isFailing(source: SourceHealth): boolean {
  return source.consecutiveErrors > 0;
}

function summaryText(sources: readonly SourceHealth[]): string {
  const texts = sources.map(({ sourceId, recordsProduced, consecutiveErrors }) => {
    const errors = consecutiveErrors > 0 ? ` (${consecutiveErrors} failed)` : '';
    return `${sourceId} ${recordsProduced}${errors}`;
  });
  return texts.join('   ');
}

function simulatedSensors(): Sensors {
  return simulated([
    ...HTTP_IDS.map((id, index) => {
      const read = readingsFrom(100 * index);
      return simulatedSource({
        id,
        type: 'http',
        intervalMs: HTTP_INTERVAL_MS,
        failRate: FAIL_RATE,
        value: () => read(),
      });
    }),
    ...MQTT_IDS.map((id, index) => {
      const read = readingsFrom(700 + 100 * index);
      return simulatedSource({ id, type: 'mqtt', burst: BURST, value: () => read() });
    }),
  ]);
}

async function realSensors(parts: AsyncDisposableStack, seed: number): Promise<Sensors> {
  const random = seededRandom(seed);
  const feeds = MQTT_IDS.map((id, index): Feed => {
    const sizes = random.fork(id);
    const cycle = Array.from({ length: 100 }, () => ({
      waitMs: BURST.gapMs,
      records: sizes.integer(BURST.recordsMin, BURST.recordsMax),
    }));
    return { topic: `weather/${id}`, qos: 1, startDay: 700 + 100 * index, cycle, cycles: null };
  });
  const field = await startMqttField(parts, feeds);
  const https = await Promise.all(
    HTTP_IDS.map(async (id, index) => {
      const rolls = random.fork(id);
      const read = readingsFrom(100 * index);
      const options = { read, failRate: FAIL_RATE, random: () => rolls.next(), lateAnswerMs: 1_000 };
      const { url } = parts.use(await startHttpSensor(options));
      return httpSource({ id, url, intervalMs: HTTP_INTERVAL_MS, timeoutMs: HTTP_TIMEOUT_MS });
    }),
  );
  const mqtts = MQTT_IDS.map((id) =>
    mqttSource({ id, url: field.brokerUrl, topics: { topic: `weather/${id}`, qos: 1 } }),
  );
  return {
    specs: [...https, ...mqtts],
    begin: async (engine) => {
      await whenStreaming(engine, MQTT_IDS);
      field.publish();
    },
  };
}
