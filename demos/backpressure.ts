/** A slow reader at the end of the flow slows everything before it: five sensors give 20 readings each as
 *  fast as they can, a filter and a transform follow, and a queue of ten waits for a consumer that takes
 *  its time. */

import {
  createEngine,
  filter,
  mqttSource,
  simulatedSource,
  transform,
  type Consumer,
  type IngestRecord,
  type SourceHealth,
} from '../src/index.ts';
import { seededRandom } from '../src/testing.ts';
import type { DemoSetup } from './parts/demo.ts';
import { makePace, type Pace } from './parts/pace.ts';
import { fahrenheit, readingsFrom, type Reading } from './parts/readings.ts';
import { simulated, startMqttField, whenStreaming, type Sensors } from './parts/sensors.ts';

export const title = '5 sensors × 20 readings → filter → transform → queue of 10 → slow consumer';

const IDS = ['sensor-1', 'sensor-2', 'sensor-3', 'sensor-4', 'sensor-5'];
const READINGS_EACH = 20;
const READINGS = IDS.length * READINGS_EACH;
const QUEUE_RECORDS = 10;
const READ_WAIT_MS = 10;
const PRINT_EVERY = 10;
const LONG_WAIT_MS = 5;
const KEEP = { min: 30, max: 70 };
const KEEP_STAGE = 'keep 30-70';
const DEADLINE_MS = 10_000;

/** Days of Seattle in degrees Fahrenheit: from 29 to 96. */
const warmth = (record: IngestRecord) => fahrenheit((record.data as Reading).celsiusMax);

const STAGES = [
  filter((record) => warmth(record) >= KEEP.min && warmth(record) <= KEEP.max, KEEP_STAGE),
  transform((record) => {
    const { date } = record.data as Reading;
    return { date, value: (warmth(record) - KEEP.min) / (KEEP.max - KEEP.min) };
  }, 'normalise'),
];

export async function run(setup: DemoSetup) {
  await using parts = new AsyncDisposableStack();
  const sensors = setup.virtual ? simulatedSensors(setup.seed) : await realSensors(parts, setup.seed);
  const pace = makePace(setup.virtual, setup.signal);
  const engine = createEngine({
    timeline: { path: setup.db },
    records: { keep: true },
    stages: STAGES,
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
      durationMs: READINGS * READ_WAIT_MS,
      sources: engine.health(),
      queue: { name: 'queue', records: queue.report().size, capacityRecords: QUEUE_RECORDS },
    }));

    const waitsMs: number[] = [];
    const printed: { index: number; queueWaitMs: number }[] = [];
    const consumed = readSlowly(queue, pace, (queueWaitMs) => {
      waitsMs.push(queueWaitMs);
      const index = waitsMs.length;
      if (index % PRINT_EVERY !== 0) return;
      printed.push({ index, queueWaitMs });
      setup.tell(pace.elapsedMs(), 'plain', `record ${index}  queue_wait_ms ${queueWaitMs.toFixed(1)}`);
    });
    while (producedBy(engine) < READINGS && pace.elapsedMs() < DEADLINE_MS && !setup.signal.aborted) {
      await pace.sleep(READ_WAIT_MS);
    }
    // Everything is in: what is on its way still goes through to the consumer, at the consumer's pace.
    const { stages } = await engine.stop({ deadlineMs: DEADLINE_MS });
    await consumed;

    const kept = stages.find((stage) => stage.stageName === KEEP_STAGE);
    return {
      demo: 'backpressure' as const,
      produced: producedBy(engine),
      passed: kept?.out ?? 0,
      filtered: kept?.filtered ?? 0,
      consumed: waitsMs.length,
      highWater: queue.report().highWater,
      queueWaitMs: {
        avg: waitsMs.length === 0 ? 0 : waitsMs.reduce((sum, waitMs) => sum + waitMs, 0) / waitsMs.length,
        max: Math.max(0, ...waitsMs),
        over5ms: waitsMs.filter((waitMs) => waitMs > LONG_WAIT_MS).length,
      },
      printed,
      db: setup.db,
    };
  });
}

/** Waits before each read, and reads until the queue has come to its end. */
async function readSlowly(queue: Consumer, pace: Pace, onRead: (queueWaitMs: number) => void): Promise<void> {
  const reader = queue[Symbol.asyncIterator]();
  for (;;) {
    await pace.sleep(READ_WAIT_MS);
    const next = await reader.next();
    if (next.done === true) return;
    onRead(next.value.queueWaitMs);
  }
}

function producedBy(engine: { health(): readonly SourceHealth[] }): number {
  return engine.health().reduce((sum, source) => sum + source.recordsProduced, 0);
}

function simulatedSensors(seed: number): Sensors {
  return simulated(
    IDS.map((id) => {
      const read = readingsFrom(startDayOf(id, seed));
      return simulatedSource({ id, type: 'mqtt', stream: () => take(read, READINGS_EACH) });
    }),
  );
}

/** As fast as they are wanted. */
async function* take(read: () => unknown, count: number): AsyncGenerator<unknown> {
  for (let taken = 0; taken < count; taken++) yield read();
}

async function realSensors(parts: AsyncDisposableStack, seed: number): Promise<Sensors> {
  const feeds = IDS.map((id) => ({
    ...{ topic: `weather/${id}`, qos: 1 as const, startDay: startDayOf(id, seed) },
    ...{ cycle: [{ waitMs: 0, records: READINGS_EACH }], cycles: 1 },
  }));
  const field = await startMqttField(parts, feeds);
  return {
    specs: IDS.map((id) =>
      mqttSource({ id, url: field.brokerUrl, topics: { topic: `weather/${id}`, qos: 1 } }),
    ),
    begin: async (engine) => {
      await whenStreaming(engine, IDS);
      field.publish();
    },
  };
}

function startDayOf(id: string, seed: number): number {
  return seededRandom(seed).fork(id).integer(0, 1_460);
}
