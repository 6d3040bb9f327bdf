/** The metrics as OpenTelemetry has them: the same names, labels and values as in Prometheus' text. */

import type { DataPoint, Histogram, MetricData, ResourceMetrics } from '@opentelemetry/sdk-metrics';
import type { HistogramDefinition, MetricDefinition, MetricFacts, ValueDefinition } from './metric.ts';
import type { Otlp } from './otlp-peer.ts';
import { PROCESS_METRICS } from './process-metrics.ts';
import type { HistogramSample } from './sample.ts';

type HrTime = DataPoint<number>['startTime'];

/** `ValueType.DOUBLE` of `@opentelemetry/api`, which is nobody's direct dependency. */
const DOUBLE = 1 as MetricData['descriptor']['valueType'];
const UNITS: readonly (readonly [suffix: RegExp, unit: string])[] = [
  [/_seconds(?:_total)?$/, 's'],
  [/_bytes(?:_total)?$/, 'By'],
];

export function resourceMetricsOf(
  definitions: readonly MetricDefinition[],
  facts: MetricFacts,
  otlp: Otlp,
  resource: ResourceMetrics['resource'],
  version: string,
): ResourceMetrics {
  const metrics = definitions.map((definition) =>
    definition.type === 'histogram' ? histogramOf(definition, facts, otlp) : valueOf(definition, facts, otlp),
  );
  const filled = metrics.filter(({ dataPoints }) => dataPoints.length > 0);
  return { resource, scopeMetrics: [{ scope: { name: 'headgate', version }, metrics: filled }] };
}

function valueOf(definition: ValueDefinition, facts: MetricFacts, otlp: Otlp): MetricData {
  const { AggregationTemporality, DataPointType } = otlp.sdk;
  const times = timesOf(definition, facts);
  const dataPoints = definition
    .read(facts)
    .map(({ labels, value }) => ({ ...times, attributes: labels, value }));
  const base = {
    descriptor: descriptorOf(definition),
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
    dataPoints,
  };
  return definition.type === 'counter'
    ? { ...base, dataPointType: DataPointType.SUM, isMonotonic: true }
    : { ...base, dataPointType: DataPointType.GAUGE };
}

function histogramOf(definition: HistogramDefinition, facts: MetricFacts, otlp: Otlp): MetricData {
  const { AggregationTemporality, DataPointType } = otlp.sdk;
  const times = timesOf(definition, facts);
  return {
    descriptor: descriptorOf(definition),
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
    dataPointType: DataPointType.HISTOGRAM,
    dataPoints: definition
      .read(facts)
      .map((sample) => ({ ...times, attributes: sample.labels, value: bucketsOf(sample) })),
  };
}

/** There, buckets do not hold what is in those before them, and the last has no bound. */
function bucketsOf({ bounds, counts, count, sum }: HistogramSample): Histogram {
  const upTo = [...counts, count];
  const own = upTo.map((value, index) => value - (upTo[index - 1] ?? 0));
  return { buckets: { boundaries: [...bounds], counts: own }, count, sum };
}

function descriptorOf({ name, help }: MetricDefinition): MetricData['descriptor'] {
  const unit = UNITS.find(([suffix]) => suffix.test(name))?.[1] ?? '1';
  return { name, description: help, unit, valueType: DOUBLE };
}

const OF_PROCESS: ReadonlySet<string> = new Set(PROCESS_METRICS.map(({ name }) => name));

/** Counters of the process count from its start, those of the engine from the engine's. */
function timesOf({ name }: MetricDefinition, facts: MetricFacts): { startTime: HrTime; endTime: HrTime } {
  const processMs = facts.process.startTimeSeconds * 1_000;
  const startMs = OF_PROCESS.has(name) ? processMs : (facts.stats.startedAtMs ?? processMs);
  return { startTime: hrTime(startMs), endTime: hrTime(facts.wallMs) };
}

function hrTime(epochMs: number): HrTime {
  const seconds = Math.floor(epochMs / 1_000);
  return [seconds, Math.round((epochMs - seconds * 1_000) * 1_000_000)];
}
