/** The benchmarks that take their time: a minute of steady load, and an engine that has nothing to do. */

import { inTurn, type Bench } from './bench.ts';
import { measureInChild } from './child.ts';
import { againstBound } from './result.ts';

const RECORDS_PER_SECOND = 10_000;
const STEADY_SECONDS = 60;
const WARM_UP_SECONDS = 5;
const P99_MS_MAX = 20;

/** A minute is looked at once, whatever `runs` says: it is long enough to be no matter of chance. */
const steady: Bench = {
  name: 'steady-10k',
  rows: ['steady-10k-p50', 'steady-10k-p99', 'steady-10k-lost'],
  async measure(_runs, { seconds = STEADY_SECONDS } = {}) {
    const paces = { recordsPerSecond: RECORDS_PER_SECOND, warmUpSeconds: WARM_UP_SECONDS, seconds };
    const { pushed, lost, p50Ms, p99Ms } = await measureInChild('steady', paces);
    return [
      againstBound('steady-10k-p50', 'ms', [p50Ms], P99_MS_MAX),
      againstBound('steady-10k-p99', 'ms', [p99Ms], P99_MS_MAX),
      {
        ...{ name: 'steady-10k-lost', unit: 'records', values: [lost], better: 'lower' },
        ...{ references: [pushed], referenceName: 'pushed', bound: { of: 'value', limit: 0 } },
      },
    ];
  },
};

const IDLE_SOURCES = 1_000;
const IDLE_SECONDS = 20;
const REST_SECONDS = 5;
const IDLE_RUNS_MAX = 3;

const idle: Bench = {
  name: 'idle-1000-sources',
  rows: ['idle-1000-sources-rss', 'idle-1000-sources-cpu'],
  async measure(runs, { seconds = IDLE_SECONDS } = {}) {
    const look = (sources: number) => () =>
      measureInChild('idle', { sources, restSeconds: REST_SECONDS, seconds });
    const [crowded, empty] = await inTurn(Math.min(runs, IDLE_RUNS_MAX), look(IDLE_SOURCES), look(0));
    const told = { referenceName: 'without sources', better: 'lower' } as const;
    return [
      {
        ...{ ...told, name: 'idle-1000-sources-rss', unit: 'MB', bound: { of: 'value', limit: 300 } },
        ...{ values: crowded.map(({ rssMb }) => rssMb), references: empty.map(({ rssMb }) => rssMb) },
      },
      {
        ...{ ...told, name: 'idle-1000-sources-cpu', unit: '% of a core', bound: { of: 'value', limit: 2 } },
        values: crowded.map(({ cpuPercent }) => cpuPercent),
        references: empty.map(({ cpuPercent }) => cpuPercent),
      },
    ];
  },
};

export const STEADY_BENCHES: readonly Bench[] = [steady, idle];
