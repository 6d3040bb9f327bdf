/** Records a second of NDJSON that is pushed and stored; and through a bare loop that parses the same lines
 *  and inserts the same rows. */

import type Database from 'better-sqlite3';
import { createEngine, pushSource } from '../../src/index.ts';
import { openWritable } from '../../storage/file/writable-database.ts';
import { heapBytes } from './heap.ts';
import { readingAt, type SensorReading } from './readings.ts';
import { scratchFolder } from './scratch.ts';
import { checkStored } from './stored-records.ts';

export interface PushOptions {
  readonly runs: number;
  readonly batches: number;
  readonly batchRecords: number;
}

export interface PushRates {
  readonly engine: number[];
  readonly bare: number[];
}

/** Pushes that are under way at a time: what a few devices that upload together come to. */
const PUSHES_IN_FLIGHT = 4;

/** Measures both in turn, each into a new file, after one run of each that warms up. */
export async function measurePush(options: PushOptions): Promise<PushRates> {
  const { runs, batches, batchRecords } = options;
  using scratch = scratchFolder();
  const lines = Array.from({ length: batchRecords }, (_, index) => `${JSON.stringify(readingAt(index))}\n`);
  const payload = Buffer.from(lines.join(''));
  const rates: PushRates = { engine: [], bare: [] };
  for (let run = -1; run < runs; run++) {
    const engine = await engineRate(scratch.nextFile(), payload, options);
    const bare = bareRate(scratch.nextFile(), payload, options);
    if (run < 0) continue;
    rates.engine.push((batches * batchRecords) / engine);
    rates.bare.push((batches * batchRecords) / bare);
  }
  return rates;
}

/** Seconds until all is stored. */
async function engineRate(
  path: string,
  payload: Uint8Array,
  { batches, batchRecords }: PushOptions,
): Promise<number> {
  const wanted = batches * batchRecords;
  const source = pushSource({ id: 'uploads', decode: 'ndjson' });
  const engine = createEngine({ timeline: { path } });
  let stored = 0;
  const all = Promise.withResolvers<number>();
  engine.batches$.subscribe((batch) => {
    stored += batch.length;
    if (stored >= wanted) all.resolve(performance.now());
  });
  await engine.start();
  await engine.register(source);
  heapBytes();
  const beganMs = performance.now();
  let left = batches;
  await Promise.all(
    Array.from({ length: PUSHES_IN_FLIGHT }, async () => {
      while (left-- > 0) await source.pushPayload(payload);
    }),
  );
  const endedMs = await all.promise;
  await engine.stop();
  checkStored(path, wanted);
  return (endedMs - beganMs) / 1_000;
}

/** The same table, indexes and pragmas; a transaction a batch, a row a statement, and what is not of the line
 *  is at hand. */
function bareRate(path: string, payload: Buffer, { batches, batchRecords }: PushOptions): number {
  const db = openWritable(path);
  const insert = db.prepare(
    `INSERT INTO records (tenant, source_id, incarnation, source_seq, dedup_key, at_ms, data, content_type, crc)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const write = db.transaction((lines: readonly string[], atMs: number, firstSeq: number) => {
    for (const [index, line] of lines.entries()) {
      insert.run('default', 'uploads', 1, firstSeq + index, null, atMs, line, null, null);
    }
  });
  heapBytes();
  let sum = 0;
  const beganMs = performance.now();
  for (let batch = 0; batch < batches; batch++) {
    const lines = payload.toString().trimEnd().split('\n');
    for (const line of lines) sum += (JSON.parse(line) as SensorReading).value;
    write.immediate(lines, Date.now(), batch * batchRecords + 1);
  }
  const seconds = (performance.now() - beganMs) / 1_000;
  checkFull(db);
  db.close();
  checkStored(path, batches * batchRecords);
  if (!(sum > 0)) throw new Error('the loop did nothing');
  return seconds;
}

/** Both wait for the disk at every commit. */
function checkFull(db: Database.Database): void {
  const FULL = 2;
  if (db.pragma('synchronous', { simple: true }) !== FULL) throw new Error('synchronous is not FULL');
}
