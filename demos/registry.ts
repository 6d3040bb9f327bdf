/** Sources come and go while the engine runs, and none of the others notices: three at the start, a fourth
 *  after 1 s, one of the first three leaves after 2 s, two more come after 3 s. */

import {
  createEngine,
  httpSource,
  isPoison,
  mqttSource,
  simulatedSource,
  type SourceSpec,
} from '../src/index.ts';
import type { DemoSetup } from './parts/demo.ts';
import { startHttpSensor } from './parts/http-sensor.ts';
import { makePace } from './parts/pace.ts';
import { readingsFrom } from './parts/readings.ts';
import { startMqttField } from './parts/sensors.ts';

export const title = 'sources register and deregister while others run, 5 s';

const DURATION_MS = 5_000;
const INTERVAL_MS = 100;

type SourceId = 'a' | 'b' | 'c' | 'd' | 'e' | 'f';
const TYPES: Readonly<Record<SourceId, 'http' | 'mqtt'>> = {
  a: 'http',
  b: 'mqtt',
  c: 'http',
  d: 'mqtt',
  e: 'http',
  f: 'mqtt',
};
const IDS = Object.keys(TYPES) as SourceId[];

const PLAN: readonly { atMs: number; event: 'registered' | 'deregistered'; sourceId: SourceId }[] = [
  { atMs: 0, event: 'registered', sourceId: 'a' },
  { atMs: 0, event: 'registered', sourceId: 'b' },
  { atMs: 0, event: 'registered', sourceId: 'c' },
  { atMs: 1_000, event: 'registered', sourceId: 'd' },
  { atMs: 2_000, event: 'deregistered', sourceId: 'a' },
  { atMs: 3_000, event: 'registered', sourceId: 'e' },
  { atMs: 3_000, event: 'registered', sourceId: 'f' },
];

export async function run(setup: DemoSetup) {
  await using parts = new AsyncDisposableStack();
  const specs = setup.virtual ? simulatedSpecs() : await realSpecs(parts);
  const pace = makePace(setup.virtual, setup.signal);
  const engine = createEngine({
    timeline: { path: setup.db },
    records: { keep: true },
    seed: setup.seed,
    logger: setup.logger,
    ...pace.clock,
  });

  return await pace.play(engine, async () => {
    const perSource: Record<string, number> = {};
    engine.records$.subscribe((record) => {
      if (isPoison(record)) return;
      perSource[record.sourceId] = (perSource[record.sourceId] ?? 0) + 1;
    });
    await engine.start();
    pace.begin();
    setup.watch(() => ({
      elapsedMs: pace.elapsedMs(),
      durationMs: DURATION_MS,
      sources: engine.health(),
    }));

    const timeline: { atMs: number; event: 'registered' | 'deregistered'; sourceId: string }[] = [];
    for (const { atMs, event, sourceId } of PLAN) {
      await pace.until(atMs);
      if (setup.signal.aborted) break;
      timeline.push({ atMs: pace.elapsedMs(), event, sourceId });
      setup.tell(pace.elapsedMs(), event === 'registered' ? 'good' : 'bad', `${event} ${sourceId}`);
      if (event === 'registered') await engine.register(specs[sourceId]);
      else await engine.deregister(sourceId);
    }
    await pace.until(DURATION_MS);
    await engine.stop({ deadlineMs: 5_000 });
    const total = Object.values(perSource).reduce((sum, records) => sum + records, 0);
    return { demo: 'registry' as const, total, perSource, timeline, db: setup.db };
  });
}

type Specs = Readonly<Record<SourceId, SourceSpec>>;

function simulatedSpecs(): Specs {
  return specsOf((id, startDay) => {
    const read = readingsFrom(startDay);
    return simulatedSource({ id, type: TYPES[id], intervalMs: INTERVAL_MS, value: () => read() });
  });
}

/** Every sensor runs from the start, as it would in the field; which of them are listened to is the
 *  registry's matter. */
async function realSpecs(parts: AsyncDisposableStack): Promise<Specs> {
  const cycle = [{ waitMs: INTERVAL_MS, records: 1 }];
  const feeds = IDS.filter((id) => TYPES[id] === 'mqtt').map((id) => ({
    ...{ topic: `weather/${id}`, qos: 1 as const, startDay: startDayOf(id) },
    ...{ cycle, cycles: null },
  }));
  const field = await startMqttField(parts, feeds);
  const urls = new Map<string, string>();
  for (const id of IDS.filter((each) => TYPES[each] === 'http')) {
    const read = readingsFrom(startDayOf(id));
    const sensor = parts.use(await startHttpSensor({ read, failRate: 0, random: () => 1, lateAnswerMs: 0 }));
    urls.set(id, sensor.url);
  }
  field.publish();
  return specsOf((id) =>
    TYPES[id] === 'http'
      ? httpSource({ id, url: urls.get(id) ?? '', intervalMs: INTERVAL_MS })
      : mqttSource({ id, url: field.brokerUrl, topics: `weather/${id}` }),
  );
}

function specsOf(make: (id: SourceId, startDay: number) => SourceSpec): Specs {
  return Object.fromEntries(IDS.map((id) => [id, make(id, startDayOf(id))])) as Record<SourceId, SourceSpec>;
}

function startDayOf(id: SourceId): number {
  return 200 * IDS.indexOf(id);
}
