/** How long a record takes from its arrival to the commit that holds it, at a steady pace; and how long a
 *  bare commit of one row takes on the same disk. */

import { setTimeout as wait } from 'node:timers/promises';
import { createEngine, pushSource } from '../../src/index.ts';
import { openWritable } from '../../storage/file/writable-database.ts';
import { readingAt, type SensorReading } from './readings.ts';
import { scratchFolder } from './scratch.ts';
import { checkStored } from './stored-records.ts';

export interface LatencyOptions {
  readonly recordsPerSecond: number;
  readonly warmUpMs: number;
  readonly windowMs: number;
}

export interface Percentiles {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface LatencyFigures {
  readonly engine: Percentiles;
  readonly bare: Percentiles;
}

interface PacedReading extends SensorReading {
  readonly pushedMs: number;
  /** It does not warm up. */
  readonly counts: boolean;
}

const BARE_COMMITS = 300;
const TICK_MS = 1;

export async function measureLatency(options: LatencyOptions): Promise<LatencyFigures> {
  using scratch = scratchFolder();
  const bare = percentiles(bareCommitsMs(scratch.nextFile()));
  const path = scratch.nextFile();
  const engine = createEngine({ timeline: { path } });
  // The pace is kept whatever the engine does: what it does not take at once waits, and its wait counts.
  const source = pushSource({ id: 'paced', pendingMax: 1_000_000 });
  const waitsMs: number[] = [];
  engine.batches$.subscribe((batch) => {
    const nowMs = performance.now();
    for (const { data } of batch) {
      const { pushedMs, counts } = data as PacedReading;
      if (counts) waitsMs.push(nowMs - pushedMs);
    }
  });
  await engine.start();
  await engine.register(source);
  const push = (counts: boolean) => (index: number) => {
    const reading: PacedReading = { ...readingAt(index), counts, pushedMs: performance.now() };
    return source.push(reading);
  };
  const warmUp = await pace({ ...options, windowMs: options.warmUpMs }, push(false));
  const pushed = await pace(options, push(true));
  await engine.stop();
  checkStored(path, warmUp + pushed);
  return { engine: percentiles(waitsMs), bare };
}

/** Calls `push` so often a second, one call a record. Resolves with the number of calls, when all have come
 *  to their end. */
export async function pace(
  { recordsPerSecond, windowMs }: Pick<LatencyOptions, 'recordsPerSecond' | 'windowMs'>,
  push: (index: number) => Promise<unknown>,
): Promise<number> {
  const pushes: Promise<unknown>[] = [];
  const beganMs = performance.now();
  for (let elapsedMs = 0; elapsedMs < windowMs; elapsedMs = performance.now() - beganMs) {
    const due = Math.floor((elapsedMs / 1_000) * recordsPerSecond);
    while (pushes.length < due) pushes.push(push(pushes.length));
    await wait(TICK_MS);
  }
  await Promise.all(pushes);
  return pushes.length;
}

function bareCommitsMs(path: string): number[] {
  const db = openWritable(path);
  const insert = db.prepare(
    `INSERT INTO records (tenant, source_id, incarnation, source_seq, at_ms, data) VALUES (?, ?, ?, ?, ?, ?)`,
  );
  const timesMs: number[] = [];
  for (let seq = 1; seq <= BARE_COMMITS; seq++) {
    const data = JSON.stringify(readingAt(seq));
    const beganMs = performance.now();
    insert.run('default', 'paced', 1, seq, Date.now(), data);
    timesMs.push(performance.now() - beganMs);
  }
  db.close();
  return timesMs;
}

export function percentiles(times: readonly number[]): Percentiles {
  const sorted = Float64Array.from(times).sort();
  const at = (part: number) => {
    const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
    if (value === undefined) throw new Error('the percentiles of no times');
    return value;
  };
  return { p50Ms: at(0.5), p99Ms: at(0.99) };
}
