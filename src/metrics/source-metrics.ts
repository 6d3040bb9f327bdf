/** Metrics of the sources: what each took in, what became of it, and how it is. */

import type { SourceState } from '../domain/health.ts';
import { LIMITS } from '../domain/limits.ts';
import type { SourceStats } from '../engine/engine-stats.ts';
import type { MetricDefinition, MetricFacts, ValueDefinition } from './metric.ts';
import { NamedTotals } from './named-totals.ts';
import type { Sample } from './sample.ts';
import { subjectMetrics } from './subject-metrics.ts';

const STATES: readonly SourceState[] = [
  ...(['connecting', 'streaming', 'degraded', 'backingOff', 'circuitOpen'] as const),
  ...(['paused', 'draining', 'stopped', 'quarantined', 'failed'] as const),
];

const {
  labels: LABELS,
  restLabels,
  states,
  counter,
  errors,
} = subjectMetrics({
  subject: 'source',
  states: STATES,
  all: ({ stats }): readonly SourceStats[] => stats.sources,
  figures: ({ sources }) => sources,
});

/** @param namesMax sources with series of their own */
export function sourceTotals(namesMax: number = LIMITS.metricsSourcesMax): NamedTotals<SourceStats> {
  return new NamedTotals({
    namesMax,
    labelsOf: ({ sourceId, tenant }) => ({ source: sourceId, tenant }),
    isOver: ({ state }) => state === 'stopped' || state === 'failed',
  });
}

export const SOURCE_METRICS: readonly MetricDefinition[] = [
  ...states,
  counter('records', 'Records the source handed on.', 'recordsProduced'),
  counter('dropped_records', 'Records its outlet or a rate limit dropped.', 'droppedCount'),
  counter(
    'dead_lettered_records',
    'Payloads and records of it that became dead letters.',
    'deadLetteredCount',
  ),
  counter('late_records', 'Records handed in after their run was over; none was taken.', 'lateRecords'),
  counter('restarts', 'Times it was started again after a failure.', 'restarts'),
  errors('Failed reads, and links that failed or were lost, by the code of the error.'),
  gauge('consecutive_errors', 'Failed reads since the last good one.', (one) => one.consecutiveErrors),
  gauge('queue_records', 'Records that wait in its outlet.', (one) => one.queueDepth),
  gauge('spilled_records', 'Records that wait on disk, its outlet being full.', (one) => one.spilledRecords),
  {
    type: 'gauge',
    name: 'headgate_source_last_read_age_seconds',
    help: 'Time since its last good read, whatever jumps the wall clock made since; none before the first.',
    labels: LABELS,
    read: ({ sources, stats }) =>
      sources.named.flatMap(({ labels, stats: { lastReadTimestamp } }) =>
        lastReadTimestamp === null ? [] : [{ labels, value: stats.ageMs(lastReadTimestamp) / 1_000 }],
      ),
  },
];

function gauge(what: string, help: string, valueOf: (stats: SourceStats) => number): ValueDefinition {
  return {
    type: 'gauge',
    name: `headgate_source_${what}`,
    help,
    labels: LABELS,
    read: ({ sources: { named, rest } }: MetricFacts): Sample[] => [
      ...named.map(({ labels, stats }) => ({ labels, value: valueOf(stats) })),
      ...(rest === null
        ? []
        : [{ labels: restLabels, value: rest.stats.reduce((sum, stats) => sum + valueOf(stats), 0) }]),
    ],
  };
}
