/** A disk that takes a commit and never answers: the engine stops all the same, says what is lost, and the
 *  process can end. */

import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { functionSink, pushSource, simulatedSource } from '../../src/index.ts';
import type { EventStore } from '../../storage/event-store.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import { query, temporaryFolder } from '../storage/fixture.ts';
import { codeOf, startedRig, type EngineRig } from '../support/engine-rig.ts';
import { startProgram } from './process.ts';

/** What commits wait for before they are done, and the end of the run before it is written. */
const disk = vi.hoisted(() => ({ hang: null as Promise<void> | null, abandoned: 0 }));

vi.mock('../../storage/open-event-store.ts', async (importOriginal) => {
  const original = await importOriginal<typeof import('../../storage/open-event-store.ts')>();
  return {
    openEventStore: async (options: Parameters<typeof original.openEventStore>[0]) => {
      const store = await original.openEventStore(options);
      const answered = async <Result>(work: () => Promise<Result>): Promise<Result> => {
        await disk.hang;
        return work();
      };
      return {
        ...store,
        commit: (unit) => answered(() => store.commit(unit)),
        readRecords: (query) => answered(() => store.readRecords(query)),
        maintain: (request) => answered(() => store.maintain(request)),
        close: (end) => answered(() => store.close(end)),
        abandon: () => void disk.abandoned++,
      } satisfies EventStore;
    },
  };
});

/** Runs `act` with a disk that hangs; it answers again afterwards. */
async function whileHanging(act: (answer: () => void) => Promise<void>): Promise<void> {
  const answer = Promise.withResolvers<void>();
  disk.hang = answer.promise;
  disk.abandoned = 0;
  try {
    await act(answer.resolve);
  } finally {
    disk.hang = null;
    answer.resolve();
  }
}

const stored = (rig: EngineRig) =>
  rig.query('SELECT data FROM records ORDER BY seq').map(({ data }) => Number(data));

const range = (count: number) => Array.from({ length: count }, (_, n) => n + 1);

describe('an engine whose disk hangs', () => {
  test('stops in time, tells whoever waits that nothing was stored, and says so', async () => {
    const source = pushSource({ id: 'events' });
    const rig = await startedRig({}, source, simulatedSource({ id: 'a', intervalMs: 10, value: (n) => n }));
    await rig.engine.registerSink(functionSink({ id: 'out', deliver: async () => {} }));
    await rig.clock.advance(55);
    await whileHanging(async (answer) => {
      const pushed = codeOf(source.push('lost'));
      await rig.clock.advance(1_000);
      const atMs = rig.clock.monotonicMs();
      const report = await rig.stop({ deadlineMs: 500 });
      expect(rig.clock.monotonicMs() - atMs).toBeLessThanOrEqual(3 * 500 + LIMITS.storageAnswerMsMax + 50);
      expect(await pushed).toBe('HG_RECORD_LOST');
      expect(report.delivered).toBe(5);
      expect(report.lost).toBe(1 + Number(rig.engine.health('a').recordsProduced) - 5);
      expect([rig.engine.state, disk.abandoned, rig.clock.pendingTimers]).toEqual(['stopped', 1, 0]);
      expect(rig.complaints('error').join('\n')).toMatch(
        /could not be written and are lost[^]*look at the disk/i,
      );
      // Late answers change nothing any more: nobody is told that something is stored.
      answer();
      await rig.clock.advance(1_000);
      expect(rig.engine.report()).toEqual(report);
      expect(rig.delivered).toHaveLength(5);
    });
  });

  test('stops in time where only the last write hangs', async () => {
    const rig = await startedRig({}, simulatedSource({ id: 'a', intervalMs: 10, count: 5, value: (n) => n }));
    await rig.clock.advance(500);
    await whileHanging(async () => {
      await rig.stop({ deadlineMs: 500 });
      expect([rig.engine.state, disk.abandoned]).toEqual(['stopped', 1]);
    });
    expect(stored(rig)).toEqual(range(5));
  });

  test('that answers within its time keeps the stop waiting, and loses nothing', async () => {
    const rig = await startedRig({}, simulatedSource({ id: 'a', intervalMs: 10, value: (n) => n }));
    await rig.clock.advance(55);
    await whileHanging(async (answer) => {
      await rig.clock.advance(100);
      rig.clock.setTimeout(answer, 4_000);
      const report = await rig.stop({ deadlineMs: 10_000 });
      expect(report).toMatchObject({ lost: 0, delivered: report.sources[0]?.recordsProduced });
      expect(stored(rig)).toEqual(range(report.delivered));
      expect(disk.abandoned).toBe(0);
    });
    expect(rig.query('SELECT end FROM runs')).toEqual([{ end: 'clean' }]);
  });
});

test(
  'a process whose storage really hangs in a call of the system stops its engine, and ends',
  { tags: 'full', timeout: 240_000 },
  async () => {
    const folder = temporaryFolder();
    const file = join(folder, 'edge.db');
    // The thread of the storage writes its mark every 256 commits, under this name; to open a pipe that nobody
    // reads takes for ever.
    const program = startProgram(
      `
import { spawnSync } from 'node:child_process';
import { createEngine, pushSource } from 'headgate';
const engine = createEngine({ timeline: { path: process.argv[2] } });
const source = pushSource({ id: 'events' });
await engine.start();
await engine.register(source);
let acknowledged = 0;
const count = async () => {
  for (;;) {
    await source.push(acknowledged + 1);
    if (++acknowledged === 20) spawnSync('mkfifo', [process.argv[2] + '-mark.new']);
  }
};
count().catch((error) => console.log(error.code));
const hangs = ({ monoMs, storage }) => monoMs - (storage.waitingSinceMonoMs ?? monoMs) > 10_000;
while (acknowledged < 20 || !hangs(engine.stats())) await new Promise((resolve) => setTimeout(resolve, 50));
const { lost } = await engine.stop({ deadlineMs: 200 });
console.log(JSON.stringify({ acknowledged, lost, state: engine.state }));
process.exit(0);
`,
      file,
    );
    const { signal, stderr } = await program.ended;
    expect(stderr).toContain('the disk does not answer');
    expect(signal).toBe('SIGKILL');
    const [code, told = '{}'] = program.lines;
    const { acknowledged, lost, state } = JSON.parse(told) as Record<string, unknown>;
    expect([code, lost, state]).toEqual(['HG_RECORD_LOST', 1, 'stopped']);
    expect(acknowledged).toBeGreaterThanOrEqual(20);
    const rows = query(file, 'SELECT data FROM records ORDER BY seq').map(({ data }) => Number(data));
    // What was acknowledged is there; what was being written may be.
    expect(rows.slice(0, Number(acknowledged))).toEqual(range(Number(acknowledged)));
    expect(rows.length - Number(acknowledged)).toBeLessThanOrEqual(1);
  },
);
