/** Records out of the values that a source hands in: numbered, timed, with their keys and their receipt. */

import { HeadgateError } from '../../../src/domain/errors.ts';
import type { Receipt } from '../../../src/domain/receipt.ts';
import {
  ArrivedRecord,
  withReceipt,
  type IngestRecord,
  type RecordMeta,
} from '../../../src/domain/record.ts';
import type { SourceRuntime } from './source-runtime.ts';

export interface ArrivalFacts {
  readonly meta: RecordMeta | undefined;
  /** Wall time and monotonic time of the arrival. */
  readonly nowMs: number;
  readonly monoMs: number;
}

/** Keeps what a source could not make a record of, and settles its receipt when it is stored. */
export type WriteDeadLetter = (
  runtime: SourceRuntime,
  letter: { readonly stage: string; readonly payload: unknown; readonly error: unknown },
  receipt: Receipt | undefined,
) => void;

/** Values for which the source's `dedupKey` throws, or that have what is no key, are left out, and are dead
 *  letters. */
export function buildRecords(
  runtime: SourceRuntime,
  data: readonly unknown[],
  { meta, nowMs, monoMs }: ArrivalFacts,
  bury: WriteDeadLetter,
): IngestRecord[] {
  const { id, tenant, dedupKey } = runtime.spec;
  const records: IngestRecord[] = [];
  const atMs = isTime(meta?.atMs) ? meta.atMs : nowMs;
  const contentType = textOf(meta?.contentType);
  const cursor = textOf(meta?.cursor);
  const receipt = meta?.receipt;
  const shared = {
    ...{ sourceId: id, tenant, incarnation: runtime.incarnation, atMs, receivedMonoMs: monoMs },
    ...{ contentType, key: undefined, cursor },
  };
  let seq = runtime.recordsProduced;
  const keys = meta?.keys;
  for (let index = 0; index < data.length; index++) {
    const value = data[index];
    let key = meta?.key;
    try {
      if (dedupKey !== null) key = dedupKey(value, meta ?? NO_META);
      if (keys !== undefined) key ??= keys[index];
      if (key !== undefined && typeof key !== 'string') key = keyOf(key);
    } catch (error) {
      bury(runtime, { stage: 'dedupKey', payload: value, error }, receipt);
      continue;
    }
    const record = new ArrivedRecord(shared, ++seq, value, key);
    records.push(receipt === undefined ? record : withReceipt(record, receipt));
  }
  return records;
}

const NO_META: RecordMeta = {};

/** A time a source made up of nothing is none; the record then bears that of its arrival. */
function isTime(atMs: number | undefined): atMs is number {
  return Number.isFinite(atMs);
}

/** What stands beside the data goes into the database with that of others, which refuses them all for one
 *  that it cannot take. Code without types may say anything; what is no text is none. */
function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return typeof value === 'number' ? String(value) : undefined;
}

/** To take what is no key for none could store a record twice.
 *  @throws HeadgateError HG_RECORD_UNSTORABLE */
function keyOf(key: unknown): string | undefined {
  if (key === null) return undefined;
  const text = textOf(key);
  if (text !== undefined) return text;
  throw new HeadgateError('HG_RECORD_UNSTORABLE', `a dedup key must be text, not of type ${typeof key}`);
}
