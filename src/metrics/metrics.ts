/** The metrics of a running gateway. The data plane counts in plain numbers; here they are gathered when
 *  somebody asks, and given Prometheus' form. Instances share nothing. */

import { statfs } from 'node:fs/promises';
import type { Clock } from '../domain/clock.ts';
import type { EngineStats } from '../engine/engine-stats.ts';
import { monitorLoop } from './event-loop.ts';
import { expositionOf } from './exposition.ts';
import { FLOW_METRICS } from './flow-metrics.ts';
import type { DiskFacts, MetricDefinition, MetricFacts, OtlpCounts, ReloadFacts } from './metric.ts';
import { processFactsReader } from './process-facts.ts';
import { PROCESS_METRICS } from './process-metrics.ts';
import { RequestMeter, type ObservedRequest } from './request-meter.ts';
import { SINK_METRICS, sinkTotals } from './sink-metrics.ts';
import { SOURCE_METRICS, sourceTotals } from './source-metrics.ts';
import { STORAGE_METRICS } from './storage-metrics.ts';

export interface MetricsDeps {
  readonly stats: () => EngineStats;
  readonly reload: () => ReloadFacts;
  readonly clock: Clock;
  /** The folder of the database, whose disk is watched; null where nothing is stored. */
  readonly storageFolder?: string | null;
}

export interface Metrics {
  /** All metrics, of this moment, in Prometheus' text format. */
  render(): Promise<{ readonly contentType: string; readonly text: string }>;
  /** The facts they are made of: for other ways out. */
  readonly gather: () => MetricFacts;
  /** An HTTP request has been answered. */
  observeRequest(request: ObservedRequest): void;
  /** From now on this is told of exports, too; null: nothing is. */
  watchOtlp(counts: (() => OtlpCounts) | null): void;
  close(): void;
}

/** Every metric there is, in the order they are shown. */
export const METRIC_DEFINITIONS: readonly MetricDefinition[] = [
  ...PROCESS_METRICS,
  ...SOURCE_METRICS,
  ...FLOW_METRICS,
  ...STORAGE_METRICS,
  ...SINK_METRICS,
];

export function createMetrics(deps: MetricsDeps): Metrics {
  const { clock, storageFolder = null } = deps;
  const exposition = expositionOf(METRIC_DEFINITIONS);
  const loop = monitorLoop(clock);
  const readProcess = processFactsReader(clock);
  const requests = new RequestMeter();
  const disk = diskReader(storageFolder);
  disk();
  let otlp: (() => OtlpCounts) | null = null;
  let books = newBooks();
  let startedAtMs: number | null = null;

  function gather(): MetricFacts {
    const stats = deps.stats();
    // A new start of the engine is told by its time; its counters begin at 0, and so do ours.
    if (stats.startedAtMs !== startedAtMs) books = newBooks();
    startedAtMs = stats.startedAtMs;
    return {
      wallMs: clock.wallMs(),
      stats,
      sources: books.sources.read(stats.sources),
      sinks: books.sinks.read(stats.sinks),
      reload: deps.reload(),
      process: readProcess(),
      loop: loop.read(),
      disk: disk(),
      requests: requests.samples(),
      otlp: otlp?.() ?? null,
    };
  }

  return {
    async render() {
      return { contentType: exposition.contentType, text: await exposition.render(gather()) };
    },
    gather,
    observeRequest: (request) => requests.observe(request),
    watchOtlp: (counts) => {
      otlp = counts;
    },
    close: () => loop.stop(),
  };
}

/** What is remembered from one look to the next, of one run of the engine. */
function newBooks() {
  return { sources: sourceTotals(), sinks: sinkTotals() };
}

/** Gives what was seen when it was last asked: a disk that hangs holds nobody up. */
function diskReader(folder: string | null): () => DiskFacts | null {
  let facts: DiskFacts | null = null;
  let isAsking = false;
  return () => {
    if (folder === null || isAsking) return facts;
    isAsking = true;
    statfs(folder)
      .then(({ bsize, blocks, bavail }) => {
        facts = { sizeBytes: blocks * bsize, freeBytes: bavail * bsize };
      })
      .catch(() => {
        facts = null;
      })
      .finally(() => {
        isAsking = false;
      });
    return facts;
  };
}
