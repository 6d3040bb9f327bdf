/** Conformance: what a source does when its far end is away, and that nobody else is touched by it. */

import { simulatedSource } from '../../actors/sources/simulated-source.ts';
import { demand, demandSame, SUBJECT, type ConformanceHarness } from './conformance-harness.ts';
import {
  demandAscending,
  demandEndedInOrder,
  demandIdentities,
  demandLastFed,
} from './conformance-checks.ts';
import type { ConformanceRule } from './conformance-rule.ts';

const NEIGHBOUR = 'neighbour';
/** More failures in a row than any restart budget allows for crashes. */
const FAILURES = 8;
/** States of a source whose link is not as it should be and that is looked after. */
const TROUBLED: ReadonlySet<string> = new Set(['degraded', 'backingOff', 'circuitOpen']);
const LONG_WAIT = { kind: 'constant', initialMs: 60_000, maxMs: 60_000, jitter: 'none' } as const;

export const LINK_RULES: readonly ConformanceRule[] = [
  {
    title: 'finds its way back after its link was cut',
    needs: ['reconnects'],
    async run(bench) {
      await withNeighbour(bench);
      await bench.stream();
      await bench.feed(10);
      await bench.untilAllFed();
      await cut(bench);
      await bench.until('the cut is noticed', () => TROUBLED.has(bench.state));
      const { consecutiveErrors, lastError } = bench.health;
      demand(consecutiveErrors > 0, 'a lost link is an error');
      demand(lastError?.code.startsWith('HG_') === true, `the error has a code, not ${lastError?.code}`);
      await demandNeighbour(bench);
      await demandBack(bench);
      demandSame(
        new Set(bench.records.map(({ incarnation }) => incarnation)).size,
        1,
        'it stays one incarnation',
      );
    },
  },
  {
    title: 'waits for a far end that is not there, for as long as it takes',
    needs: ['connects'],
    async run(bench) {
      await withNeighbour(bench);
      await cut(bench);
      await bench.register();
      const waits = () => bench.statesOf(SUBJECT).filter((state) => state === 'backingOff').length;
      await bench.until(`it has waited ${FAILURES} times`, () => waits() >= FAILURES);
      const states = new Set(bench.statesOf(SUBJECT));
      demandSame(
        [...states].sort(),
        ['backingOff', 'connecting'],
        'the states of a source without a far end',
      );
      demand(bench.engine.activeSources().includes(SUBJECT), 'a source that waits is active');
      await demandNeighbour(bench);
      await demandBack(bench);
    },
  },
  {
    title: 'stops while its far end is away',
    needs: ['reconnects'],
    async run(bench) {
      await bench.stream({ restart: { backoff: LONG_WAIT } });
      await cut(bench);
      await bench.until('the cut is noticed', () => TROUBLED.has(bench.state));
      await demandPromptEnd(bench);
    },
  },
  {
    title: 'stops while it waits for a far end that was never there',
    needs: ['connects'],
    async run(bench) {
      await cut(bench);
      await bench.register({ restart: { backoff: LONG_WAIT } });
      await bench.untilState('backingOff');
      await demandPromptEnd(bench);
    },
  },
  {
    title: 'can be paused while it waits for its far end, and tries at once when it is resumed',
    needs: ['connects'],
    async run(bench) {
      await cut(bench);
      await bench.register({ restart: { backoff: LONG_WAIT } });
      await bench.untilState('backingOff');
      await bench.pause();
      await restore(bench);
      await bench.resume();
      await demandFlows(bench);
    },
  },
  {
    title: 'gives up on a far end that answers nothing, and tries again',
    needs: ['connects', 'hangs'],
    async run(bench) {
      await silence(bench);
      await bench.register({ connectTimeoutMs: 200 });
      await bench.untilState('backingOff');
      demand(/^HG_.*TIMEOUT$/.test(bench.health.lastError?.code ?? ''), 'the error is that of a timeout');
      await demandBack(bench);
    },
  },
  {
    title: 'stops while its far end answers nothing',
    needs: ['connects', 'hangs'],
    async run(bench) {
      await silence(bench);
      await bench.register();
      await bench.quiet();
      demandSame(bench.state, 'connecting', 'a link that nobody answers is not open');
      await demandPromptEnd(bench);
    },
  },
  {
    title: 'stops while its far end, which has answered before, answers nothing',
    needs: ['connects', 'hangs'],
    async run(bench) {
      await bench.stream();
      await silence(bench);
      await bench.quiet();
      await demandPromptEnd(bench);
    },
  },
];

async function cut(bench: ConformanceHarness): Promise<void> {
  await bench.drive(bench.field.cut?.() ?? Promise.resolve(), 'the far end goes');
}

async function silence(bench: ConformanceHarness): Promise<void> {
  await bench.drive(bench.field.silence?.() ?? Promise.resolve(), 'the far end falls silent');
}

async function restore(bench: ConformanceHarness): Promise<void> {
  await bench.drive(bench.field.restore?.() ?? Promise.resolve(), 'the far end comes back');
}

async function withNeighbour(bench: ConformanceHarness): Promise<void> {
  await bench.start();
  await bench.engine.register(simulatedSource({ id: NEIGHBOUR, intervalMs: 5 }));
}

/** The neighbour streams, has done nothing else, and goes on doing so. */
async function demandNeighbour(bench: ConformanceHarness): Promise<void> {
  const { recordsProduced } = bench.engine.health(NEIGHBOUR);
  await bench.until(
    'the neighbour goes on',
    () => bench.engine.health(NEIGHBOUR).recordsProduced > recordsProduced,
  );
  demandSame(bench.statesOf(NEIGHBOUR), ['connecting', 'streaming'], 'the neighbour is not touched');
  demandSame(bench.engine.health(NEIGHBOUR).lastError, null, 'the neighbour has no errors');
}

async function demandBack(bench: ConformanceHarness): Promise<void> {
  await restore(bench);
  await demandFlows(bench);
}

/** The source streams again and brings what is fed. */
async function demandFlows(bench: ConformanceHarness): Promise<void> {
  await bench.untilState('streaming');
  await bench.feed(10);
  await bench.until('what is fed comes out', () => bench.values.at(-1) === bench.fed.at(-1));
  await bench.quiet();
  demandLastFed(bench, 10);
  demandAscending(bench);
  demandIdentities(bench);
  demandSame(bench.health.consecutiveErrors, 0, 'a good read ends the row of errors');
}

async function demandPromptEnd(bench: ConformanceHarness): Promise<void> {
  const tookMs = await bench.deregister({ deadlineMs: 5_000 });
  demand(tookMs < bench.promptMs, `it ends promptly; it took ${tookMs} ms`);
  await demandEndedInOrder(bench);
  demandSame(bench.records.length, 0, 'nothing came');
}
