/** Metrics that sources and sinks have alike: the state of each, how many there are in it, and what they
 *  count. */

import { OTHER, type MetricDefinition, type MetricFacts, type ValueDefinition } from './metric.ts';
import type { NamedFigures } from './named-totals.ts';
import type { Labels } from './sample.ts';
import type { Totals } from '../domain/tally.ts';

interface Subject<State extends string, Counter extends string> {
  readonly type: string;
  readonly state: State;
  readonly totals: Totals<Counter>;
}

interface SubjectOptions<Stats, State extends string> {
  readonly subject: 'source' | 'sink';
  readonly states: readonly State[];
  readonly all: (facts: MetricFacts) => readonly Stats[];
  readonly figures: (facts: MetricFacts) => NamedFigures<Stats>;
}

export interface SubjectMetrics<Counter extends string> {
  /** The labels that tell one from another. */
  readonly labels: readonly string[];
  /** Those of what has no series of its own. */
  readonly restLabels: Labels;
  readonly states: readonly MetricDefinition[];
  readonly counter: (what: string, help: string, counted: Counter) => ValueDefinition;
  readonly errors: (help: string) => ValueDefinition;
}

export function subjectMetrics<State extends string, Counter extends string>({
  subject,
  states,
  all,
  figures,
}: SubjectOptions<Subject<State, Counter>, State>): SubjectMetrics<Counter> {
  const labels = [subject, 'tenant'];
  const restLabels: Labels = { [subject]: OTHER, tenant: OTHER };
  /** Of each that has series of its own, and of the rest. */
  const totalsOf = (facts: MetricFacts): { labels: Labels; totals: Totals<string> }[] => {
    const { named, rest } = figures(facts);
    const own = named.map((one) => ({ labels: one.labels, totals: one.stats.totals }));
    return rest === null ? own : [...own, { labels: restLabels, totals: rest.totals }];
  };
  return {
    labels,
    restLabels,
    states: [
      {
        type: 'gauge',
        name: `headgate_${subject}s`,
        help: `${subject === 'source' ? 'Sources' : 'Sinks'} that are in this state.`,
        labels: ['state'],
        read: (facts) =>
          states.map((state) => ({
            labels: { state },
            value: all(facts).filter((one) => one.state === state).length,
          })),
      },
      {
        type: 'gauge',
        name: `headgate_${subject}_state`,
        help: `Always 1, labelled by the state the ${subject} is in and its type.`,
        labels: [...labels, 'type', 'state'],
        read: (facts) =>
          figures(facts).named.map(({ labels: own, stats: { type, state } }) => ({
            labels: { ...own, type, state },
            value: 1,
          })),
      },
    ],
    counter: (what, help, counted) => ({
      type: 'counter',
      name: `headgate_${subject}_${what}_total`,
      help,
      labels,
      read: (facts) =>
        totalsOf(facts).map(({ labels: own, totals }) => ({
          labels: own,
          value: totals.counts[counted] ?? 0,
        })),
    }),
    errors: (help) => ({
      type: 'counter',
      name: `headgate_${subject}_errors_total`,
      help,
      labels: [...labels, 'code'],
      read: (facts) =>
        totalsOf(facts).flatMap(({ labels: own, totals }) =>
          Object.entries(totals.errors).map(([code, value]) => ({ labels: { ...own, code }, value })),
        ),
    }),
  };
}
