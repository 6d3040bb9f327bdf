/** How long a record takes from its arrival to the commit that holds it, over a minute at a steady pace, one
 *  record a push, and whether every one is stored. */

import Database from 'better-sqlite3';
import { setTimeout as wait } from 'node:timers/promises';
import { createEngine, pushSource } from '../../src/index.ts';
import { readingAt, type SensorReading } from './readings.ts';
import { scratchFolder } from './scratch.ts';

export interface SteadyOptions {
  readonly recordsPerSecond: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

export interface SteadyFigures {
  readonly pushed: number;
  /** Pushed, and not in the file afterwards. */
  readonly lost: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

interface PacedReading extends SensorReading {
  readonly pushedMs: number;
  /** It does not warm up. */
  readonly counts: boolean;
}

const TICK_MS = 1;

export async function measureSteady(options: SteadyOptions): Promise<SteadyFigures> {
  using scratch = scratchFolder();
  const path = scratch.nextFile();
  const engine = createEngine({ timeline: { path } });
  // The pace is kept whatever the engine does: what it does not take at once waits, and its wait counts.
  const source = pushSource({ id: 'paced', pendingMax: 1_000_000 });
  // Room for all: an array that grows would be what is measured.
  const waitsMs = new Float64Array(options.recordsPerSecond * options.seconds * 2);
  let stored = 0;
  engine.batches$.subscribe((batch) => {
    const nowMs = performance.now();
    for (const { data } of batch) {
      const { pushedMs, counts } = data as PacedReading;
      if (counts) waitsMs[stored++] = nowMs - pushedMs;
    }
  });
  await engine.start();
  await engine.register(source);
  const { recordsPerSecond, warmUpSeconds, seconds } = options;
  const push = (counts: boolean) => (index: number) =>
    source.push({ ...readingAt(index), counts, pushedMs: performance.now() } satisfies PacedReading);
  const warmUp = await pace(recordsPerSecond, warmUpSeconds, push(false));
  const pushed = await pace(recordsPerSecond, seconds, push(true));
  await engine.stop();
  const sorted = waitsMs.subarray(0, stored).sort();
  const at = (part: number) => sorted[Math.min(stored - 1, Math.floor(stored * part))] ?? Number.NaN;
  return {
    ...{ pushed, lost: warmUp + pushed - countRecords(path) },
    ...{ p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) },
  };
}

/** Calls `push` so often a second, one call a record. Resolves with the number of calls, when all have come
 *  to their end. */
async function pace(
  recordsPerSecond: number,
  seconds: number,
  push: (index: number) => Promise<unknown>,
): Promise<number> {
  let pushed = 0;
  let underWay = 0;
  const failures: Error[] = [];
  const count = (promise: Promise<unknown>) => {
    underWay++;
    promise.then(
      () => underWay--,
      (error: Error) => {
        underWay--;
        failures.push(error);
      },
    );
  };
  const beganMs = performance.now();
  for (let elapsedMs = 0; elapsedMs < seconds * 1_000; elapsedMs = performance.now() - beganMs) {
    const due = Math.floor((elapsedMs / 1_000) * recordsPerSecond);
    while (pushed < due) count(push(pushed++));
    await wait(TICK_MS);
  }
  while (underWay > 0) await wait(TICK_MS);
  if (failures[0] !== undefined) throw failures[0];
  return pushed;
}

function countRecords(path: string): number {
  const db = new Database(path, { readonly: true });
  try {
    return db.prepare('SELECT count(*) FROM records').pluck().get() as number;
  } finally {
    db.close();
  }
}
