/** Metrics of the sinks: what each delivered, how far it is behind, and how it is. */

import { LIMITS } from '../domain/limits.ts';
import type { SinkHealth, SinkState } from '../domain/sink.ts';
import { OTHER, type MetricDefinition, type ValueDefinition } from './metric.ts';
import { NamedTotals } from './named-totals.ts';
import type { Labels } from './sample.ts';

const STATES: readonly SinkState[] = [
  ...(['connecting', 'delivering', 'backingOff', 'circuitOpen', 'paused'] as const),
  ...(['draining', 'stopped', 'quarantined', 'failed'] as const),
];
const LABELS = ['sink', 'tenant'];
const REST: Labels = { sink: OTHER, tenant: OTHER };
const COUNTERS = ['delivered', 'filtered', 'deadLettered'] as const;
type Counter = (typeof COUNTERS)[number];

/** @param namesMax sinks with series of their own */
export function sinkTotals(namesMax: number = LIMITS.metricsSinksMax): NamedTotals<SinkHealth> {
  return new NamedTotals({
    namesMax,
    labelsOf: ({ sinkId, tenant }) => ({ sink: sinkId, tenant }),
    isOver: ({ state }) => state === 'stopped' || state === 'failed',
    countersOf: (health) => COUNTERS.map((name) => health[name]),
  });
}

export const SINK_METRICS: readonly MetricDefinition[] = [
  {
    type: 'gauge',
    name: 'headgate_sinks',
    help: 'Sinks that are in this state.',
    labels: ['state'],
    read: ({ stats }) =>
      STATES.map((state) => ({
        labels: { state },
        value: stats.sinks.filter((sink) => sink.state === state).length,
      })),
  },
  {
    type: 'gauge',
    name: 'headgate_sink_state',
    help: 'Always 1, labelled by the state the sink is in and its type.',
    labels: [...LABELS, 'type', 'state'],
    read: ({ sinks }) =>
      sinks.named.map(({ labels, health: { type, state } }) => ({
        labels: { ...labels, type, state },
        value: 1,
      })),
  },
  counter('delivered_records', 'Records that are safe at the far end.', 'delivered'),
  counter('filtered_records', 'Records its filter kept back.', 'filtered'),
  counter('dead_letters', 'Records the far end refuses for good.', 'deadLettered'),
  gauge('lag_records', 'Rows of the log it has yet to deliver.', ({ lagRecords }) => lagRecords),
  gauge('lag_seconds', 'How long the oldest of them has been waiting.', ({ lagSeconds }) => lagSeconds),
  gauge(
    'consecutive_errors',
    'Failed deliveries since the last good one.',
    ({ consecutiveErrors }) => consecutiveErrors,
  ),
  gauge(
    'last_delivery_age_seconds',
    'Time since its last delivery, by the clock of the gateway; none before the first.',
    ({ lastDeliveryAtMs }, wallMs) =>
      lastDeliveryAtMs === null ? null : Math.max(0, wallMs - lastDeliveryAtMs) / 1_000,
  ),
];

function counter(what: string, help: string, counted: Counter): ValueDefinition {
  const index = COUNTERS.indexOf(counted);
  return {
    type: 'counter',
    name: `headgate_sink_${what}_total`,
    help,
    labels: LABELS,
    read: ({ sinks: { named, rest } }) => [
      ...named.map(({ labels, totals }) => ({ labels, value: totals[index] ?? 0 })),
      ...(rest === null ? [] : [{ labels: REST, value: rest.totals[index] ?? 0 }]),
    ],
  };
}

/** Of those without a series of their own there is none: the lags of several sinks are no sum of anything. */
function gauge(
  what: string,
  help: string,
  valueOf: (health: SinkHealth, wallMs: number) => number | null,
): ValueDefinition {
  return {
    type: 'gauge',
    name: `headgate_sink_${what}`,
    help,
    labels: LABELS,
    read: ({ sinks, wallMs }) =>
      sinks.named.flatMap(({ labels, health }) => {
        const value = valueOf(health, wallMs);
        return value === null ? [] : [{ labels, value }];
      }),
  };
}
