/** The text that Prometheus reads, made of the definitions by its own client library. A registry asks nothing
 *  of a metric but its values: ours are read there and then from the facts, and nothing is counted twice. */

import { Registry, type Metric } from '@prometheus-io/client';
import type { MetricDefinition, MetricFacts } from './metric.ts';
import type { HistogramSample } from './sample.ts';

export interface Exposition {
  readonly contentType: string;
  /** All of it is of the same moment. */
  render(facts: MetricFacts): Promise<string>;
}

export function expositionOf(definitions: readonly MetricDefinition[]): Exposition {
  const registry = new Registry(Registry.PROMETHEUS_CONTENT_TYPE);
  let current: MetricFacts | null = null;
  for (const definition of definitions) {
    const metric = new ReadMetric(definition, () => current as MetricFacts);
    registry.registerMetric(metric as unknown as Metric<string>);
  }
  return {
    contentType: registry.contentType,
    render(facts) {
      // The library reads every metric before it first waits.
      current = facts;
      return registry.metrics();
    },
  };
}

/** A metric as the library knows them. */
class ReadMetric {
  readonly name: string;
  readonly help: string;
  readonly type: MetricDefinition['type'];
  readonly aggregator = 'sum';
  readonly #definition: MetricDefinition;
  readonly #facts: () => MetricFacts;

  constructor(definition: MetricDefinition, facts: () => MetricFacts) {
    this.name = definition.name;
    this.help = definition.help;
    this.type = definition.type;
    this.#definition = definition;
    this.#facts = facts;
  }

  get(): Promise<object> {
    const { name, help, type, aggregator } = this;
    const facts = this.#facts();
    const values =
      this.#definition.type === 'histogram'
        ? this.#definition.read(facts).flatMap((sample) => linesOf(name, sample))
        : this.#definition.read(facts);
    return Promise.resolve({ name, help, type, aggregator, values });
  }
}

function linesOf(name: string, { labels, bounds, counts, count, sum }: HistogramSample): object[] {
  const bucket = (le: number | string, value: number) => ({
    metricName: `${name}_bucket`,
    labels: { ...labels, le },
    value,
  });
  return [
    ...bounds.map((bound, index) => bucket(bound, counts[index] ?? 0)),
    bucket('+Inf', count),
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: count },
  ];
}
