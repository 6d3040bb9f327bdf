import { afterEach, expect, test } from 'vitest';
import { HeadgateError } from '../../src/domain/errors.ts';
import { SILENT_LOGGER, type Logger } from '../../src/domain/logger.ts';
import { createMetrics } from '../../src/metrics/metrics.ts';
import { startOtlpExport, type OtlpOptions } from '../../src/metrics/otlp-export.ts';
import { loadOtlp } from '../../src/metrics/otlp-peer.ts';
import { realClock } from '../../src/platform/real-clock.ts';
import { until } from '../chaos/rig/until.ts';
import { readExposition } from './exposition-reader.ts';
import { attributesOf, pointOf, startOtlpCollector } from './otlp-collector.ts';
import { madeUpReload, madeUpStats } from './made-up-stats.ts';

const SOON = { deadlineMs: 10_000 };

/** Ends what a test began, the last first. */
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function startCollector() {
  const collector = await startOtlpCollector();
  cleanups.push(() => collector.close());
  return collector;
}

function newMetrics() {
  const metrics = createMetrics({
    stats: () => madeUpStats(),
    reload: () => madeUpReload,
    clock: { ...realClock, wallMs: () => 1_700_000_001_000 },
  });
  cleanups.push(() => metrics.close());
  return metrics;
}

async function startExport(options: OtlpOptions, log: Logger = SILENT_LOGGER) {
  const metrics = newMetrics();
  const running = await startOtlpExport({ timeoutMs: 2_000, ...options }, { metrics, clock: realClock, log });
  cleanups.push(() => running.close(SOON));
  return { running, metrics };
}

test('what the collector gets is what Prometheus would read', async () => {
  const collector = await startCollector();
  const { metrics } = await startExport({
    url: collector.url,
    intervalMs: 50,
    headers: { authorization: 'Bearer for-the-collector' },
    resource: { 'service.instance.id': 'plant-4' },
  });
  metrics.observeRequest({ method: 'GET', route: '/api/sources', statusCode: 200, seconds: 0.02 });
  await until('a second export', 30_000, () => collector.received.length >= 2);
  const { headers, body } = collector.received.at(-1) as (typeof collector.received)[number];
  expect(headers).toMatchObject({
    'content-type': 'application/json',
    authorization: 'Bearer for-the-collector',
  });
  const [resourceMetrics] = body.resourceMetrics;
  expect(attributesOf(resourceMetrics?.resource.attributes ?? [])).toMatchObject({
    'service.name': 'headgate',
    'service.instance.id': 'plant-4',
  });

  const sent = new Map(resourceMetrics?.scopeMetrics[0]?.metrics.map((metric) => [metric.name, metric]));
  const { series, types } = readExposition((await metrics.render()).text);
  const changing = /^(?:process_|nodejs_|headgate_(?:event_loop|otlp|storage_waiting|disk))/;
  for (const { name, labels, value } of series.filter((one) => types.get(one.name) !== undefined)) {
    const metric = sent.get(name);
    const found = pointOf(metric, labels);
    expect([name, labels, found === undefined]).toEqual([name, labels, false]);
    if (!changing.test(name)) expect([name, found?.asDouble]).toEqual([name, value]);
    expect([name, metric?.sum?.isMonotonic ?? false]).toEqual([name, types.get(name) === 'counter']);
  }
  const commits = sent.get('headgate_storage_commit_duration_seconds');
  expect(commits).toMatchObject({ unit: 's' });
  expect(commits?.histogram?.dataPoints).toMatchObject([
    { count: 50, sum: 0.6, explicitBounds: [0.001, 0.01, 0.1], bucketCounts: [10, 30, 9, 1] },
  ]);
  const [records] = sent.get('headgate_storage_records_total')?.sum?.dataPoints ?? [];
  expect(records?.startTimeUnixNano).toBe(`${1_699_999_000_000}000000`);
});

test('a collector that refuses is counted, told of once, and told of again when it takes what it gets', async () => {
  const said: string[] = [];
  const note = (_fields: object, message: string) => void said.push(message);
  const collector = await startCollector();
  collector.answerWith(400);
  const { running, metrics } = await startExport(
    { url: collector.url, intervalMs: 20 },
    { ...SILENT_LOGGER, warn: note, info: note },
  );
  await until('three failures', 30_000, () => running.counts().failures >= 3);
  const { one } = readExposition((await metrics.render()).text);
  expect(one('headgate_otlp_export_failures_total')).toBeGreaterThanOrEqual(3);
  expect(said).toEqual(['metrics cannot be exported; see that the collector of metrics.otlp is there']);
  collector.answerWith(200);
  await until('an export', 30_000, () => running.counts().exports >= 2);
  expect(said).toHaveLength(2);
});

test('a dead collector holds up neither the gateway nor its end, and its credentials stay suppressed', async () => {
  const said: string[] = [];
  const note = (fields: object, message: string) => void said.push(`${JSON.stringify(fields)} ${message}`);
  const { running } = await startExport(
    { url: 'http://gw:c4nary@127.0.0.1:9/v1/metrics?token=c4nary', intervalMs: 10, timeoutMs: 100 },
    { ...SILENT_LOGGER, warn: note },
  );
  await until('a failure', 30_000, () => running.counts().failures >= 2);
  expect(running.counts().exports).toBe(0);
  await running.close(SOON);
  expect(said).toHaveLength(1);
  expect(said.join()).not.toContain('c4nary');
});

test('the last values are sent at the end', async () => {
  const collector = await startCollector();
  const { running } = await startExport({ url: collector.url, intervalMs: 3_600_000 });
  await until('the first export', 30_000, () => collector.received.length === 1);
  await running.close(SOON);
  expect(collector.received).toHaveLength(2);
});

test('a collector that hangs is given up at the end, and that is told', async () => {
  const said: string[] = [];
  const note = (_fields: object, message: string) => void said.push(message);
  const collector = await startCollector();
  collector.answerWith('nothing');
  const options = { url: collector.url, intervalMs: 10, timeoutMs: 3_600_000 };
  const { running } = await startExport(options, { ...SILENT_LOGGER, warn: note });
  await until('an export', 30_000, () => collector.asked() === 1);
  await running.close({ deadlineMs: 10 });
  expect(said).toEqual(['the collector did not take the last metrics in time']);
});

test('where a package is missing it is said which, and what to install', async () => {
  const missing = (name: string) =>
    Promise.reject(
      Object.assign(new Error(`Cannot find package '${name}'`), { code: 'ERR_MODULE_NOT_FOUND' }),
    );
  const error = await loadOtlp(missing).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(HeadgateError);
  expect(error).toMatchObject({
    code: 'HG_PEER_MISSING',
    message: expect.stringContaining('npm install @opentelemetry/exporter-metrics-otlp-http') as string,
  });
});
