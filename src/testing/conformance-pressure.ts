/** Conformance: what a source does when nobody takes its records. */

import { demand, demandSame, SUBJECT, type ConformanceHarness } from './conformance-harness.ts';
import {
  demandAllFed,
  demandAscending,
  demandLastFed,
  demandNothingUncounted,
} from './conformance-checks.ts';
import type { ConformanceRule } from './conformance-rule.ts';

const CAPACITY_RECORDS = 4;
const OUTLET = { capacityRecords: CAPACITY_RECORDS, overflow: 'block' } as const;
/** Values enough to tell a source that is held back from one that is not. */
const VALUES = 120;
/** Records that a stalled engine still takes out of the outlet. */
const TAKEN_BY_ENGINE = 2;

export const PRESSURE_RULES: readonly ConformanceRule[] = [
  {
    title: 'is held back by a full outlet, keeps its link, and loses nothing',
    needs: ['pushback'],
    async run(bench) {
      bench.stall();
      await bench.stream({ outlet: OUTLET });
      const feeding = bench.feedLater(VALUES);
      await untilFull(bench);
      await bench.quiet();
      const { queueDepth, recordsProduced, droppedCount, lateRecords } = bench.health;
      const depthMax = CAPACITY_RECORDS + (bench.kit.handRecordsMax ?? 1);
      demand(queueDepth <= depthMax, `at most ${depthMax} records wait for room; ${queueDepth} do`);
      const producedMax = depthMax + TAKEN_BY_ENGINE;
      demand(recordsProduced <= producedMax, `nothing is read without room; ${recordsProduced} records were`);
      demandSame([droppedCount, lateRecords], [0, 0], 'a full outlet that blocks drops nothing');

      bench.release();
      demandSame(await bench.drive(feeding, 'all values are fed'), null, 'the far end can give all values');
      await bench.untilAllFed();
      demandAllFed(bench);
      demandSame(bench.health.droppedCount, 0, 'nothing was dropped');
      demandSame(bench.statesOf(SUBJECT), ['connecting', 'streaming'], 'a full outlet changes no state');
    },
  },
  {
    title: 'drops nothing when it is paused and resumed again and again before a full outlet',
    needs: ['pushback'],
    async run(bench) {
      bench.stall();
      await bench.stream({ outlet: OUTLET });
      const feedings = [bench.feedLater(VALUES)];
      await untilFull(bench);
      for (let round = 0; round < 5; round++) {
        await bench.pause();
        await bench.resume();
        await bench.untilState('streaming');
        feedings.push(bench.feedLater(1));
        await bench.quiet();
      }
      demandSame(bench.health.droppedCount, 0, 'nothing is dropped by being resumed');
      bench.release();
      await bench.untilState('streaming');
      const refused = await bench.drive(Promise.all(feedings), 'the feeding ends');
      if (bench.kit.declares.has('resumes')) {
        demand(
          refused.every((error) => error === null),
          'the far end can give all values',
        );
        await bench.untilAllFed();
        demandAllFed(bench);
        return;
      }
      await feedTheLast(bench);
      demandAscending(bench);
    },
  },
  ...(['drop-newest', 'drop-oldest'] as const).map((overflow) => ({
    title: `counts what its outlet drops by the policy ${overflow}`,
    async run(bench: ConformanceHarness) {
      bench.stall();
      await bench.stream({ outlet: { capacityRecords: CAPACITY_RECORDS, overflow } });
      await bench.feed(VALUES);
      await bench.until('all values are produced', () => bench.health.recordsProduced >= VALUES);
      demandSame(bench.state, 'streaming', 'a full outlet that drops changes no state');
      demand(bench.health.droppedCount > 0, 'an outlet of four drops some of many records');
      bench.release();
      // What the engine took before it stood still comes out first.
      await bench.until('the outlet is empty', () => bench.health.queueDepth === 0);
      await bench.quiet();
      demandAscending(bench);
      if (overflow === 'drop-oldest') {
        demandSame(bench.values.at(-1), VALUES, 'the newest record is never dropped');
      } else {
        demandSame(bench.values[0], 1, 'the oldest record is never dropped');
      }
      // A source with readings of its own goes on meanwhile: it is stopped to be counted.
      await bench.deregister();
      await bench.quiet();
      demandNothingUncounted(bench);
    },
  })),
  {
    title: 'goes on in order after its outlet was full',
    async run(bench) {
      bench.stall();
      await bench.stream({ outlet: OUTLET });
      const feeding = bench.feedLater(VALUES);
      await untilFull(bench);
      bench.release();
      await bench.drive(feeding, 'all values are fed');
      await feedTheLast(bench);
      demandAscending(bench);
    },
  },
];

async function untilFull(bench: ConformanceHarness): Promise<void> {
  await bench.until('the outlet is full', () => bench.health.queueDepth >= CAPACITY_RECORDS);
}

const LAST = 10;

/** Feeds what surely comes out again: the outlet is no longer full. */
async function feedTheLast(bench: ConformanceHarness): Promise<void> {
  await bench.until('the outlet is empty', () => bench.health.queueDepth === 0);
  await bench.feed(LAST);
  await bench.until('the last values come out', () => bench.values.at(-1) === bench.fed.at(-1));
  await bench.quiet();
  demandLastFed(bench, LAST);
}
