/** Options every sink has, whatever its kind. A kind extends them with its own ({@link sinkSchema}). */

import { z } from 'zod';
import { DEFAULT_TENANT } from '../domain/address.ts';
import { LIMITS } from '../domain/limits.ts';
import type { OutboundRecord, SinkSpec } from '../domain/sink.ts';
import { resolveOptions } from './resolve-options.ts';
import {
  backoffSchema,
  breakerSchema,
  milliseconds,
  nameSchema,
  withSharedDefault,
} from './source-options.ts';

const batch = z.strictObject({
  rowsMax: z
    .number()
    .int()
    .min(1)
    .max(LIMITS.sinkBatchRowsLimit)
    .default(LIMITS.sinkBatchRowsMax)
    .describe('Records that are delivered together at most.'),
  bytesMax: z
    .number()
    .int()
    .min(1)
    .max(LIMITS.sinkBatchBytesLimit)
    .default(LIMITS.sinkBatchBytesMax)
    .describe('Bytes of them at most, about.'),
  lingerMs: milliseconds()
    .max(60_000)
    .default(0)
    .describe('How long a batch that is not full waits for more.'),
});

const functionOfRecord = <Result>() =>
  z.custom<(record: OutboundRecord) => Result>(
    (value) => typeof value === 'function',
    'must be a function of a record',
  );

const commonShape = {
  id: nameSchema,
  tenant: nameSchema.default(DEFAULT_TENANT).describe('The tenant it belongs to.'),
  reads: z.enum(['records', 'alerts']).default('records').describe('What it delivers.'),
  startAt: z
    .enum(['first', 'next'])
    .default('first')
    .describe('Where it begins when it is new: with the first record that is stored, or the next one.'),
  filter: functionOfRecord<boolean>().nullable().default(null),
  transform: functionOfRecord<unknown>().nullable().default(null),
  batch: withSharedDefault(batch).describe('How records are gathered.'),
  backoff: withSharedDefault(backoffSchema).describe('How long it waits after a failure.'),
  breaker: withSharedDefault(breakerSchema).describe(
    'When a far end that keeps failing is left alone for a while.',
  ),
  connectTimeoutMs: milliseconds(1).default(10_000).describe('How long opening the link may take.'),
  deliverTimeoutMs: milliseconds(1).default(30_000).describe('How long one delivery may take.'),
  drainDeadlineMs: milliseconds()
    .default(5_000)
    .describe('How long it may go on delivering when it is stopped.'),
};

/** The schema of a kind of sink: the common options and the kind's `shape`. */
export function sinkSchema<Shape extends z.ZodRawShape>(shape: Shape) {
  return z.strictObject({ ...commonShape, ...shape });
}

const commonSchema = z.object(commonShape);
export type CommonSinkOptions = z.output<typeof commonSchema>;

/** What a user may write for the common options. */
export type SinkOptionsInput = z.input<typeof commonSchema>;

/** Checks the common part of a spec that no factory vouches for.
 *  @throws HeadgateError HG_OPTION_INVALID, HG_OPTION_UNKNOWN */
export function requireCommonSinkSpec(spec: unknown): void {
  resolveOptions(commonSchema, spec, 'registerSink');
}

/** The part of a {@link SinkSpec} that every kind takes from its resolved options as it is. */
export function commonSinkSpec(options: CommonSinkOptions): Omit<SinkSpec, 'kind' | 'type' | 'logic'> {
  const { id, tenant, reads, startAt, filter, transform, batch: batching, backoff, breaker } = options;
  const { connectTimeoutMs, deliverTimeoutMs, drainDeadlineMs } = options;
  return {
    ...{ id, tenant, reads, startAt, filter, transform, batch: batching, backoff, breaker },
    ...{ connectTimeoutMs, deliverTimeoutMs, drainDeadlineMs },
  };
}
