/** The store in a thread of its own: what it stores, what it does to the event loop, and how it ends. */

import fc from 'fast-check';
import type { Worker } from 'node:worker_threads';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import type { WriteBatch } from '../../src/domain/timeline.ts';
import { IN_MEMORY } from '../../storage/file/database-path.ts';
import { openEventStore } from '../../storage/open-event-store.ts';
import { openEventStoreInWorker } from '../../storage/worker/open-in-worker.ts';
import { lockedByAnotherProcess } from '../support/locked-by-another-process.ts';
import { leastStallMs } from '../support/event-loop.ts';
import { stallsWhileLocked } from '../support/storage-stalls.ts';
import {
  writeBatch,
  headgateError,
  openOptions,
  query,
  recordRow,
  sourceRow,
  START_MS,
  temporaryFile,
  timelineRow,
} from './fixture.ts';
import { HOSTS } from './hosts.ts';

/** The threads that were started, the last one last. */
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

const [inProcess, inWorker] = HOSTS.map(({ openStore }) => openStore) as [
  (typeof HOSTS)[0]['openStore'],
  (typeof HOSTS)[0]['openStore'],
];

/** Ends the thread as a defect in it would: it cannot read this message. */
function crash(): void {
  threads.at(-1)?.postMessage(null);
}

/** What a lock stops the loop for without the thread: SQLite waits for it for about 200 ms. */
const STALL_MS = 180;

const one = (seq: number) => writeBatch({ timeline: [timelineRow({ seq })] });

const TABLES = ['timeline', 'records', 'sources', 'dead_letters', 'source_cursors', 'spill', 'health'];

const dump = (file: string) => TABLES.map((table) => query(file, `SELECT * FROM ${table}`));

const arbitraryUnit = fc.record({
  timeline: fc.array(fc.dictionary(fc.string(), fc.jsonValue()), { maxLength: 3 }),
  records: fc.array(
    fc.record({
      sourceId: fc.constantFrom('plc-7', 'plc-8'),
      sourceSeq: fc.nat(),
      dedupKey: fc.option(fc.constantFrom('a', 'b', 'c')),
      contentType: fc.option(fc.constant('text/plain')),
      atMs: fc.nat(),
      data: fc.json(),
    }),
    { maxLength: 30 },
  ),
  sources: fc.array(fc.record({ incarnation: fc.nat(5), lastError: fc.option(fc.string()) }), {
    maxLength: 2,
  }),
  cursors: fc.array(fc.option(fc.string()), { maxLength: 2 }),
});

test('random units leave the same tables, results and cursors as in process', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(arbitraryUnit, { maxLength: 5 }), async (units) => {
      const outcomes = [];
      for (const open of [openEventStore, openEventStoreInWorker]) {
        const file = temporaryFile();
        const store = await open(openOptions(file, { uuid: () => 'same' }));
        const results = [];
        let seq = 0;
        for (const { timeline, records, sources, cursors } of units) {
          const unit = writeBatch({
            timeline: timeline.map((data) =>
              timelineRow({ seq: ++seq, data: JSON.parse(JSON.stringify(data)) }),
            ),
            records: records.map((row) => recordRow(row)),
            sources: sources.map((row) => sourceRow(row)),
            cursors: cursors.map((cursor) => ({ tenant: 'default', sourceId: 'plc-7', cursor })),
          });
          results.push(await store.commit(unit));
        }
        const page = await store.readRecords({ afterSeq: 0, rowsMax: 20, bytesMax: 1_000 });
        const rest = { lag: await store.lagOf('records', 2), cursors: [...store.cursors] };
        await store.close({ atMs: START_MS });
        outcomes.push({ results, page, rest, tables: dump(file) });
      }
      expect(outcomes[1]).toEqual(outcomes[0]);
    }),
    { numRuns: 6 },
  );
}, 60_000);

describe('a lock of another process', () => {
  test('does not stop the event loop, as it does without the thread', { tags: 'full' }, async () => {
    const stallMs = new Map<string, number>();
    for (const { host, openStore } of HOSTS) {
      const file = temporaryFile();
      const store = await openStore(file);
      await store.commit(one(1));
      const leastMs = await leastStallMs(host === 'in process' ? Infinity : STALL_MS, () =>
        stallsWhileLocked(store, file, 1_000),
      );
      await store.commit(one(2));
      expect(query(file, 'SELECT seq FROM timeline')).toEqual([{ seq: 1 }, { seq: 2 }]);
      stallMs.set(host, leastMs);
    }
    expect(stallMs.get('in process')).toBeGreaterThan(STALL_MS);
    expect(stallMs.get('in a worker')).toBeLessThan(STALL_MS);
  });

  test('is told after a short while, and reads are answered meanwhile', async () => {
    const file = temporaryFile();
    const store = await inWorker(file);
    await store.commit(one(1));
    const lock = await lockedByAnotherProcess(file);
    const order: string[] = [];
    const refused = headgateError(() => store.commit(one(2)), 'HG_STORAGE_BUSY').then((error) => {
      order.push('refused');
      return error;
    });
    for (let reads = 0; reads < 3; reads++) {
      await store.lagOf('records', 0);
      order.push('read');
    }
    expect(await refused).toMatchObject({ remedy: 'retry', details: { file } });
    expect(order).toEqual(['read', 'read', 'read', 'refused']);
    await lock.release();
  });

  test('that ends soon delays a commit, no more; commits stay in order', async () => {
    const file = temporaryFile();
    const store = await inWorker(file);
    const lock = await lockedByAnotherProcess(file);
    const commits = [1, 2, 3].map((seq) => store.commit(one(seq)));
    await lock.release();
    await Promise.all(commits);
    expect(query(file, 'SELECT seq FROM timeline')).toEqual([{ seq: 1 }, { seq: 2 }, { seq: 3 }]);
  });
});

describe('a thread that dies', () => {
  test('rejects what waits and what comes later, for good, and says why', async () => {
    const store = await inWorker(temporaryFile());
    crash();
    const waiting = [store.commit(one(1)), store.lagOf('records', 0)];
    for (const call of waiting) {
      const error = await headgateError(() => call, 'HG_STORAGE_STOPPED');
      expect(error.remedy).toBe('stop');
      expect(error.message).toContain('the thread that writes the database has ended: ');
    }
    await headgateError(() => store.commit(one(1)), 'HG_STORAGE_STOPPED');
    await headgateError(() => store.close({ atMs: 1 }), 'HG_STORAGE_STOPPED');
  });

  test('leaves a database that can be opened at once, and looks like a crash', async () => {
    const file = temporaryFile();
    const store = await inWorker(file);
    await store.commit(one(1));
    crash();
    await headgateError(() => store.close(null), 'HG_STORAGE_STOPPED');
    expect(await inWorker(file)).toMatchObject({ run: 2, lastSeq: 1, previousRun: { end: 'crash' } });
  });
});

describe('closing', () => {
  test('writes what was asked before, ends the thread and frees the lock', async () => {
    const file = temporaryFile();
    const store = await inWorker(file);
    const commits = [1, 2, 3].map((seq) => store.commit(one(seq)));
    const closes = [store.close({ atMs: 5 }), store.close(null)];
    await headgateError(() => store.commit(one(4)), 'HG_STORAGE_FAILED');
    await Promise.all([...commits, ...closes]);
    expect(threads.map(({ threadId }) => threadId)).toEqual([-1]);
    expect(await inProcess(file)).toMatchObject({ lastSeq: 3, previousRun: { end: 'clean', lastAtMs: 5 } });
  });

  test('an opening that is refused leaves no thread', async () => {
    const file = temporaryFile();
    await inProcess(file);
    const error = await headgateError(() => inWorker(file), 'HG_STORAGE_LOCKED');
    expect(error).toMatchObject({ remedy: 'stop', details: { file } });
    expect(threads.map(({ threadId }) => threadId)).toEqual([-1]);
  });
});

test('what cannot cross is refused for good, and the next unit is written', async () => {
  const store = await inWorker(IN_MEMORY);
  const letter = { origin: { call: () => 1 } } as unknown as WriteBatch['deadLetters'][0];
  const error = await headgateError(
    () => store.commit(writeBatch({ deadLetters: [letter] })),
    'HG_STORAGE_FAILED',
  );
  expect(error.remedy).toBe('drop');
  expect(await store.commit(one(1))).toEqual({ duplicates: 0, lastRecordSeq: 0 });
});
