/** Conformance: how a source is paused, resumed, replaced and stopped. */

import { demand, demandSame, SUBJECT, type ConformanceHarness } from './conformance-harness.ts';
import {
  demandAllFed,
  demandAscending,
  demandEndedInOrder,
  demandIdentities,
  demandLastFed,
  demandNothingUncounted,
  wasForced,
} from './conformance-checks.ts';
import type { ConformanceRule } from './conformance-rule.ts';

const DEADLINE_MS = 5_000;
const VALUES = 60;

export const LIFECYCLE_RULES: readonly ConformanceRule[] = [
  {
    title: 'hands in nothing while it is paused, and goes on when it is resumed',
    async run(bench) {
      await bench.stream();
      await bench.feed(20);
      await bench.until('the first values come out', () => bench.values.length === 20);
      await bench.pause();
      const { recordsProduced } = bench.health;
      const feeding = bench.feedLater(20);
      await bench.quiet();
      demandSame(bench.health.recordsProduced, recordsProduced, 'a paused source produces nothing');
      demandSame(bench.state, 'paused', 'a paused source stays so');
      demandSame(bench.health.lateRecords, 0, 'nothing is handed in after the signal aborted');
      await bench.resume();
      await bench.untilState('streaming');
      await demandGoesOn(bench, feeding);
      demandSame(bench.values.slice(0, 20), bench.fed.slice(0, 20), 'what came before the pause came once');
    },
  },
  {
    title: 'gives no record twice when it is paused in the midst of many',
    async run(bench) {
      await bench.stream();
      const feeding = bench.feedLater(VALUES);
      await bench.until('some values come out', () => bench.values.length >= 5);
      await bench.pause();
      await bench.resume();
      await bench.untilState('streaming');
      await demandGoesOn(bench, feeding);
    },
  },
  {
    title: 'bears being paused and resumed in quick succession',
    async run(bench) {
      await bench.stream();
      for (let round = 0; round < 20; round++) {
        bench.engine.send({ type: 'registry.pause', id: SUBJECT });
        bench.engine.send({ type: 'registry.resume', id: SUBJECT });
      }
      await bench.untilState('streaming');
      await bench.feed(20);
      await bench.untilAllFed();
      demandAllFed(bench);
      demandSame([bench.health.restarts, bench.health.lastError], [0, null], 'a pause is no failure');
    },
  },
  {
    title: 'drains when it is deregistered: what it took in comes out, and nothing after it has stopped',
    async run(bench) {
      bench.stall();
      await bench.stream();
      await bench.feed(VALUES);
      await bench.until('all values are produced', () => bench.health.recordsProduced >= VALUES);
      const ending = bench.engine.deregister(SUBJECT, { deadlineMs: DEADLINE_MS });
      await bench.untilState('draining');
      await bench.quiet();
      demandSame(bench.state, 'draining', 'a source drains until its outlet is empty');
      bench.release();
      await bench.drive(ending, 'the source ends');
      await demandSilentEnd(bench);
      await demandEndedInOrder(bench);
      demandAllFed(bench);
      demandSame(bench.health.droppedCount, 0, 'a drain loses nothing');
      demandSame(
        bench.statesOf(SUBJECT),
        ['connecting', 'streaming', 'draining', 'stopped'],
        'the states of a source that is deregistered',
      );
    },
  },
  {
    title: 'stops in the midst of many records without losing one it took in',
    async run(bench) {
      await bench.stream();
      void bench.feedLater(VALUES);
      await bench.until('some values come out', () => bench.values.length >= 5);
      await bench.deregister({ deadlineMs: DEADLINE_MS });
      await demandSilentEnd(bench);
      await demandEndedInOrder(bench);
      demandAscending(bench);
      demandIdentities(bench);
      demandSame(bench.records.length, bench.health.recordsProduced, 'all that was taken in came out');
    },
  },
  {
    title: 'ends promptly when its signal aborts, whatever it waits for',
    async run(bench) {
      await bench.stream();
      await bench.quiet();
      const tookMs = await bench.deregister({ deadlineMs: DEADLINE_MS });
      await demandEndedInOrder(bench);
      demand(
        tookMs < bench.promptMs,
        `an idle source ends within ${bench.promptMs} ms; it took ${tookMs} ms`,
      );
    },
  },
  {
    title: 'is stopped at its deadline while its outlet cannot be emptied, and what is lost is counted',
    async run(bench) {
      bench.stall();
      await bench.stream();
      await bench.feed(VALUES);
      await bench.until('all values are produced', () => bench.health.recordsProduced >= VALUES);
      const tookMs = await bench.deregister({ deadlineMs: 200 });
      demand(tookMs >= 190 && tookMs < 200 + bench.promptMs, `it ends at 200 ms, not at ${tookMs} ms`);
      demand(await wasForced(bench), 'the timeline says that it was forced');
      bench.release();
      await demandSilentEnd(bench);
      demandNothingUncounted(bench);
    },
  },
  {
    title: 'can be deregistered at once, and what is lost is counted',
    async run(bench) {
      bench.stall();
      await bench.stream();
      await bench.feed(VALUES);
      await bench.until('all values are produced', () => bench.health.recordsProduced >= VALUES);
      const tookMs = await bench.deregister({ mode: 'now' });
      demand(tookMs < bench.promptMs, `it ends at once, not after ${tookMs} ms`);
      bench.release();
      await demandSilentEnd(bench);
      demandNothingUncounted(bench);
      demand(bench.health.droppedCount > 0, 'what was left in the outlet is counted');
    },
  },
  {
    title: 'stops while it connects',
    async run(bench) {
      await bench.register();
      const tookMs = await bench.deregister({ deadlineMs: DEADLINE_MS });
      demand(tookMs < bench.promptMs, `a source that connects ends promptly; it took ${tookMs} ms`);
      await demandSilentEnd(bench);
      await demandEndedInOrder(bench);
    },
  },
  {
    title: 'can be stopped twice, and refuses what comes after',
    async run(bench) {
      await bench.stream();
      const first = bench.engine.deregister(SUBJECT, { deadlineMs: DEADLINE_MS });
      const second = bench.engine.deregister(SUBJECT, { mode: 'now' });
      // Nobody waits for the second one if it is refused: the source may have ended before it.
      const outcome = second.then(() => null, codeOf);
      await bench.drive(first, 'the source ends');
      const code = await bench.drive(outcome, 'the second stop is answered');
      demand(code === null || code === 'HG_SOURCE_UNKNOWN', `the second stop is no error, not ${code}`);
      const third = bench.engine.deregister(SUBJECT).then(() => null, codeOf);
      demandSame(await bench.drive(third, 'the third stop is answered'), 'HG_SOURCE_UNKNOWN', 'it is gone');
      const stops = Promise.all([bench.engine.stop(), bench.engine.stop()]);
      await bench.drive(stops, 'the engine stops twice');
    },
  },
  {
    title: 'can be registered again: with a new incarnation, its seq from 1, and only what is new',
    async run(bench) {
      await bench.stream();
      await bench.feed(20);
      await bench.untilAllFed();
      await bench.deregister();
      await bench.stream();
      await demandSecondIncarnation(bench);
    },
  },
  {
    title: 'can be replaced by an update',
    async run(bench) {
      await bench.stream();
      await bench.feed(20);
      await bench.untilAllFed();
      const { incarnation } = bench.health;
      await bench.drive(bench.engine.update(bench.source()), 'the update is carried out');
      await bench.until('the new source streams', () => {
        return bench.health.incarnation > incarnation && bench.state === 'streaming';
      });
      await demandSecondIncarnation(bench);
    },
  },
];

function codeOf(error: unknown): string {
  return String((error as { code?: unknown }).code);
}

/** After a pause: what a kind promises of what was fed meanwhile, and all of what is fed now. */
async function demandGoesOn(bench: ConformanceHarness, feeding: Promise<Error | null>): Promise<void> {
  const refused = await bench.drive(feeding, 'the feeding ends');
  if (bench.kit.declares.has('resumes')) {
    demandSame(refused, null, 'the far end can give all values');
    await bench.untilAllFed();
    demandAllFed(bench);
  }
  await bench.feed(20);
  await bench.until('the last value comes out', () => bench.values.at(-1) === bench.fed.at(-1));
  await bench.quiet();
  demandLastFed(bench, 20);
  demandAscending(bench);
  demandIdentities(bench);
}

/** The source has ended; whatever is fed now reaches nobody. */
async function demandSilentEnd(bench: ConformanceHarness): Promise<void> {
  demandSame(bench.state, 'stopped', 'a source that has ended is stopped');
  demandSame(bench.engine.activeSources(), [], 'a source that has ended is not active');
  await bench.quiet();
  const came = bench.records.length;
  const produced = bench.health.recordsProduced;
  const fed = bench.fed.length;
  await bench.drive(bench.feedLater(5), 'the far end takes more, or refuses');
  bench.fed.length = fed;
  await bench.quiet();
  demandSame(
    [bench.records.length, bench.health.recordsProduced],
    [came, produced],
    'nothing comes after the end',
  );
  demandSame(bench.health.lateRecords, 0, 'nothing is handed in after the signal aborted');
}

async function demandSecondIncarnation(bench: ConformanceHarness): Promise<void> {
  await bench.feed(20);
  await bench.untilAllFed();
  demandAllFed(bench);
  const incarnations = new Set(bench.records.map(({ incarnation }) => incarnation));
  demand(incarnations.size === 2, `there are two incarnations, not ${incarnations.size}`);
  demandSame(bench.health.incarnation, bench.records.at(-1)?.incarnation, 'health tells the incarnation');
}
