/** The metrics of a real engine at work: numbers that add up with its log, a text to promtool's liking,
 *  counters that no change of sources or stages sets back, and no secret in any label. */

import Database from 'better-sqlite3';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  boundedQueue,
  createEngine,
  defineSource,
  filter,
  functionSink,
  HeadgateError,
  httpSource,
  mqttSource,
  pushSource,
  transform,
  type Engine,
  type PushSource,
} from '../../src/index.ts';
import { SILENT_LOGGER } from '../../src/domain/logger.ts';
import { createMetrics, type Metrics } from '../../src/metrics/metrics.ts';
import { realClock } from '../../src/platform/real-clock.ts';
import { until } from '../chaos/rig/until.ts';
import { freePort } from '../support/mqtt-brokers.ts';
import { promtool, promtoolMissing } from '../support/promtool.ts';
import { readExposition, type ReadText } from './exposition-reader.ts';
import { madeUpReload } from './made-up-stats.ts';

const PATIENCE_MS = 30_000;
const CANARY = 'c4nary-9f1e';
const RECORDS = 200;

let folder: string;
let engine: Engine;
let metrics: Metrics;

interface Reading {
  readonly value: number;
}

const stages = () => [
  filter((record) => (record.data as Reading).value >= 20),
  boundedQueue({ stageName: 'normalised', capacityRecords: 50 }),
  transform((record) => {
    const { value } = record.data as Reading;
    if (value === 30) throw new Error(`cannot do ${CANARY}`);
    return { value: value * 2 };
  }),
];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'headgate-metrics-'));
  engine = createEngine({
    timeline: { path: join(folder, 'edge.db') },
    rateLimit: { recordsPerSecondMax: 100_000, policy: 'drop', scope: 'global' },
    burst: { thresholdRecords: 50, windowMs: 1_000 },
    stages: stages(),
    logger: SILENT_LOGGER,
  });
  metrics = createMetrics({
    stats: () => engine.stats(),
    reload: () => madeUpReload,
    clock: realClock,
    storageFolder: folder,
  });
  await engine.start();
});
afterEach(async () => {
  metrics.close();
  await engine.stop();
  rmSync(folder, { recursive: true });
});

const scrape = async (): Promise<ReadText> => readExposition((await metrics.render()).text);

async function pushReadings(source: PushSource, count = RECORDS): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, value) => source.push({ value })));
}

function storedRecords(): number {
  const db = new Database(join(folder, 'edge.db'), { readonly: true });
  try {
    return db.prepare('SELECT count(*) FROM records').pluck().get() as number;
  } finally {
    db.close();
  }
}

/** Raises an alert of its own, once. */
const alarming = defineSource({
  type: 'alarming',
  options: {},
  stream: async (io) => {
    io.alert('DOOR_OPEN', `opened with ${CANARY}`);
    await new Promise<void>((resolve) => io.signal.addEventListener('abort', () => resolve()));
  },
});

test('what is told adds up with what is stored', async () => {
  const source = pushSource({ id: 'line3', decode: 'json' });
  await engine.register(source);
  await engine.registerSink(functionSink({ id: 'screen', deliver: () => Promise.resolve() }));
  await pushReadings(source);
  source.pushPayload('{"value": ').catch(() => {});
  await until('dead letters', PATIENCE_MS, () => engine.stats().deadLetters === 2);
  await until('deliveries', PATIENCE_MS, () => engine.sinkHealth('screen').delivered === storedRecords());
  const { one } = await scrape();
  const ofSource = { source: 'line3', tenant: 'default' };
  expect(one('headgate_source_records_total', ofSource)).toBe(RECORDS);
  expect(one('headgate_limiter_admitted_records_total')).toBe(RECORDS);
  expect(one('headgate_stage_filtered_records_total', { stage: 'filter' })).toBe(20);
  expect(one('headgate_stage_failed_records_total', { stage: 'transform' })).toBe(1);
  expect(one('headgate_stage_queue_capacity_records', { stage: 'normalised' })).toBe(50);
  expect(one('headgate_storage_records_total')).toBe(storedRecords());
  expect(one('headgate_sink_delivered_records_total', { sink: 'screen' })).toBe(storedRecords());
  expect(one('headgate_dead_letters_total')).toBe(2);
  expect(one('headgate_alerts_total', { event: 'BURST' })).toBeGreaterThanOrEqual(1);
  expect(one('headgate_bursts_total')).toBe(1);
  expect(one('headgate_storage_commit_duration_seconds_count')).toBeGreaterThan(0);
  expect(one('headgate_storage_file_bytes')).toBeGreaterThan(0);
  expect(one('headgate_storage_stalled')).toBe(0);
  expect(one('headgate_engine_state', { state: 'running' })).toBe(1);
});

test('nothing sets a counter back: no change of a source, none of the stages', async () => {
  const source = pushSource({ id: 'line3', decode: 'json' });
  await engine.register(source);
  await pushReadings(source);
  const before = await scrape();
  const changed = pushSource({ id: 'line3', decode: 'json', outlet: { capacityRecords: 99 } });
  await engine.update(changed);
  await engine.reconfigure({ stages: stages() });
  await until('the new one', PATIENCE_MS, () => engine.health('line3').state === 'streaming');
  await pushReadings(changed, 30);
  const after = await scrape();
  const counters = before.series.filter(({ name }) => before.types.get(name) === 'counter');
  expect(counters.length).toBeGreaterThan(20);
  for (const { name, labels, value } of counters) {
    expect([name, after.one(name, labels) >= value]).toEqual([name, true]);
  }
  expect(after.one('headgate_source_records_total', { source: 'line3' })).toBe(RECORDS + 30);
  expect(after.one('headgate_stage_input_records_total', { stage: 'filter' })).toBe(RECORDS + 30);
});

test('no secret is in any label, whatever goes wrong', { tags: 'full' }, async () => {
  const port = await freePort();
  const restart = { backoff: { kind: 'constant', initialMs: 10, maxMs: 10, jitter: 'none' } } as const;
  await engine.register(
    mqttSource({ id: 'plc-7', url: `mqtt://gw:${CANARY}@127.0.0.1:${port}`, topics: 'x/#', restart }),
  );
  const url = `http://gw:${CANARY}@127.0.0.1:${port}/value?token=${CANARY}`;
  const headers = { authorization: `Bearer ${CANARY}` };
  await engine.register(httpSource({ id: 'meter', url, intervalMs: 10, headers }));
  await engine.register(alarming({ id: 'door' }));
  await engine.registerSink(
    functionSink({
      id: 'cloud',
      deliver: () => Promise.reject(new HeadgateError('HG_LINK_REFUSED', `no access with ${CANARY}`)),
    }),
  );
  const source = pushSource({ id: 'line3', decode: 'json' });
  await engine.register(source);
  await pushReadings(source);
  source.pushPayload(`{"password": "${CANARY}"`).catch(() => {});
  await until('everything that can go wrong', PATIENCE_MS, () => {
    const { sources, sinks, deadLetters, alerts } = engine.stats();
    const failing = [...sources, ...sinks].filter(({ lastError }) => lastError !== null);
    return failing.length >= 3 && deadLetters >= 2 && alerts['DOOR_OPEN'] === 1;
  });
  metrics.observeRequest({ method: 'GET', route: '/api/sources/{id}', statusCode: 401, seconds: 0.001 });
  const { text } = await metrics.render();
  expect(text).toContain('source="plc-7"');
  expect(text).toContain('event="DOOR_OPEN"');
  expect(text).not.toContain(CANARY);
  // The canary is where it would have been found: in what went wrong.
  expect(JSON.stringify(engine.stats())).toContain(CANARY);
  if (promtoolMissing === null)
    expect(promtool(['check', 'metrics'], text)).toEqual({ exitCode: 0, said: '' });
});
