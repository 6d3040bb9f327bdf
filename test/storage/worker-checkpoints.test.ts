/** When the write-ahead log is copied and cut. */

import Database from 'better-sqlite3';
import { existsSync, statSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import type { EventStore } from '../../storage/event-store.ts';
import { openEventStoreInWorker } from '../../storage/worker/open-in-worker.ts';
import { Checkpoints } from '../../storage/worker/worker-checkpoints.ts';
import { openWritable } from '../../storage/file/writable-database.ts';
import { leastStallMs } from '../support/event-loop.ts';
import { stallsDuringCheckpoints } from '../support/storage-stalls.ts';
import { openOptions, temporaryFile } from './fixture.ts';

const PAGE_BYTES = 4_096;
/** Of the event loop, while a thread copies megabytes. */
const STALL_MS_MAX = 250;

const LIMITS = {
  idlePages: 10,
  pendingBytesMax: 40 * PAGE_BYTES,
  logBytesMax: 100 * PAGE_BYTES,
  quietLogBytesMax: 5 * PAGE_BYTES,
};

class Log {
  readonly file = temporaryFile();
  readonly db = openWritable(this.file);
  readonly checkpoints: Checkpoints;

  constructor() {
    this.db.pragma('busy_timeout = 5');
    this.db.exec('CREATE TABLE bulk (bytes BLOB)');
    this.db.pragma('wal_checkpoint(TRUNCATE)');
    this.db.pragma('wal_autocheckpoint = 0');
    this.checkpoints = new Checkpoints(() => this.db, this.file, LIMITS);
    onTestFinished(() => void this.db.close());
  }

  /** Writes some more pages than that. */
  write(pages: number): void {
    this.db.prepare('INSERT INTO bulk VALUES (zeroblob(?))').run(pages * PAGE_BYTES);
  }

  get pendingPages(): number {
    const [state] = this.db.pragma('wal_checkpoint(NOOP)') as { log: number; checkpointed: number }[];
    return (state?.log ?? 0) - (state?.checkpointed ?? 0);
  }

  get bytes(): number {
    return statSync(`${this.file}-wal`).size;
  }

  /** Another connection that reads, and stays where it is. Returns how to end that. */
  read(): () => void {
    const reader = new Database(this.file, { readonly: true });
    onTestFinished(() => void reader.close());
    reader.exec('BEGIN');
    reader.prepare('SELECT count(*) FROM bulk').get();
    return () => void reader.exec('COMMIT');
  }
}

test('it is not copied while calls come in, until it is long', () => {
  const log = new Log();
  log.write(20);
  log.checkpoints.afterCommit();
  expect(log.pendingPages).toBeGreaterThan(20);
  log.write(20);
  log.checkpoints.afterCommit();
  expect(log.pendingPages).toBe(0);
});

test('it is copied while nobody waits, if it is worth it', () => {
  const log = new Log();
  log.write(2);
  log.checkpoints.whenIdle();
  expect(log.pendingPages).toBeGreaterThan(0);
  log.write(10);
  log.checkpoints.whenIdle();
  expect(log.pendingPages).toBe(0);
  expect(log.bytes).toBeGreaterThan(0);
});

test('it is cut when it is very long, or in quiet', () => {
  const log = new Log();
  log.write(50);
  log.checkpoints.whenIdle();
  expect(log.bytes).toBeGreaterThan(50 * PAGE_BYTES);
  log.checkpoints.whenQuiet();
  expect(log.bytes).toBe(0);
  log.write(120);
  log.checkpoints.whenIdle();
  expect(log.bytes).toBe(0);
});

test('a reader that stays holds it up, and no try is wasted on what it holds; then all is made good', () => {
  const log = new Log();
  const leave = log.read();
  log.write(150);
  log.checkpoints.afterCommit();
  const held = log.pendingPages;
  expect(held).toBeGreaterThan(150);
  log.write(1);
  log.checkpoints.whenIdle();
  leave();
  // Too little is new since the last try.
  log.checkpoints.whenIdle();
  expect(log.pendingPages).toBeGreaterThan(held);
  log.write(10);
  log.checkpoints.whenIdle();
  expect(log.pendingPages).toBe(0);
  log.checkpoints.whenQuiet();
  expect(log.bytes).toBe(0);
});

test('the log of a store that is written without a pause stays bounded, and is gone at the close', async () => {
  const file = temporaryFile();
  const store = await openEventStoreInWorker(openOptions(file));
  onTestFinished(() => store.close(null));
  let longestBytes = 0;
  const watched: EventStore = {
    ...store,
    async commit(unit) {
      const result = await store.commit(unit);
      longestBytes = Math.max(longestBytes, statSync(`${file}-wal`).size);
      return result;
    },
  };
  const stallMs = await leastStallMs(STALL_MS_MAX, () => stallsDuringCheckpoints(watched));
  expect(longestBytes).toBeGreaterThan(10_000_000);
  expect(longestBytes).toBeLessThan(25_000_000);
  expect(stallMs).toBeLessThan(STALL_MS_MAX);
  await store.close({ atMs: 1 });
  expect(existsSync(`${file}-wal`)).toBe(false);
});
