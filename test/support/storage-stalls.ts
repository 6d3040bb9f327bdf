/** How long the event loop stands still while a store is written: with the lock held by another process, and
 *  while its log is copied into the file. `node test/support/storage-stalls.ts` prints both as JSON, for a
 *  store in a thread of its own and, as the control, for one without. */

import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HeadgateError } from '../../src/domain/errors.ts';
import { writeBatch, type WriteBatch } from '../../src/domain/timeline.ts';
import { realClock } from '../../src/platform/real-clock.ts';
import type { EventStore, OpenOptions } from '../../storage/event-store.ts';
import { openEventStore } from '../../storage/open-event-store.ts';
import { openEventStoreInWorker } from '../../storage/worker/open-in-worker.ts';
import { stallsDuring, type Stalls } from './event-loop.ts';
import { lockedByAnotherProcess } from './locked-by-another-process.ts';

/** The store is written for so long while another process holds the lock. */
export async function stallsWhileLocked(store: EventStore, file: string, lockMs: number): Promise<Stalls> {
  const lock = await lockedByAnotherProcess(file);
  const stalls = await stallsDuring(() => insist(store, records(1), lockMs));
  await lock.release();
  return stalls;
}

/** Enough is written, as fast as it goes, for several checkpoints. */
export async function stallsDuringCheckpoints(store: EventStore, units = 60): Promise<Stalls> {
  const made = Array.from({ length: 4 }, () => records(1_000));
  return stallsDuring(async () => {
    let before: Promise<unknown> = Promise.resolve();
    for (let count = 0; count < units; count++) {
      const commit = store.commit(made[count % made.length] as WriteBatch);
      await before;
      before = commit;
      // A store without a thread would otherwise never let the loop turn.
      await realClock.sleep(0);
    }
    await before;
  });
}

function records(count: number): WriteBatch {
  return writeBatch({
    records: Array.from({ length: count }, (_, n) => ({
      tenant: 'default',
      sourceId: 'plc-7',
      incarnation: 1,
      sourceSeq: n + 1,
      dedupKey: null,
      atMs: n,
      data: JSON.stringify('x'.repeat(1_000)),
      contentType: null,
    })),
  });
}

/** Tries until the unit is stored or the time is over, with short rests, as the ledger does. */
async function insist(store: EventStore, unit: WriteBatch, durationMs: number): Promise<void> {
  const endMs = realClock.monotonicMs() + durationMs;
  while (realClock.monotonicMs() < endMs) {
    try {
      await store.commit(unit);
      return;
    } catch (error) {
      if (!(error instanceof HeadgateError && error.code === 'HG_STORAGE_BUSY')) throw error;
      await realClock.sleep(10);
    }
  }
}

async function measure(open: (options: OpenOptions) => Promise<EventStore>): Promise<object> {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-stalls-'));
  const path = join(folder, 'edge.db');
  const store = await open({ path, nowMs: 0, version: '0', uuid: randomUUID, configDigest: '' });
  const locked = await stallsWhileLocked(store, path, 3_000);
  const checkpoints = await stallsDuringCheckpoints(store, 200);
  await store.close({ atMs: 1 });
  rmSync(folder, { recursive: true });
  return { locked, checkpoints };
}

if (import.meta.main) {
  const inWorker = await measure(openEventStoreInWorker);
  const inProcess = await measure(openEventStore);
  process.stdout.write(`${JSON.stringify({ inWorker, inProcess }, null, 2)}\n`);
}
