/** Metrics of the sources: what each took in, what became of it, and how it is. */

import type { SourceHealth, SourceState } from '../domain/health.ts';
import { LIMITS } from '../domain/limits.ts';
import { OTHER, type MetricDefinition, type MetricFacts, type ValueDefinition } from './metric.ts';
import { NamedTotals } from './named-totals.ts';
import type { Labels, Sample } from './sample.ts';

const STATES: readonly SourceState[] = [
  ...(['connecting', 'streaming', 'degraded', 'backingOff', 'circuitOpen'] as const),
  ...(['paused', 'draining', 'stopped', 'quarantined', 'failed'] as const),
];
const LABELS = ['source', 'tenant'];
const REST: Labels = { source: OTHER, tenant: OTHER };
const COUNTERS = ['recordsProduced', 'droppedCount', 'lateRecords', 'restarts'] as const;
type Counter = (typeof COUNTERS)[number];

/** @param namesMax sources with series of their own */
export function sourceTotals(namesMax: number = LIMITS.metricsSourcesMax): NamedTotals<SourceHealth> {
  return new NamedTotals({
    namesMax,
    labelsOf: ({ sourceId, tenant }) => ({ source: sourceId, tenant }),
    isOver: ({ state }) => state === 'stopped' || state === 'failed',
    countersOf: (health) => COUNTERS.map((name) => health[name]),
  });
}

export const SOURCE_METRICS: readonly MetricDefinition[] = [
  {
    type: 'gauge',
    name: 'headgate_sources',
    help: 'Sources that are in this state.',
    labels: ['state'],
    read: ({ stats }) =>
      STATES.map((state) => ({
        labels: { state },
        value: stats.sources.filter((source) => source.state === state).length,
      })),
  },
  {
    type: 'gauge',
    name: 'headgate_source_state',
    help: 'Always 1, labelled by the state the source is in and its type.',
    labels: [...LABELS, 'type', 'state'],
    read: ({ sources }) =>
      sources.named.map(({ labels, health: { type, state } }) => ({
        labels: { ...labels, type, state },
        value: 1,
      })),
  },
  counter('records', 'Records the source handed on.', 'recordsProduced'),
  counter('dropped_records', 'Records its outlet or a rate limit dropped.', 'droppedCount'),
  counter('late_records', 'Records handed in after their run was over; none was taken.', 'lateRecords'),
  counter('restarts', 'Times it was started again after a failure.', 'restarts'),
  gauge('consecutive_errors', 'Failed reads since the last good one.', (health) => health.consecutiveErrors),
  gauge('queue_records', 'Records that wait in its outlet.', (health) => health.queueDepth),
  gauge(
    'spilled_records',
    'Records that wait on disk, its outlet being full.',
    (health) => health.spilledRecords,
  ),
  {
    type: 'gauge',
    name: 'headgate_source_last_read_age_seconds',
    help: 'Time since its last good read, by the clock of the gateway; none before the first.',
    labels: LABELS,
    read: ({ sources, wallMs }) =>
      sources.named.flatMap(({ labels, health: { lastReadTimestamp } }) =>
        lastReadTimestamp === null
          ? []
          : [{ labels, value: Math.max(0, wallMs - lastReadTimestamp) / 1_000 }],
      ),
  },
];

function counter(what: string, help: string, counted: Counter): ValueDefinition {
  const index = COUNTERS.indexOf(counted);
  return {
    type: 'counter',
    name: `headgate_source_${what}_total`,
    help,
    labels: LABELS,
    read: ({ sources: { named, rest } }) => [
      ...named.map(({ labels, totals }) => ({ labels, value: totals[index] ?? 0 })),
      ...(rest === null ? [] : [{ labels: REST, value: rest.totals[index] ?? 0 }]),
    ],
  };
}

function gauge(what: string, help: string, valueOf: (health: SourceHealth) => number): ValueDefinition {
  return {
    type: 'gauge',
    name: `headgate_source_${what}`,
    help,
    labels: LABELS,
    read: ({ sources: { named, rest } }: MetricFacts): Sample[] => [
      ...named.map(({ labels, health }) => ({ labels, value: valueOf(health) })),
      ...(rest === null
        ? []
        : [{ labels: REST, value: rest.healths.reduce((sum, health) => sum + valueOf(health), 0) }]),
    ],
  };
}
