/** An engine as a process of its own whose users' code goes wrong in one place, beside sources that do as
 *  they should: `neighbours-child.ts OPTIONS`, the options as JSON. Quiet and loud seconds take turns, so
 *  that whatever else the machine does falls on both. Says at its end what the neighbours stored in each, and
 *  what became of what went wrong. */

import { createEngine, defineSource, isPoison, simulatedSource, transform } from '../../src/index.ts';
import { realClock } from '../../src/platform/real-clock.ts';
import type { NeighboursNews, NeighboursOptions } from './rig/neighbours.ts';

const NEIGHBOURS = 8;
const INTERVAL_MS = 4;
const TURN_MS = 1_000;

const { file, fault, turns } = JSON.parse(process.argv[2] ?? '{}') as NeighboursOptions;
let isLoud = false;
const thrown = { source: 0, stage: 0, subscriber: 0, callback: 0 };

function fail(where: keyof typeof thrown): void {
  if (!isLoud) return;
  thrown[where]++;
  throw new Error(`a defect in the ${where}`);
}

/** Crashes after every few records. */
const crashing = defineSource({
  type: 'crashing',
  async *stream(io) {
    for (let n = 1; !io.signal.aborted; n++) {
      await io.clock.sleep(INTERVAL_MS, io.signal);
      if (n % 3 === 0) fail('source');
      yield n;
    }
  },
});

const alwaysThrows = defineSource({
  type: 'crashing',
  stream: () => {
    thrown.source++;
    throw new Error('a defect in the source');
  },
});

const engine = createEngine({
  timeline: { path: file },
  burst: {
    thresholdRecords: 5,
    windowMs: 1_000,
    realertMs: 1_000,
    onBurst: ({ sourceId }) => {
      if (fault === 'throws' && sourceId === 'neighbour-1') fail('callback');
    },
  },
  stages: [
    transform(({ sourceId, data }) => {
      if (sourceId === 'crashing') fail('stage');
      return data;
    }, 'faulty'),
  ],
});
const stored = { quiet: 0, loud: 0 };
engine.batches$.subscribe((batch) => {
  const records = batch.filter((item) => !isPoison(item) && item.sourceId !== 'crashing').length;
  stored[isLoud ? 'loud' : 'quiet'] += records;
});
if (fault === 'throws') engine.records$.subscribe(() => fail('subscriber'));
if (fault === 'throws') engine.alerts$.subscribe(() => fail('subscriber'));

await engine.start();
for (let n = 1; n <= NEIGHBOURS; n++) {
  await engine.register(simulatedSource({ id: `neighbour-${n}`, intervalMs: INTERVAL_MS }));
}
const backoff = { kind: 'constant', initialMs: 500, maxMs: 500, jitter: 'none' } as const;
const source =
  fault === 'throws'
    ? crashing({ id: 'crashing', restart: { restartsMax: 100_000, windowMs: 60_000, backoff } })
    : null;
if (source !== null) await engine.register(source);

let [quietMs, loudMs] = [0, 0];
for (let turn = 0; turn < 2 * turns; turn++) {
  isLoud = turn % 2 === 1;
  if (turn === 1 && fault === 'crash-loop') await engine.register(alwaysThrows({ id: 'crashing' }));
  const fromMs = realClock.monotonicMs();
  await realClock.sleep(TURN_MS);
  const ms = realClock.monotonicMs() - fromMs;
  if (isLoud) loudMs += ms;
  else quietMs += ms;
}
isLoud = false;
const { state, restarts } = engine.health('crashing');
const report = await engine.stop();
const news: NeighboursNews = {
  thrown,
  state,
  restarts,
  quietPerSecond: (stored.quiet / quietMs) * 1_000,
  loudPerSecond: (stored.loud / loudMs) * 1_000,
  loudMs,
  lost: report.lost,
  engineState: engine.state,
};
process.send?.(news);
process.disconnect?.();
