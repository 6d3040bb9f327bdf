/** What a metric is: its name, its type, what it says, and how its values are read from the facts of one
 *  moment. Every way out (Prometheus text, OTLP, the page of the docs) is made of these definitions. */

import type { EngineStats, SinkStats, SourceStats } from '../engine/engine-stats.ts';
import type { LoopFacts } from './event-loop.ts';
import type { HistogramSample, Labels, Sample } from './sample.ts';
import type { NamedFigures } from './named-totals.ts';
import type { ProcessFacts } from './process-facts.ts';

interface Described {
  /** By Prometheus' convention: base units, counters end with `_total`. */
  readonly name: string;
  /** One sentence, shown as HELP. */
  readonly help: string;
  readonly labels: readonly string[];
}

export interface ValueDefinition extends Described {
  readonly type: 'counter' | 'gauge';
  readonly read: (facts: MetricFacts) => readonly Sample[];
}

export interface HistogramDefinition extends Described {
  readonly type: 'histogram';
  readonly read: (facts: MetricFacts) => readonly HistogramSample[];
}

export type MetricDefinition = ValueDefinition | HistogramDefinition;

/** Everything that is known at one moment. */
export interface MetricFacts {
  readonly wallMs: number;
  readonly stats: EngineStats;
  readonly sources: NamedFigures<SourceStats>;
  readonly sinks: NamedFigures<SinkStats>;
  readonly reload: ReloadFacts;
  readonly process: ProcessFacts;
  readonly loop: LoopFacts;
  readonly disk: DiskFacts | null;
  readonly requests: readonly HistogramSample[];
  /** Null where nothing is exported by OTLP. */
  readonly otlp: OtlpCounts | null;
}

/** What is known of the running configuration and of its last change. */
export interface ReloadFacts {
  readonly version: number;
  readonly digest: string;
  /** Null before the first reload. */
  readonly last: { readonly atMs: number; readonly isSuccess: boolean } | null;
  /** Reloads by outcome, since the process started. */
  readonly counts: Readonly<Record<string, number>>;
}

/** What became of sending the metrics to a collector. */
export interface OtlpCounts {
  readonly exports: number;
  readonly failures: number;
}

export interface DiskFacts {
  readonly sizeBytes: number;
  readonly freeBytes: number;
}

/** What has more names than are told apart goes by this one; no id begins with an underscore. */
export const OTHER = '_other';

const NO_LABELS: Labels = {};

/** A metric of one value; without one where `read` gives null. */
export function single(
  type: ValueDefinition['type'],
  name: string,
  help: string,
  read: (facts: MetricFacts) => number | null,
): ValueDefinition {
  return {
    type,
    name,
    help,
    labels: [],
    read: (facts) => {
      const value = read(facts);
      return value === null || !Number.isFinite(value) ? [] : [{ labels: NO_LABELS, value }];
    },
  };
}

/** A metric that has a label `state` and says 1 for the state it is in, 0 for all others. */
export function stateSet<State extends string>(
  name: string,
  help: string,
  states: readonly State[],
  read: (facts: MetricFacts) => State | null,
): ValueDefinition {
  const labels = new Map(states.map((state) => [state, { state }]));
  return {
    type: 'gauge',
    name,
    help,
    labels: ['state'],
    read: (facts) => {
      const current = read(facts);
      if (current === null) return [];
      return [...labels].map(([state, one]) => ({ labels: one, value: state === current ? 1 : 0 }));
    },
  };
}
