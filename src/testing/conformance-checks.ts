/** What cases of the conformance suite demand of the records that came out, and of what a stopped source
 *  leaves behind. */

import { existsSync, readdirSync } from 'node:fs';
import { DEFAULT_TENANT } from '../domain/address.ts';
import { demand, demandSame, SUBJECT, type ConformanceHarness } from './conformance-harness.ts';

/** Every fed value came out once, in order. */
export function demandAllFed(bench: ConformanceHarness): void {
  demandSame(bench.values, bench.fed, 'every value comes out once, in the order it was fed in');
  demandIdentities(bench);
}

/** No value came out twice, none before an earlier one. */
export function demandAscending(bench: ConformanceHarness): void {
  const values = bench.values as number[];
  const wrong = values.findIndex((value, index) => index > 0 && value <= (values[index - 1] as number));
  demand(
    wrong < 0,
    `no value comes twice or out of order: ${values[wrong - 1]} was followed by ${values[wrong]}`,
  );
}

/** The last `count` fed values came out, at the end and in order. */
export function demandLastFed(bench: ConformanceHarness, count: number): void {
  demandSame(bench.values.slice(-count), bench.fed.slice(-count), `the last ${count} fed values come out`);
}

/** Records bear the names of their source, and their seq rises by one within an incarnation. */
export function demandIdentities({ records }: ConformanceHarness): void {
  let incarnation = 0;
  let seq = 0;
  for (const record of records) {
    if (record.incarnation !== incarnation) {
      demand(record.incarnation > incarnation, 'incarnations rise');
      incarnation = record.incarnation;
      seq = 0;
    }
    seq++;
    demand(record.seq === seq, `seq rises by one from 1: found ${record.seq} in the place of ${seq}`);
    demandSame(
      [record.tenant, record.sourceId],
      [DEFAULT_TENANT, SUBJECT],
      'records bear their source’s names',
    );
    demand(Number.isFinite(record.atMs), 'records bear a time');
  }
}

/** What was produced came out or was counted as dropped. */
export function demandNothingUncounted(bench: ConformanceHarness): void {
  const { recordsProduced, droppedCount } = bench.health;
  demandSame(
    bench.records.length + droppedCount,
    recordsProduced,
    'what came out and what was dropped make up what was produced',
  );
}

/** The source ended of itself: its run settled before the deadline. */
export async function demandEndedInOrder(bench: ConformanceHarness): Promise<void> {
  demand(!(await wasForced(bench)), 'the source ends by itself; it had to be forced');
}

/** What the timeline says of the source's end. */
export async function wasForced(bench: ConformanceHarness): Promise<boolean> {
  const rows = () => bench.rows.filter(({ actor, event }) => actor === SUBJECT && event === 'drain.finished');
  await bench.until('the end of the source is told', () => rows().length > 0);
  return rows().some(({ data }) => data?.['forced'] !== false);
}

/** What keeps the process alive, by kind, and the timers of a virtual clock. */
export function openHandles(bench: ConformanceHarness): Map<string, number> {
  const counts = new Map<string, number>([['virtual timers', bench.pendingTimers]]);
  for (const kind of process.getActiveResourcesInfo()) {
    // An immediate is on its way out.
    if (kind !== 'Immediate') counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return counts;
}

/** Waits until nothing is open that was not open when `before` was taken. */
export async function untilHandlesAreBack(
  bench: ConformanceHarness,
  before: ReadonlyMap<string, number>,
): Promise<void> {
  const left = () =>
    [...openHandles(bench)].filter(([kind, count]) => count > (before.get(kind) ?? 0)).map(([kind]) => kind);
  try {
    await bench.until('nothing of the source is left open', () => left().length === 0);
  } catch {
    demand(false, `a stopped source leaves nothing open; it left ${left().join(', ')}`);
  }
}

const DESCRIPTORS = '/proc/self/fd';

/** Files and sockets the process has open; null where the system does not tell. Unlike {@link openHandles} it
 *  counts those that would let the process end. */
export function openDescriptors(): number | null {
  return existsSync(DESCRIPTORS) ? readdirSync(DESCRIPTORS).length : null;
}
