/** The benchmarks: what each measures, what it is held against, and what is promised. */

import { inTurn, type Bench } from './bench.ts';
import { measureInChild } from './child.ts';
import { DELIVERY_BENCHES } from './delivery-benches.ts';
import { HISTORY_BENCHES } from './history-benches.ts';
import { INGEST_BENCHES } from './ingest-benches.ts';
import { LIFECYCLE_BENCHES } from './lifecycle-benches.ts';
import { againstBound, type Measured } from './result.ts';
import { STEADY_BENCHES } from './steady-benches.ts';

const SOURCES = 10_000;
const FEW_SOURCES = 1_000;
const CYCLES = 100_000;

const register: Bench = {
  name: 'register-10k',
  rows: ['register-10k', 'register-10k-scaling', 'deregister-10k'],
  async measure(runs) {
    const [figures] = await inTurn(runs, () => measureInChild('registration', FEW_SOURCES, SOURCES));
    const usPerSource = (size: 'small' | 'large') =>
      figures.map((figure) => (figure[size].registerMs / figure[size].sources) * 1_000);
    const ms = (what: 'registerMs' | 'deregisterMs') => figures.map(({ large }) => large[what]);
    return [
      againstBound('register-10k', 'ms', ms('registerMs'), 2_000),
      {
        name: 'register-10k-scaling',
        unit: 'µs/source',
        values: usPerSource('large'),
        references: usPerSource('small'),
        referenceName: '1,000 sources',
        better: 'lower',
        bound: { of: 'ratio', limit: 1.5 },
      },
      againstBound('deregister-10k', 'ms', ms('deregisterMs'), 2_000),
    ];
  },
};

const sourceBytes: Bench = {
  name: 'source-bytes',
  rows: ['source-bytes'],
  async measure(runs) {
    const [bytes] = await inTurn(runs, () => measureInChild('sourceBytes', SOURCES));
    return [againstBound('source-bytes', 'B/source', bytes, 10_000)];
  },
};

/** What is left behind is no matter of chance: it is looked at once, whatever `runs` says. */
const churn: Bench = {
  name: 'churn-100k',
  rows: ['churn-100k-heap', 'churn-100k-timers', 'churn-100k-actors'],
  async measure() {
    const { before, after } = await measureInChild('churn', CYCLES);
    const left = (what: 'timers' | 'actors'): Measured => ({
      name: `churn-100k-${what}`,
      unit: what,
      values: [after[what]],
      references: [before[what]],
      referenceName: 'before',
      better: 'lower',
      bound: { of: 'ratio', limit: 1 },
    });
    const growthMb = (after.heapBytes - before.heapBytes) / 1_000_000;
    return [againstBound('churn-100k-heap', 'MB', [growthMb], 5), left('timers'), left('actors')];
  },
};

const pipelineMemory: Bench = {
  name: 'pipeline-memory',
  rows: ['pipeline-memory'],
  async measure(runs) {
    const { engine, loop } = await measureInChild('pipeline', runs);
    return [
      {
        name: 'pipeline-memory',
        unit: 'records/s',
        values: engine,
        references: loop,
        referenceName: 'bare loop',
        better: 'higher',
        bound: { of: 'value', limit: 2_000_000 },
      },
    ];
  },
};

const timelineRows: Bench = {
  name: 'timeline-rows',
  rows: ['timeline-rows'],
  async measure(runs) {
    const { store, bare } = await measureInChild('timelineRows', runs);
    return [
      {
        name: 'timeline-rows',
        unit: 'rows/s',
        values: store,
        references: bare,
        referenceName: 'bare better-sqlite3',
        better: 'higher',
        bound: { of: 'ratio', limit: 0.5 },
      },
    ];
  },
};

const observerCost: Bench = {
  name: 'observer-cost',
  rows: ['observer-cost'],
  async measure(runs) {
    const { on, off } = await measureInChild('observerCost', runs);
    return [
      {
        name: 'observer-cost',
        unit: 'records/s',
        values: on,
        references: off,
        referenceName: 'timeline off',
        better: 'higher',
        bound: { of: 'ratio', limit: 0.9 },
      },
    ];
  },
};

const VIRTUAL_MS = 10_000;

const burstDemo: Bench = {
  name: 'burst-demo-virtual',
  rows: ['burst-demo-virtual'],
  async measure(runs) {
    return [
      {
        name: 'burst-demo-virtual',
        unit: 'ms',
        values: await measureInChild('burstDemo', runs),
        references: [VIRTUAL_MS],
        referenceName: 'real time',
        better: 'lower',
        bound: { of: 'ratio', limit: 0.1 },
      },
    ];
  },
};

const EXPRESSION_RECORDS = 1_000_000;

const expressions: Bench = {
  name: 'expressions',
  rows: ['expression-filter', 'expression-longest'],
  async measure(runs) {
    const [figures] = await inTurn(runs, () => measureInChild('expressions', EXPRESSION_RECORDS));
    return [
      {
        name: 'expression-filter',
        unit: 'records/s',
        values: figures.map(({ filter }) => filter),
        references: figures.map(({ bare }) => bare),
        referenceName: 'bare function',
        better: 'higher',
        bound: { of: 'value', limit: 1_000_000 },
      },
      againstBound(
        'expression-longest',
        'ms',
        figures.map((figure) => figure.longestMs),
        50,
      ),
    ];
  },
};

export const BENCHES: readonly Bench[] = [
  ...[register, sourceBytes, churn, pipelineMemory, timelineRows, observerCost, burstDemo, expressions],
  ...LIFECYCLE_BENCHES,
  ...DELIVERY_BENCHES,
  ...STEADY_BENCHES,
  ...HISTORY_BENCHES,
  ...INGEST_BENCHES,
];
