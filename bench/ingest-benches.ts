/** The benchmarks of ingest over HTTP and WebSockets, beside bare servers that promise less. */

import { inTurn, type Bench } from './bench.ts';
import { measureInChild } from './child.ts';
import { againstBound, type Bound } from './result.ts';

const RATE = { unit: 'records/s', better: 'higher' } as const;
const BOUND: Bound = { of: 'ratio', limit: 0.7 };
const UPLOADS = { warmUpUploads: 100, uploads: 400 } as const;
const MESSAGES = { warmUpMessages: 1_000, messages: 4_000 } as const;

const http: Bench = {
  name: 'http-ingest-ndjson-stored',
  rows: ['http-ingest-ndjson-stored'],
  async measure(runs) {
    const [values, references] = await inTurn(
      runs,
      () => measureInChild('httpIngest', { server: 'engine', ...UPLOADS }),
      () => measureInChild('httpIngest', { server: 'bare', ...UPLOADS }),
    );
    const referenceName = 'bare Node server';
    return [{ name: 'http-ingest-ndjson-stored', ...RATE, values, references, referenceName, bound: BOUND }];
  },
};

const ws: Bench = {
  name: 'ws-ingest-acked',
  rows: ['ws-ingest-acked'],
  async measure(runs) {
    const [values, references] = await inTurn(
      runs,
      () => measureInChild('wsIngest', { server: 'engine', ...MESSAGES }),
      () => measureInChild('wsIngest', { server: 'bare', ...MESSAGES }),
    );
    const referenceName = 'bare ws server';
    return [{ name: 'ws-ingest-acked', ...RATE, values, references, referenceName, bound: BOUND }];
  },
};

const flood: Bench = {
  name: 'ws-flood',
  rows: ['ws-flood-p99', 'ws-flood-memory'],
  async measure(runs) {
    const [figures] = await inTurn(runs, () =>
      measureInChild('wsFlood', { recordsPerSecond: 1_000, windowMs: 8_000, pauseMs: 10 }),
    );
    const growthMb = figures.map((figure) => figure.growthMb);
    return [
      {
        name: 'ws-flood-p99',
        unit: 'ms',
        values: figures.map(({ floodedP99Ms }) => floodedP99Ms),
        references: figures.map(({ elsewhereP99Ms }) => elsewhereP99Ms),
        referenceName: 'the flood elsewhere',
        better: 'lower',
        bound: { of: 'ratio', limit: 1.2 },
      },
      againstBound('ws-flood-memory', 'MB', growthMb, 100),
    ];
  },
};

export const INGEST_BENCHES: readonly Bench[] = [http, ws, flood];
