/** What stands between the limiter and the record log: stages, as the user lists them. A stage is a
 *  description; the engine makes a fresh running one of it, so that one list can serve several engines. */

import { map, type OperatorFunction } from 'rxjs';
import { errorFacts } from '../domain/errors.ts';
import { isPoison, poison, RECEIPT, type Batch, type FlowItem, type IngestRecord } from '../domain/record.ts';
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

/** Applies `step` to every record of every batch. Poison passes by untouched, in its place; a throw makes
 *  poison. `step` returns the record to go on, or undefined to leave it out. Batches that end up empty go on
 *  as empty ones. */
export function recordOperator(
  step: (record: IngestRecord) => IngestRecord | undefined,
): OperatorStage['operator'] {
  return ({ stageName, counts, onPoison }) => {
    const turn = (item: FlowItem): FlowItem | undefined => {
      if (isPoison(item)) return item;
      try {
        return step(item);
      } catch (error) {
        const poisoned = poison(errorFacts(error, 'HG_STAGE_THREW'), item);
        counts.failed++;
        onPoison(poisoned, stageName);
        return poisoned;
      }
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
