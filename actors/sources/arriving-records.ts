/** Records out of the values that a source hands in: numbered, timed, with their keys and their receipt. */

import { withReceipt, type IngestRecord, type RecordMeta } from '../../src/domain/record.ts';
import type { IntakePorts } from './intake.ts';
import type { SourceRig } from './source-rig.ts';

export interface ArrivalFacts {
  readonly meta: RecordMeta | undefined;
  /** Wall time and monotonic time of the arrival. */
  readonly nowMs: number;
  readonly monoMs: number;
}

/** Values for which the source's `dedupKey` throws are left out, and are dead letters. */
export function arrivingRecords(
  rig: SourceRig,
  data: readonly unknown[],
  { meta, nowMs, monoMs }: ArrivalFacts,
  deadLetter: IntakePorts['deadLetter'],
): IngestRecord[] {
  const { id, tenant, dedupKey } = rig.spec;
  const records: IngestRecord[] = [];
  const atMs = isTime(meta?.atMs) ? meta.atMs : nowMs;
  const receipt = meta?.receipt;
  let seq = rig.recordsProduced;
  for (const value of data) {
    let key = meta?.key;
    if (dedupKey !== null) {
      try {
        key = dedupKey(value, meta ?? NO_META);
      } catch (error) {
        deadLetter(rig, { stage: 'dedupKey', payload: value, error }, receipt);
        continue;
      }
    }
    const record: IngestRecord = {
      sourceId: id,
      tenant,
      incarnation: rig.incarnation,
      seq: ++seq,
      atMs,
      receivedMonoMs: monoMs,
      data: value,
      contentType: meta?.contentType,
      key,
      cursor: meta?.cursor,
    };
    records.push(receipt === undefined ? record : withReceipt(record, receipt));
  }
  return records;
}

const NO_META: RecordMeta = {};

/** A time a source made up of nothing is none; the record then bears that of its arrival. */
function isTime(atMs: number | undefined): atMs is number {
  return Number.isFinite(atMs);
}
