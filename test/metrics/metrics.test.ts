import { afterEach, describe, expect, test } from 'vitest';
import { LIMITS } from '../../src/domain/limits.ts';
import type { EngineStats } from '../../src/engine/engine-stats.ts';
import {
  createMetrics,
  METRIC_DEFINITIONS,
  type Metrics,
  type MetricsDeps,
} from '../../src/metrics/metrics.ts';
import { realClock } from '../../src/platform/real-clock.ts';
import { promtool, promtoolMissing } from '../support/promtool.ts';
import { skipNote } from '../support/skip-note.ts';
import { until } from '../chaos/rig/until.ts';
import { readExposition, type ReadText } from './exposition-reader.ts';
import {
  madeUpReload,
  madeUpSink,
  madeUpSource,
  madeUpStages,
  madeUpStats,
  madeUpStorage,
} from './made-up-stats.ts';

const open: Metrics[] = [];
afterEach(() => {
  for (const metrics of open.splice(0)) metrics.close();
});

/** Metrics of an engine that says what it is told to say. */
function metricsOf(stats: EngineStats, deps: Partial<MetricsDeps> = {}) {
  let current = stats;
  const metrics = createMetrics({
    stats: () => current,
    reload: () => madeUpReload,
    clock: { ...realClock, wallMs: () => 1_700_000_001_000 },
    ...deps,
  });
  open.push(metrics);
  return {
    metrics,
    scrape: async (next: EngineStats = current): Promise<ReadText> => {
      current = next;
      return readExposition((await metrics.render()).text);
    },
  };
}

describe('the text', () => {
  test('has every metric with its type and what it says', async () => {
    const { metrics } = metricsOf(madeUpStats());
    const { contentType, text } = await metrics.render();
    expect(contentType).toBe('text/plain; version=0.0.4; charset=utf-8');
    const { types, helps } = readExposition(text);
    for (const { name, type, help } of METRIC_DEFINITIONS) {
      expect([name, types.get(name), helps.get(name)]).toEqual([name, type, help]);
    }
  });

  test('has numbers only, also of an engine that was never started', async () => {
    const idle = madeUpStats({
      ...{ state: 'idle', startedAtMs: null, sources: [], sinks: [], stages: [], burst: null, storage: null },
      limiter: { state: 'off', recordsPerSecondMax: null, admittedRecords: 0, droppedRecords: 0 },
      alerts: {},
    });
    const { series, all } = await metricsOf(idle, {
      reload: () => ({ version: 0, digest: '', last: null, counts: {} }),
    }).scrape();
    expect(series.length).toBeGreaterThan(30);
    expect(series.filter(({ value }) => !Number.isFinite(value))).toEqual([]);
    expect(all('headgate_config_last_reload_successful')).toEqual([]);
    expect(all('headgate_limiter_records_per_second_limit')).toEqual([]);
  });

  test('carries only the labels that are declared', async () => {
    const { series } = await metricsOf(madeUpStats()).scrape();
    const declared = new Map(METRIC_DEFINITIONS.map(({ name, labels }) => [name, labels]));
    for (const { name, labels } of series) {
      const base = declared.has(name) ? name : name.replace(/_(?:bucket|sum|count)$/, '');
      const known = [...(declared.get(base) ?? []), ...(name.endsWith('_bucket') ? ['le'] : [])];
      expect(known).toEqual(expect.arrayContaining(Object.keys(labels)));
    }
  });

  test('survives labels with quotes, line breaks and backslashes', async () => {
    const stage = 'a "quoted"\nname \\ of a stage';
    const [first, ...others] = madeUpStages;
    const { one } = await metricsOf(
      madeUpStats({ stages: [{ ...first, stageName: stage } as never, ...others] }),
    ).scrape();
    expect(one('headgate_stage_input_records_total', { stage })).toBe(100);
  });

  test.skipIf(promtoolMissing !== null)(`is to promtool's liking${skipNote(promtoolMissing)}`, async () => {
    const { metrics } = metricsOf(
      madeUpStats({
        storage: {
          ...madeUpStorage,
          isStalled: true,
          waitingSinceMonoMs: 1_000,
          stalledBy: { code: 'HG_STORAGE_FULL', message: 'full' },
        },
      }),
      { storageFolder: '.' },
    );
    metrics.observeRequest({ method: 'GET', route: '/api/sources', statusCode: 200, seconds: 0.02 });
    metrics.watchOtlp(() => ({ exports: 1, failures: 1 }));
    await until('the disk has been looked at', 30_000, async () =>
      (await metrics.render()).text.includes('\nheadgate_disk_free_bytes '),
    );
    const { text } = await metrics.render();
    // Every metric has a value here, so that none goes unjudged.
    const { types, series } = readExposition(text);
    const silent = [...types.keys()].filter((name) => !series.some((one) => one.name.startsWith(name)));
    expect(silent).toEqual([]);
    expect(promtool(['check', 'metrics'], text)).toEqual({ exitCode: 0, said: '' });
    expect(promtool(['check', 'metrics'], '# TYPE bad_counter counter\nbad_counter 1\n').exitCode).not.toBe(
      0,
    );
  });
});

test('a source is told whole', async () => {
  const { one, all } = await metricsOf(madeUpStats()).scrape();
  const labels = { source: 'plc-7', tenant: 'default' };
  expect(one('headgate_source_state', { ...labels, type: 'mqtt', state: 'streaming' })).toBe(1);
  expect(one('headgate_source_records_total', labels)).toBe(1_200);
  expect(one('headgate_source_dropped_records_total', labels)).toBe(5);
  expect(one('headgate_source_late_records_total', labels)).toBe(1);
  expect(one('headgate_source_restarts_total', labels)).toBe(1);
  expect(one('headgate_source_errors_total', { ...labels, code: 'HG_LINK_LOST' })).toBe(1);
  expect(one('headgate_source_consecutive_errors', labels)).toBe(2);
  expect(one('headgate_source_queue_records', labels)).toBe(7);
  expect(one('headgate_source_spilled_records', labels)).toBe(3);
  expect(one('headgate_source_last_read_age_seconds', labels)).toBe(1);
  expect(one('headgate_sources', { state: 'streaming' })).toBe(1);
  expect(one('headgate_sources', { state: 'quarantined' })).toBe(0);
  expect(all('headgate_source_records_total')).toHaveLength(1);
});

test('stages, limits, bursts, sinks, storage and reloads are told', async () => {
  const { one } = await metricsOf(madeUpStats()).scrape();
  expect(one('headgate_stage_filtered_records_total', { stage: 'filter' })).toBe(19);
  expect(one('headgate_stage_failed_records_total', { stage: 'filter' })).toBe(1);
  expect(one('headgate_stage_queue_records')).toBe(4);
  expect(one('headgate_stage_dropped_records_total', { stage: 'normalised' })).toBe(6);
  expect(one('headgate_stage_queue_wait_max_seconds')).toBe(0.012);
  expect(one('headgate_limiter_state', { state: 'limiting' })).toBe(1);
  expect(one('headgate_limiter_state', { state: 'open' })).toBe(0);
  expect(one('headgate_limiter_records_per_second_limit')).toBe(100);
  expect(one('headgate_burst_active')).toBe(1);
  expect(one('headgate_bursts_total')).toBe(2);
  expect(one('headgate_sink_lag_seconds', { sink: 'archive', tenant: 'default' })).toBe(0.25);
  expect(one('headgate_sink_delivered_records_total', { sink: 'archive' })).toBe(900);
  expect(one('headgate_sink_last_delivery_age_seconds')).toBe(0.5);
  expect(one('headgate_storage_commit_duration_seconds_bucket', { le: '0.01' })).toBe(40);
  expect(one('headgate_storage_commit_duration_seconds_bucket', { le: '+Inf' })).toBe(50);
  expect(one('headgate_storage_commit_duration_seconds_count')).toBe(50);
  expect(one('headgate_storage_last_commit_age_seconds')).toBe(0.1);
  expect(one('headgate_storage_stalled')).toBe(0);
  expect(one('headgate_dead_letters_total')).toBe(9);
  expect(one('headgate_alerts_total', { event: 'BURST' })).toBe(2);
  expect(one('headgate_config_version')).toBe(3);
  expect(one('headgate_config_info', { digest: 'd1ge57' })).toBe(1);
  expect(one('headgate_config_reloads_total', { outcome: 'refused' })).toBe(1);
  expect(one('headgate_engine_start_time_seconds')).toBe(1_699_999_000);
});

test('a stalled database says since when, and why', async () => {
  const storage = {
    ...madeUpStorage,
    isStalled: true,
    waitingSinceMonoMs: 2_000,
    stalledBy: { code: 'HG_STORAGE_FULL', message: 'the disk is full' },
  };
  const { one } = await metricsOf(madeUpStats({ storage })).scrape();
  expect(one('headgate_storage_stalled')).toBe(1);
  expect(one('headgate_storage_waiting_seconds')).toBe(3);
  expect(one('headgate_storage_stall_reason', { code: 'HG_STORAGE_FULL' })).toBe(1);
});

describe('counters', () => {
  const ofSource = { source: 'plc-7' };

  test('are those of all incarnations', async () => {
    const totals = {
      counts: { recordsProduced: 1_210, droppedCount: 5, deadLetteredCount: 0, lateRecords: 1, restarts: 1 },
      errors: { HG_LINK_LOST: 3, HG_READ_STATUS: 1 },
    };
    const { one } = await metricsOf(
      madeUpStats({ sources: [madeUpSource({ incarnation: 9, recordsProduced: 10, totals })] }),
    ).scrape();
    expect(one('headgate_source_records_total', ofSource)).toBe(1_210);
    expect(one('headgate_source_errors_total', { ...ofSource, code: 'HG_LINK_LOST' })).toBe(3);
    expect(one('headgate_source_errors_total', { ...ofSource, code: 'HG_READ_STATUS' })).toBe(1);
  });

  test('begin anew with a new start of the engine, and its start time says so', async () => {
    const { scrape } = metricsOf(madeUpStats());
    await scrape();
    const fresh = madeUpSource({ incarnation: 12, recordsProduced: 2 });
    const { one } = await scrape(madeUpStats({ startedAtMs: 1_700_000_000_000, sources: [fresh] }));
    expect(one('headgate_source_records_total', ofSource)).toBe(2);
    expect(one('headgate_engine_start_time_seconds')).toBe(1_700_000_000);
  });

  test('of two instances are their own', async () => {
    const [first, second] = [metricsOf(madeUpStats()), metricsOf(madeUpStats())];
    first.metrics.observeRequest({ method: 'GET', route: '/healthz', statusCode: 200, seconds: 0.001 });
    expect((await first.scrape()).all('headgate_http_request_duration_seconds_count')).toHaveLength(1);
    expect((await second.scrape()).all('headgate_http_request_duration_seconds_count')).toHaveLength(0);
  });
});

describe('what there is too much of is summed up:', () => {
  const crowd = (from: number, count: number, records: number) =>
    Array.from({ length: count }, (_, index) =>
      madeUpSource({ sourceId: `s-${from + index}`, recordsProduced: records, queueDepth: 1 }),
    );
  const { metricsSourcesMax } = LIMITS;
  const rest = { source: '_other', tenant: '_other' };

  test('sources beyond the limit', async () => {
    const sources = crowd(0, metricsSourcesMax + 3, 10);
    const { one, all } = await metricsOf(madeUpStats({ sources })).scrape();
    expect(all('headgate_source_records_total')).toHaveLength(metricsSourcesMax + 1);
    expect(one('headgate_source_records_total', rest)).toBe(30);
    expect(one('headgate_source_queue_records', rest)).toBe(3);
    expect(all('headgate_source_state')).toHaveLength(metricsSourcesMax);
  });

  test('and their errors, by code', async () => {
    const sources = crowd(0, metricsSourcesMax + 2, 10).map((source, index) => {
      const errors = index % 2 === 0 ? { HG_LINK_LOST: 2 } : { HG_LINK_LOST: 2, HG_READ_STATUS: 1 };
      return { ...source, totals: { ...source.totals, errors } };
    });
    const { scrape } = metricsOf(madeUpStats({ sources }));
    expect((await scrape()).one('headgate_source_errors_total', { ...rest, code: 'HG_LINK_LOST' })).toBe(4);
    const { one } = await scrape();
    expect(one('headgate_source_errors_total', { ...rest, code: 'HG_LINK_LOST' })).toBe(4);
    expect(one('headgate_source_errors_total', { ...rest, code: 'HG_READ_STATUS' })).toBe(1);
  });

  test('and their sum never falls, whoever comes or goes', async () => {
    const { scrape } = metricsOf(madeUpStats({ sources: crowd(0, metricsSourcesMax + 3, 10) }));
    await scrape();
    // One of the rest has gone, two have gone on, and one with a series of its own has gone.
    const later = [...crowd(1, metricsSourcesMax - 1, 10), ...crowd(metricsSourcesMax, 2, 15)];
    const after = await scrape(madeUpStats({ sources: later }));
    expect(after.one('headgate_source_records_total', rest)).toBe(40);
    expect(after.all('headgate_source_records_total')).toHaveLength(metricsSourcesMax);
    // A newcomer takes the place that is free; those of the rest stay where they are.
    const withNewcomer = await scrape(madeUpStats({ sources: [...later, ...crowd(90_000, 1, 7)] }));
    expect(withNewcomer.one('headgate_source_records_total', { source: 's-90000' })).toBe(7);
    expect(withNewcomer.one('headgate_source_records_total', rest)).toBe(40);
  });

  test('what has ended gives its place to what works', async () => {
    const ended = crowd(0, metricsSourcesMax, 1).map((source) => ({ ...source, state: 'stopped' as const }));
    const { scrape } = metricsOf(madeUpStats({ sources: ended }));
    await scrape();
    const working = madeUpSource({ sourceId: 'works' });
    const { one, all } = await scrape(madeUpStats({ sources: [...ended, working] }));
    expect(one('headgate_source_records_total', { source: 'works' })).toBe(1_200);
    expect(all('headgate_source_state')).toHaveLength(metricsSourcesMax);
  });

  test('sinks, likewise', async () => {
    const sinks = Array.from({ length: LIMITS.metricsSinksMax + 2 }, (_, index) =>
      madeUpSink({ sinkId: `sink-${index}`, delivered: 3 }),
    );
    const { one, all } = await metricsOf(madeUpStats({ sinks })).scrape();
    expect(one('headgate_sink_delivered_records_total', { sink: '_other' })).toBe(6);
    expect(all('headgate_sink_lag_records')).toHaveLength(LIMITS.metricsSinksMax);
  });

  test('routes, and methods nobody has heard of', async () => {
    const { metrics, scrape } = metricsOf(madeUpStats());
    const request = { method: 'GET', statusCode: 200, seconds: 0.01 };
    for (let index = 0; index < LIMITS.metricsRoutesMax + 5; index++) {
      metrics.observeRequest({ ...request, route: `/${index}` });
    }
    metrics.observeRequest({ method: 'BREW', route: null, statusCode: 999, seconds: 0.01 });
    const { one, all } = await scrape();
    const count = 'headgate_http_request_duration_seconds_count';
    expect(all(count)).toHaveLength(LIMITS.metricsRoutesMax + 2);
    expect(one(count, { route: '_other', method: 'GET' })).toBe(5);
    expect(one(count, { route: '_other', method: '_other', status: '_other' })).toBe(1);
  });
});

test('requests are counted by route, method and class of status, with their times', async () => {
  const { metrics, scrape } = metricsOf(madeUpStats());
  const request = { method: 'POST', route: '/api/ingest/{source}' };
  metrics.observeRequest({ ...request, statusCode: 200, seconds: 0.02 });
  metrics.observeRequest({ ...request, statusCode: 204, seconds: 60 });
  metrics.observeRequest({ ...request, statusCode: 429, seconds: 0.001 });
  metrics.observeRequest({ ...request, statusCode: 200, seconds: Number.NaN });
  const { one } = await scrape();
  const name = 'headgate_http_request_duration_seconds';
  expect(one(`${name}_count`, { ...request, status: '2xx' })).toBe(2);
  expect(one(`${name}_sum`, { ...request, status: '2xx' })).toBe(60.02);
  expect(one(`${name}_bucket`, { status: '2xx', le: '0.025' })).toBe(1);
  expect(one(`${name}_bucket`, { status: '2xx', le: '10' })).toBe(1);
  expect(one(`${name}_bucket`, { status: '2xx', le: '+Inf' })).toBe(2);
  expect(one(`${name}_count`, { ...request, status: '4xx' })).toBe(1);
});

test('the process tells of itself', async () => {
  const { one } = await metricsOf(madeUpStats()).scrape();
  expect(one('process_resident_memory_bytes')).toBeGreaterThan(10_000_000);
  expect(one('process_cpu_seconds_total')).toBeGreaterThan(0);
  expect(one('nodejs_heap_size_used_bytes')).toBeLessThan(one('nodejs_heap_size_limit_bytes'));
  expect(one('headgate_event_loop_utilization_ratio')).toBeLessThanOrEqual(1);
});
