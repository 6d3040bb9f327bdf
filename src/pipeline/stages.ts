/** The stages a user lists in `createEngine({ stages: [...] })`. */

import { z } from 'zod';
import { resolveOptions } from '../config/resolve-options.ts';
import { milliseconds } from '../config/source-options.ts';
import { HeadgateError } from '../domain/errors.ts';
import { withData, type IngestRecord } from '../domain/record.ts';
import type { OverflowPolicy } from '../domain/source.ts';
import { recordOperator, type AsyncStage, type OperatorStage, type QueueStage } from './stage.ts';

const asyncOptions = z.strictObject({
  concurrency: z.number().int().min(1).default(8),
  stageName: z.string().min(1).default('transform'),
});

const queueOptions = z.strictObject({
  stageName: z.string().min(1),
  capacityRecords: z.number().int().min(1),
  overflow: z.enum(['block', 'drop-newest', 'drop-oldest']).default('block'),
  waitMsMax: milliseconds().nullable().default(null),
});

/** Keeps the records for which `predicate` is true. A throw makes the record a poison record. */
export function filter(predicate: (record: IngestRecord) => boolean, stageName?: string): OperatorStage {
  requireFunction('filter', predicate);
  return {
    kind: 'operator',
    stageName: stageName ?? 'filter',
    operator: recordOperator((record) => (predicate(record) ? record : undefined)),
  };
}

/** Replaces each record's data by what `change` returns. A throw makes the record a poison record
 *  `{ error, originalRecord }`, which keeps its place in the stream and is copied to the dead letters. */
export function transform(change: (record: IngestRecord) => unknown, stageName?: string): OperatorStage {
  requireFunction('transform', change);
  return {
    kind: 'operator',
    stageName: stageName ?? 'transform',
    operator: recordOperator((record) => withData(record, change(record))),
  };
}

export interface AsyncTransformOptions {
  /** Calls in flight at once. */
  readonly concurrency?: number;
  readonly stageName?: string;
}

/** As {@link transform}, with a function that returns a promise. At most `concurrency` (default 8) calls are
 *  in flight; results leave in the order the records came. A rejection makes poison, as a throw does. */
export function transformAsync(
  change: (record: IngestRecord) => Promise<unknown>,
  options: AsyncTransformOptions = {},
): AsyncStage {
  requireFunction('transformAsync', change);
  const { concurrency, stageName } = resolveOptions(asyncOptions, options, 'transformAsync');
  return { kind: 'async', stageName, concurrency, run: change };
}

export interface BoundedQueueStageOptions {
  /** The name under which its waits are reported. */
  readonly stageName: string;
  readonly capacityRecords: number;
  /** Default `block`: a full queue holds the stages before it back, and in the end the sources. */
  readonly overflow?: OverflowPolicy;
  /** With `block`: the longest a record waits for a slot before it is dropped and counted, milliseconds. */
  readonly waitMsMax?: number;
}

/** A queue between two stages. How long records waited for a slot is reported under its name. */
export function boundedQueue(options: BoundedQueueStageOptions): QueueStage {
  return { kind: 'queue', ...resolveOptions(queueOptions, options, 'boundedQueue') };
}

function requireFunction(subject: string, value: unknown): void {
  if (typeof value === 'function') return;
  throw new HeadgateError(
    'HG_OPTION_INVALID',
    `${subject}: its first argument must be a function of a record`,
    {
      details: { subject, field: '0' },
    },
  );
}
