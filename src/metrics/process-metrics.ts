/** Metrics of the process: who it is, what it takes, how its event loop does, and what was asked of it. Names
 *  that every process has (`process_…`) are those that ready-made dashboards know. */

import { VERSION } from '../version.ts';
import { single, stateSet, type MetricDefinition, type ValueDefinition } from './metric.ts';

const ENGINE_STATES = ['idle', 'booting', 'running', 'draining', 'stopped', 'failed'] as const;

const buildInfo: ValueDefinition = {
  type: 'gauge',
  name: 'headgate_build_info',
  help: 'Always 1, labelled by the versions of Headgate and Node.',
  labels: ['version', 'node'],
  read: ({ process }) => [{ labels: { version: VERSION, node: process.nodeVersion }, value: 1 }],
};

const configInfo: ValueDefinition = {
  type: 'gauge',
  name: 'headgate_config_info',
  help: 'Always 1, labelled by the digest of the running configuration, which leaves secrets out.',
  labels: ['digest'],
  read: ({ reload }) => [{ labels: { digest: reload.digest }, value: 1 }],
};

const reloads: ValueDefinition = {
  type: 'counter',
  name: 'headgate_config_reloads_total',
  help: 'Reloads of the configuration, by what came of them.',
  labels: ['outcome'],
  read: ({ reload }) =>
    Object.entries(reload.counts).map(([outcome, value]) => ({ labels: { outcome }, value })),
};

export const PROCESS_METRICS: readonly MetricDefinition[] = [
  buildInfo,
  stateSet(
    'headgate_engine_state',
    '1 for the state the engine is in, 0 for the others.',
    ENGINE_STATES,
    ({ stats }) => ENGINE_STATES.find((state) => state === stats.state) ?? null,
  ),
  single(
    'gauge',
    'headgate_engine_start_time_seconds',
    'When the engine was started last, seconds since 1970. Its counters begin at 0 then.',
    ({ stats }) => (stats.startedAtMs === null ? null : stats.startedAtMs / 1_000),
  ),
  configInfo,
  single(
    'gauge',
    'headgate_config_version',
    'Rises by one with every change that was applied.',
    ({ reload }) => reload.version,
  ),
  single(
    'gauge',
    'headgate_config_last_reload_successful',
    '1 where the last reload was applied or changed nothing, 0 where it was refused or failed.',
    ({ reload: { last } }) => (last === null ? null : Number(last.isSuccess)),
  ),
  single(
    'gauge',
    'headgate_config_last_reload_timestamp_seconds',
    'When the last reload was, seconds since 1970.',
    ({ reload: { last } }) => (last === null ? null : last.atMs / 1_000),
  ),
  reloads,
  single(
    'gauge',
    'headgate_event_loop_delay_p50_seconds',
    'How long half of all events waited no longer for the event loop, of late.',
    ({ loop }) => loop.p50Seconds,
  ),
  single(
    'gauge',
    'headgate_event_loop_delay_p99_seconds',
    'How long 99 of 100 events waited no longer for it, of late.',
    ({ loop }) => loop.p99Seconds,
  ),
  single(
    'gauge',
    'headgate_event_loop_delay_max_seconds',
    'The longest that an event waited for it, of late.',
    ({ loop }) => loop.maxSeconds,
  ),
  single(
    'gauge',
    'headgate_event_loop_utilization_ratio',
    'Share of the time in which the event loop was busy, of late: 1 is all of it.',
    ({ loop }) => loop.utilizationRatio,
  ),
  {
    type: 'histogram',
    name: 'headgate_http_request_duration_seconds',
    help: 'HTTP requests: how many, and how long each took until its answer was sent.',
    labels: ['method', 'route', 'status'],
    read: ({ requests }) => requests,
  },
  single(
    'counter',
    'headgate_otlp_exports_total',
    'Times the metrics were sent to the collector.',
    ({ otlp }) => otlp?.exports ?? null,
  ),
  single(
    'counter',
    'headgate_otlp_export_failures_total',
    'Times they could not be sent.',
    ({ otlp }) => otlp?.failures ?? null,
  ),
  single(
    'counter',
    'process_cpu_seconds_total',
    'CPU time of all threads, of the program and of the system for it.',
    ({ process }) => process.cpuSeconds,
  ),
  single(
    'gauge',
    'process_start_time_seconds',
    'When the process was started, seconds since 1970.',
    ({ process }) => process.startTimeSeconds,
  ),
  single(
    'gauge',
    'process_resident_memory_bytes',
    'Memory of the process, as the system counts it.',
    ({ process }) => process.residentBytes,
  ),
  single('gauge', 'process_open_fds', 'Open files and sockets.', ({ process }) => process.openFds),
  single('gauge', 'process_max_fds', 'How many it may open.', ({ process }) => process.maxFds),
  single(
    'gauge',
    'nodejs_heap_size_used_bytes',
    'Heap of the main thread in use.',
    ({ process }) => process.heapUsedBytes,
  ),
  single(
    'gauge',
    'nodejs_heap_size_total_bytes',
    'Heap of the main thread, all of it.',
    ({ process }) => process.heapTotalBytes,
  ),
  single(
    'gauge',
    'nodejs_heap_size_limit_bytes',
    'How large it may grow before Node ends the process.',
    ({ process }) => process.heapLimitBytes,
  ),
  single(
    'gauge',
    'nodejs_external_memory_bytes',
    'Memory outside the heap that its objects hold.',
    ({ process }) => process.externalBytes,
  ),
];
