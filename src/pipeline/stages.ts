/** The stages a user lists in `createEngine({ stages: [...] })`. */

import { z } from 'zod';
import { resolveOptions } from '../config/resolve-options.ts';
import { milliseconds } from '../config/source-options.ts';
import { HeadgateError } from '../domain/errors.ts';
import { dataOf, withData, type IngestRecord } from '../domain/record.ts';
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

/** Keeps the records for which `predicate` is true. A throw makes the record a poison record, and so does a
 *  promise. Throws HG_OPTION_INVALID for an async function. */
export function filter(predicate: (record: IngestRecord) => boolean, stageName?: string): OperatorStage {
  requireSyncFunction('filter', predicate);
  return {
    kind: 'operator',
    stageName: stageName ?? 'filter',
    operator: recordOperator((record) => {
      const passes: unknown = predicate(record);
      if (isThenable(passes)) throw new HeadgateError('HG_STAGE_THREW', `the filter ${RETURNED_A_PROMISE}`);
      return passes ? record : undefined;
    }),
  };
}

/** Replaces each record's data by what `change` returns; of a record that it returns, the data is taken.
 *  A throw makes the record a poison record `{ error, originalRecord }`, which keeps its place in the
 *  stream and is copied to the dead letters; so does a promise, and a change of the record itself. Throws
 *  HG_OPTION_INVALID for an async function: that is what {@link transformAsync} takes. */
export function transform(change: (record: IngestRecord) => unknown, stageName?: string): OperatorStage {
  requireSyncFunction('transform', change);
  return {
    kind: 'operator',
    stageName: stageName ?? 'transform',
    operator: recordOperator((record) => {
      const data = dataOf(change(record));
      if (isThenable(data)) {
        throw new HeadgateError('HG_RECORD_UNSTORABLE', `the transform ${RETURNED_A_PROMISE}`);
      }
      return withData(record, data);
    }),
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

const RETURNED_A_PROMISE = 'returned a promise, which nothing waits for; use transformAsync';

function isThenable(value: unknown): boolean {
  return (
    value instanceof Promise || (typeof value === 'object' && value !== null && isFunctionAt(value, 'then'))
  );
}

function isFunctionAt(value: object, name: string): boolean {
  return typeof (value as Record<string, unknown>)[name] === 'function';
}

/** Functions that return a promise or a generator, whatever they do. */
const NOT_SYNC = /^\[object (?:Async|Generator|AsyncGenerator)Function\]$/;

function requireSyncFunction(subject: string, value: unknown): void {
  requireFunction(subject, value);
  if (!NOT_SYNC.test(Object.prototype.toString.call(value))) return;
  const message = `${subject}: its function must not be async or a generator; use transformAsync`;
  throw new HeadgateError('HG_OPTION_INVALID', message, { details: { subject, field: '0' } });
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
