/** Metrics of the sinks: what each delivered, how far it is behind, and how it is. */

import { LIMITS } from '../domain/limits.ts';
import type { SinkState } from '../domain/sink.ts';
import type { EngineStats, SinkStats } from '../engine/engine-stats.ts';
import type { MetricDefinition, ValueDefinition } from './metric.ts';
import { NamedTotals } from './named-totals.ts';
import { subjectMetrics } from './subject-metrics.ts';

const STATES: readonly SinkState[] = [
  ...(['connecting', 'delivering', 'backingOff', 'circuitOpen', 'paused'] as const),
  ...(['draining', 'stopped', 'quarantined', 'failed'] as const),
];

const {
  labels: LABELS,
  states,
  counter,
  errors,
} = subjectMetrics({
  subject: 'sink',
  states: STATES,
  all: ({ stats }): readonly SinkStats[] => stats.sinks,
  figures: ({ sinks }) => sinks,
});

/** @param namesMax sinks with series of their own */
export function sinkTotals(namesMax: number = LIMITS.metricsSinksMax): NamedTotals<SinkStats> {
  return new NamedTotals({
    namesMax,
    labelsOf: ({ sinkId, tenant }) => ({ sink: sinkId, tenant }),
    isOver: ({ state }) => state === 'stopped' || state === 'failed',
  });
}

export const SINK_METRICS: readonly MetricDefinition[] = [
  ...states,
  counter('delivered_records', 'Records that are safe at the far end.', 'delivered'),
  counter('filtered_records', 'Records its filter kept back.', 'filtered'),
  counter('dead_letters', 'Records the far end refuses for good.', 'deadLettered'),
  errors('Failed deliveries, and links that failed or were lost, by the code of the error.'),
  gauge('lag_records', 'Rows of the log it has yet to deliver.', ({ lagRecords }) => lagRecords),
  gauge('lag_seconds', 'How long the oldest of them has been waiting.', ({ lagSeconds }) => lagSeconds),
  gauge(
    'consecutive_errors',
    'Failed deliveries since the last good one.',
    ({ consecutiveErrors }) => consecutiveErrors,
  ),
  gauge(
    'last_delivery_age_seconds',
    'Time since its last delivery, whatever jumps the wall clock made since; none before the first.',
    ({ lastDeliveryAtMs }, ageMs) => (lastDeliveryAtMs === null ? null : ageMs(lastDeliveryAtMs) / 1_000),
  ),
];

/** Of those without a series of their own there is none: the lags of several sinks are no sum of anything. */
function gauge(
  what: string,
  help: string,
  valueOf: (stats: SinkStats, ageMs: EngineStats['ageMs']) => number | null,
): ValueDefinition {
  return {
    type: 'gauge',
    name: `headgate_sink_${what}`,
    help,
    labels: LABELS,
    read: ({ sinks, stats: { ageMs } }) =>
      sinks.named.flatMap(({ labels, stats }) => {
        const value = valueOf(stats, ageMs);
        return value === null ? [] : [{ labels, value }];
      }),
  };
}
