/** What stands between the limiter and the record log: stages, as the user lists them. A stage is a
 *  description; the engine makes a fresh running one of it, so that one list can serve several engines. */

import { map, type OperatorFunction } from 'rxjs';
import { errorFacts, type ErrorFacts } from '../domain/errors.ts';
import type { Receipt } from '../domain/receipt.ts';
import {
  ArrivedRecord,
  isPoison,
  poison,
  RECEIPT,
  withReceipt,
  type Batch,
  type FlowItem,
  type IngestRecord,
} from '../domain/record.ts';
import type { OverflowPolicy } from '../domain/source.ts';

/** What went through a stage. in = out + filtered, poison included on both sides. */
export interface StageCounts {
  in: number;
  out: number;
  filtered: number;
  /** Records whose turn in this stage threw. */
  failed: number;
}

/** What a running stage is given. */
export interface StagePorts {
  readonly stageName: string;
  readonly counts: StageCounts;
  /** Told of every record that the stage's function threw for. */
  readonly onPoison: (item: ReturnType<typeof poison>, stageName: string) => void;
}

export interface OperatorStage {
  readonly kind: 'operator';
  readonly stageName: string;
  readonly operator: (ports: StagePorts) => OperatorFunction<Batch, Batch>;
}

export interface AsyncStage {
  readonly kind: 'async';
  readonly stageName: string;
  readonly concurrency: number;
  readonly run: (record: IngestRecord) => Promise<unknown>;
}

export interface QueueStage {
  readonly kind: 'queue';
  readonly stageName: string;
  readonly capacityRecords: number;
  readonly overflow: OverflowPolicy;
  readonly waitMsMax: number | null;
}

export type Stage = OperatorStage | AsyncStage | QueueStage;

export function emptyCounts(): StageCounts {
  return { in: 0, out: 0, filtered: 0, failed: 0 };
}

const NOTHING_THROWN = Symbol('nothing thrown');

/** The record as it was before a stage changed it. */
function restored(fields: IngestRecord, receipt: Receipt | undefined): IngestRecord {
  const record = new ArrivedRecord(fields, fields.seq, fields.data, fields.key);
  return receipt === undefined ? record : withReceipt(record, receipt);
}

/** Names what a stage changed. `now`: the record as the stage left it. */
export function recordChanged(now: IngestRecord, before: IngestRecord): ErrorFacts {
  const changed = IDENTITY.filter((field) => now[field] !== before[field]);
  const what = changed.length === 0 ? 'its receipt' : changed.join(', ');
  return {
    code: 'HG_RECORD_CHANGED',
    message: `the stage changed ${what} of the record; a stage may change data only`,
  };
}

/** Whether nothing but the data differs. */
export function isSameRecord(now: IngestRecord, before: IngestRecord): boolean {
  return IDENTITY.every((field) => now[field] === before[field]) && now[RECEIPT] === before[RECEIPT];
}

const IDENTITY = [
  ...(['sourceId', 'tenant', 'incarnation', 'seq', 'atMs'] as const),
  ...(['receivedMonoMs', 'contentType', 'key', 'cursor'] as const),
];

/** Applies `step` to every record of every batch. Poison passes by untouched, in its place; a throw makes
 *  poison, and so does a change of anything but the record's data: who a record is and when it came is the
 *  source's to say. `step` returns the record to go on, or undefined to leave it out. Batches that end up
 *  empty go on as empty ones. */
export function recordOperator(
  step: (record: IngestRecord) => IngestRecord | undefined,
): OperatorStage['operator'] {
  return ({ stageName, counts, onPoison }) => {
    const turn = (item: FlowItem): FlowItem | undefined => {
      if (isPoison(item)) return item;
      // Compared field by field: a copy of each record, or a frozen one, would cost more than most stages do.
      const { sourceId, tenant, incarnation, seq, atMs, receivedMonoMs, contentType, key, cursor } = item;
      const receipt = item[RECEIPT];
      let next: IngestRecord | undefined;
      let thrown: unknown = NOTHING_THROWN;
      try {
        next = step(item);
      } catch (error) {
        thrown = error;
      }
      const isUnchanged =
        item.sourceId === sourceId &&
        item.tenant === tenant &&
        item.incarnation === incarnation &&
        item.seq === seq &&
        item.atMs === atMs &&
        item.receivedMonoMs === receivedMonoMs &&
        item.contentType === contentType &&
        item.key === key &&
        item.cursor === cursor &&
        item[RECEIPT] === receipt;
      if (isUnchanged && thrown === NOTHING_THROWN) return next;
      const { data } = item;
      const original = isUnchanged
        ? item
        : restored(
            { sourceId, tenant, incarnation, seq, atMs, receivedMonoMs, contentType, key, cursor, data },
            receipt,
          );
      const facts = isUnchanged ? errorFacts(thrown, 'HG_STAGE_THREW') : recordChanged(item, original);
      const poisoned = poison(facts, original);
      counts.failed++;
      onPoison(poisoned, stageName);
      return poisoned;
    };
    return map((batch) => {
      const out: FlowItem[] = [];
      for (const item of batch) {
        const next = turn(item);
        if (next !== undefined) out.push(next);
        else item[RECEIPT]?.settle('filtered');
      }
      counts.in += batch.length;
      counts.out += out.length;
      counts.filtered += batch.length - out.length;
      return out;
    });
  };
}
