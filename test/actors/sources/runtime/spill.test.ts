/** A spill before a store that cannot be read for a while, and beside sources that wait for room. */

import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { Spill } from '../../../../actors/sources/runtime/spill.ts';
import type { RecordWrite } from '../../../../actors/persistence/pending-writes.ts';
import { HeadgateError } from '../../../../src/domain/errors.ts';
import { LIMITS } from '../../../../src/domain/limits.ts';
import { SILENT_LOGGER } from '../../../../src/domain/logger.ts';
import { settleAll, type IngestRecord } from '../../../../src/domain/record.ts';
import { BoundedQueue } from '../../../../src/pipeline/bounded-queue.ts';
import { spillText } from '../../../../actors/sources/runtime/spill-text.ts';
import { virtualClock } from '../../../../src/testing/virtual-clock.ts';
import type { EventStore } from '../../../../storage/event-store.ts';
import { records, seqsOf, settled } from '../../../pipeline/fixture.ts';
import { recordRow } from '../../../storage/fixture.ts';

const UNREADABLE = new HeadgateError('HG_STORAGE_STOPPED', 'the thread has ended');

class Bench {
  readonly clock = virtualClock();
  readonly queue: BoundedQueue<IngestRecord>;
  readonly spill: Spill;
  readonly warnings: string[] = [];
  readonly parcels: RecordWrite[] = [];
  isReadable = true;
  reads = 0;
  marks = 0;
  /** What a flush waits for. */
  written: Promise<void> = Promise.resolve();

  /** `onDisk`: records that wait there. */
  constructor(onDisk = 3) {
    const { clock } = this;
    this.queue = new BoundedQueue({ capacity: 10, overflow: 'block', waitMsMax: null, clock });
    this.spill = new Spill(
      {
        ...{
          tenant: 'default',
          sourceId: 'plc-7',
          clock,
          keepsRecords: true,
          deadLetter: () => {},
          onLost: () => {},
        },
        store: { readSpilled: ({ afterSeq }) => this.#read(afterSeq) },
        committer: {
          addRecords: (parcel) => void this.parcels.push(parcel),
          addOriginRemoval: () => void this.marks++,
          flush: () => this.written,
        },
        log: { ...SILENT_LOGGER, warn: (_, message) => void this.warnings.push(message) },
      },
      { records: onDisk, firstSeq: 1 },
    );
  }

  /** Three rows a page. */
  async #read(afterSeq: number): ReturnType<EventStore['readSpilled']> {
    // A loop that never lets the event loop turn would never come to an end.
    if (++this.reads > 10_000) return new Promise<never>(() => {});
    if (!this.isReadable) throw UNREADABLE;
    const rows = [1, 2, 3].map((place) => {
      const seq = afterSeq + place;
      return { ...recordRow({ sourceSeq: seq, data: spillText({ n: seq }) }), seq, cursor: null };
    });
    return { rows, lastSeq: afterSeq + 3, damaged: [] };
  }
}

test('where the disk cannot be read it tries again with growing waits, says so once, and goes on', async () => {
  const bench = new Bench();
  bench.isReadable = false;
  bench.spill.attach(bench.queue, 1_000);
  await settled();
  expect(bench.reads).toBe(1);
  await bench.clock.advance(60_000);
  expect(bench.reads).toBeGreaterThan(5);
  expect(bench.reads).toBeLessThan(25);
  expect(bench.warnings.length).toBe(1);
  bench.isReadable = true;
  await bench.clock.advance(10_000);
  expect(seqsOf(bench.queue.take(10))).toEqual([1, 2, 3]);
  expect([bench.spill.isEmpty, bench.clock.pendingTimers]).toEqual([true, 0]);
});

test('an outlet that is given up, or the end of the run, leaves no try behind', async () => {
  for (const end of ['detach', 'close'] as const) {
    const bench = new Bench();
    bench.isReadable = false;
    bench.spill.attach(bench.queue, 1_000);
    await settled();
    expect(bench.clock.pendingTimers).toBe(1);
    if (end === 'detach') bench.spill.detach(bench.queue, []);
    else bench.spill.close();
    expect(bench.clock.pendingTimers).toBe(0);
    await bench.clock.advance(60_000);
    expect(bench.reads).toBe(1);
  }
});

test('who waited for room leaves nothing behind on the signal of its run', async () => {
  const { spill, parcels } = new Bench();
  const run = new AbortController();
  for (let round = 0; round < 3; round++) {
    expect(spill.offer(records(LIMITS.spillPendingRecordsMax))).toBe(false);
    const room = spill.whenRoom(run.signal);
    expect(getEventListeners(run.signal, 'abort').length).toBe(1);
    for (const { onSettled } of parcels.splice(0)) onSettled('stored');
    await room;
    expect(getEventListeners(run.signal, 'abort').length).toBe(0);
  }
});

test('a run that is over waits for room no longer', async () => {
  const { spill } = new Bench();
  const run = new AbortController();
  spill.offer(records(LIMITS.spillPendingRecordsMax));
  const room = spill.whenRoom(run.signal);
  run.abort();
  await room;
  expect(spill.hasRoom).toBe(false);
});

test('what is gathered for it counts before it is handed in', () => {
  const { spill } = new Bench();
  spill.offer(records(LIMITS.spillPendingRecordsMax - 10));
  expect([0, 9, 10, 256].map((gathered) => spill.hasRoomBeyond(gathered))).toEqual([
    true,
    true,
    false,
    false,
  ]);
});

test('records that a stage leaves out are not read on and on while the database cannot be written', async () => {
  const onDisk = 3 * LIMITS.spillPendingRecordsMax;
  const bench = new Bench(onDisk);
  const database = Promise.withResolvers<void>();
  bench.written = database.promise;
  bench.spill.attach(bench.queue, 1_000_000);
  const leaveOut = async () => {
    for (let isMoving = true; isMoving;) {
      await settled();
      const records = bench.queue.take(10);
      settleAll(records, 'filtered');
      isMoving = records.length > 0;
    }
  };
  await leaveOut();
  expect(bench.marks).toBeGreaterThanOrEqual(LIMITS.spillPendingRecordsMax);
  expect(bench.marks).toBeLessThanOrEqual(LIMITS.spillPendingRecordsMax + 10);
  database.resolve();
  await leaveOut();
  expect([bench.marks, bench.spill.isEmpty]).toEqual([onDisk, true]);
});
