/** Conformance: a source that has stopped leaves nothing behind. */

import { demand, demandSame, type ConformanceHarness } from './conformance-harness.ts';
import { demandAscending, openDescriptors, openHandles, untilHandlesAreBack } from './conformance-checks.ts';
import type { ConformanceRule } from './conformance-rule.ts';

const CYCLES = 50;
/** Descriptors a transport may keep for later use, such as a pool of connections. */
const DESCRIPTORS_KEPT_MAX = 10;
const DEADLINE_MS = 5_000;

export const LEAK_RULES: readonly ConformanceRule[] = [
  {
    title: `leaves nothing open after ${CYCLES} starts and stops`,
    async run(bench) {
      await bench.start();
      await cycle(bench);
      const before = openHandles(bench);
      const descriptorsBefore = openDescriptors();
      for (let count = 0; count < CYCLES; count++) await cycle(bench);
      await untilHandlesAreBack(bench, before);
      if (descriptorsBefore !== null) {
        const isBack = () => (openDescriptors() ?? 0) <= descriptorsBefore + DESCRIPTORS_KEPT_MAX;
        await bench.until('files and sockets are closed', isBack);
      }
      demandSame(bench.health.incarnation, CYCLES + 1, 'each start was one of its own');
    },
  },
  {
    title: 'leaves nothing open after many pauses',
    async run(bench) {
      await bench.stream();
      await bench.pause();
      const before = openHandles(bench);
      for (let count = 0; count < CYCLES; count++) {
        await bench.resume();
        await bench.untilState('streaming');
        await bench.pause();
      }
      await untilHandlesAreBack(bench, before);
    },
  },
  {
    title: 'closes everything when the engine stops in the midst of many records',
    async run(bench) {
      const before = openHandles(bench);
      await bench.stream();
      void bench.feedLater(60);
      await bench.until('some values come out', () => bench.values.length >= 5);
      const stopped = bench.engine.stop({ deadlineMs: DEADLINE_MS });
      const { lost } = await bench.drive(stopped, 'the engine stops');
      demandSame(lost, 0, 'a stop in good time loses nothing');
      demandSame(bench.state, 'stopped', 'its sources are stopped with it');
      demandSame(bench.records.length, bench.health.recordsProduced, 'all that was taken in came out');
      demandAscending(bench);
      await untilHandlesAreBack(bench, before);
      await bench.quiet();
      demand(bench.records.length === bench.health.recordsProduced, 'nothing comes after the end');
    },
  },
];

async function cycle(bench: ConformanceHarness): Promise<void> {
  await bench.stream();
  await bench.deregister({ deadlineMs: DEADLINE_MS });
}
