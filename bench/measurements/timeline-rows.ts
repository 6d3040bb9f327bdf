/** Timeline rows a second through the store, and through a bare loop of better-sqlite3 over the same table.
 */

import Database from 'better-sqlite3';
import type { TimelineRow } from '../../src/index.ts';
import { writeBatch } from '../../src/domain/timeline.ts';
import { openEventStore } from '../../storage/open-event-store.ts';
import { openWritable } from '../../storage/file/writable-database.ts';
import { heapBytes } from './heap.ts';
import { scratchFolder } from './scratch.ts';

const ROWS = 100_000;
const TRANSACTION_ROWS = 1_000;
const START_MS = Date.UTC(2026, 0, 1);

export interface RowRates {
  readonly store: number[];
  readonly bare: number[];
}

/** Measures both in turn, `runs` times, each into a new file. */
export async function measureTimelineRows(runs: number): Promise<RowRates> {
  using scratch = scratchFolder();
  const rows = Array.from({ length: ROWS }, (_, index) => timelineRow(index + 1));
  const rates: RowRates = { store: [], bare: [] };
  await storeRate(scratch.nextFile(), rows);
  bareRate(scratch.nextFile(), rows);
  for (let run = 0; run < runs; run++) {
    rates.store.push(await storeRate(scratch.nextFile(), rows));
    rates.bare.push(bareRate(scratch.nextFile(), rows));
  }
  return rates;
}

async function storeRate(path: string, rows: readonly TimelineRow[]): Promise<number> {
  const store = await openEventStore({
    path,
    nowMs: START_MS,
    version: 'bench',
    uuid: () => '00000000-0000-4000-8000-000000000000',
    configDigest: '',
  });
  heapBytes();
  const beganMs = performance.now();
  for (let next = 0; next < rows.length; next += TRANSACTION_ROWS) {
    const timeline = rows.slice(next, next + TRANSACTION_ROWS);
    await store.commit(writeBatch({ timeline }));
  }
  const ms = performance.now() - beganMs;
  await store.close(null);
  checkCount(path, rows.length);
  return (rows.length / ms) * 1_000;
}

/** One row a statement, the values ready to be bound. The file is opened as the store opens its own: the same
 *  table, indexes and pragmas. */
function bareRate(path: string, rows: readonly TimelineRow[]): number {
  const values = rows.map(valuesOf);
  const db = openWritable(path);
  const insert = db.prepare(
    `INSERT INTO timeline (seq, run, at_ms, mono_ms, tenant, actor, incarnation, kind, event, from_state, to_state,
       cause, data) VALUES (${Array.from({ length: 13 }, () => '?').join(', ')})`,
  );
  const write = db.transaction((first: number) => {
    const end = Math.min(first + TRANSACTION_ROWS, values.length);
    for (let next = first; next < end; next++) insert.run(values[next]);
  });
  heapBytes();
  const beganMs = performance.now();
  for (let next = 0; next < values.length; next += TRANSACTION_ROWS) write.immediate(next);
  const ms = performance.now() - beganMs;
  db.close();
  checkCount(path, rows.length);
  return (rows.length / ms) * 1_000;
}

function checkCount(path: string, wanted: number): void {
  const db = new Database(path, { readonly: true });
  const found = db.prepare('SELECT count(*) FROM timeline').pluck().get();
  db.close();
  if (found !== wanted) throw new Error(`${String(found)} of ${wanted} rows were stored`);
}

function valuesOf(row: TimelineRow): unknown[] {
  return [
    ...[row.seq, row.run, row.atMs, row.monoMs, row.tenant, row.actor, row.incarnation],
    ...[row.kind, row.event, row.fromState, row.toState, row.cause],
    row.data === null ? null : JSON.stringify(row.data),
  ];
}

/** What a link that comes and goes leaves in the timeline, of a thousand sources in turn. */
const STEPS = [
  { kind: 'command', event: 'source.resume', fromState: 'paused', toState: 'paused', data: null },
  { kind: 'transition', event: 'source.resume', fromState: 'paused', toState: 'connecting', data: null },
  { kind: 'transition', event: 'link.opened', fromState: 'connecting', toState: 'streaming', data: null },
  {
    kind: 'transition',
    event: 'link.failed',
    fromState: 'streaming',
    toState: 'backingOff',
    data: { error: { code: 'HG_LINK_LOST', message: 'the link was lost' }, remedy: 'retry', waitMs: 100 },
  },
  { kind: 'transition', event: 'wait.over', fromState: 'backingOff', toState: 'connecting', data: null },
] as const;

function timelineRow(seq: number): TimelineRow {
  const step = STEPS[seq % STEPS.length] as (typeof STEPS)[number];
  const source = (Math.floor(seq / STEPS.length) % 1_000) + 1;
  return {
    seq,
    run: 1,
    atMs: START_MS + seq,
    monoMs: seq,
    tenant: 'default',
    actor: `sensor-${source}`,
    incarnation: source,
    cause: seq === 1 ? null : seq - 1,
    ...step,
  };
}
