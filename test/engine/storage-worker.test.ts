/** Where the engine puts its database: in a thread of its own, or beside itself. */

import type { Worker } from 'node:worker_threads';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { createEngine, pushSource, type CreateEngineOptions, type Engine } from '../../src/index.ts';
import { realClock } from '../../src/platform/real-clock.ts';
import { virtualClock } from '../../src/testing/virtual-clock.ts';
import { query, temporaryFile } from '../storage/fixture.ts';
import { startProgram } from './process.ts';

/** The threads that were started. */
const threads = vi.hoisted((): Worker[] => []);

vi.mock('node:worker_threads', async (importOriginal) => {
  const original = await importOriginal<typeof import('node:worker_threads')>();
  return {
    ...original,
    Worker: class extends original.Worker {
      constructor(...parameters: ConstructorParameters<typeof original.Worker>) {
        super(...parameters);
        threads.push(this);
      }
    },
  };
});

beforeEach(() => void threads.splice(0));

const quiet = { debug() {}, info() {}, warn() {}, error() {} };

function engine(options: CreateEngineOptions): Engine {
  const made = createEngine({ logger: quiet, ...options });
  onTestFinished(async () => void (await made.stop({ deadlineMs: 100 })));
  return made;
}

describe('the database is written', () => {
  const file = () => ({ path: temporaryFile() });
  const cases: [title: string, options: () => CreateEngineOptions, threadsWanted: number][] = [
    ['in a thread where it is a file and time is real', () => ({ timeline: file() }), 1],
    ['beside the engine where there is no file', () => ({}), 0],
    ['nowhere where nothing is kept', () => ({ timeline: false }), 0],
    ['beside the engine if asked so', () => ({ timeline: file(), storage: { worker: false } }), 0],
    ['in a thread if asked so', () => ({ storage: { worker: true } }), 1],
    ['beside the engine where the clock is given', () => ({ timeline: file(), clock: realClock }), 0],
  ];
  for (const [title, options, wanted] of cases) {
    test(title, async () => {
      const made = engine(options());
      await made.start();
      expect(threads).toHaveLength(wanted);
      await made.stop();
      expect(threads.map(({ threadId }) => threadId)).toEqual(Array.from({ length: wanted }, () => -1));
    });
  }

  test('never in a thread under a clock of the user’s: that is refused at once', () => {
    expect(() => createEngine({ clock: virtualClock(), storage: { worker: true } })).toThrow(
      'createEngine: option "storage.worker": must not be true where a clock is given',
    );
  });
});

test('an engine whose thread dies fails loudly, and can be started again', async () => {
  const path = temporaryFile();
  const complaints: unknown[] = [];
  const logger = { ...quiet, error: (fields: unknown) => void complaints.push(fields) };
  const made = engine({ timeline: { path }, logger });
  await made.start();
  const source = pushSource({ id: 'a' });
  await made.register(source);
  const stored = new Promise((resolve) => made.records$.subscribe(resolve));
  await source.push(1);
  await stored;
  threads[0]?.postMessage(null);
  await source.push(2).catch(() => {});
  await expect.poll(() => made.state, { interval: 5 }).toBe('failed');
  await made.stop();
  expect(JSON.stringify(complaints)).toContain('HG_STORAGE_STOPPED');
  expect(query(path, 'SELECT data FROM records')).toEqual([{ data: '1' }]);
  await made.start();
  expect(made.state).toBe('running');
  await made.stop();
  expect(query(path, 'SELECT run, end FROM runs')).toEqual([
    { run: 1, end: 'crash' },
    { run: 2, end: 'clean' },
  ]);
});

test('under plain node a stopped engine with a file lets the process end, one that runs does not', async () => {
  const program = startProgram(
    `
import { createEngine, pushSource } from 'headgate';
const threads = [];
process.on('worker', (thread) => threads.push(thread));
const engine = createEngine({ timeline: { path: process.argv[2] } });
await engine.start();
const source = pushSource({ id: 'a' });
await engine.register(source);
await source.push(1);
process.once('SIGUSR2', async () => {
  await engine.stop();
  console.log(threads.map(({ threadId }) => threadId).join());
});
// Comes only if something else keeps the process.
setTimeout(() => console.log('runs'), 300).unref();
`,
    temporaryFile(),
  );
  await program.line((line) => line === 'runs');
  program.kill('SIGUSR2');
  expect(await program.ended).toEqual({ code: 0, signal: null, stderr: '' });
  expect(program.lines).toEqual(['runs', '-1']);
});
