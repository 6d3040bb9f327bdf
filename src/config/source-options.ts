/** Options every source has, whatever its kind. A kind extends them with its own ({@link sourceSchema}). */

import { z } from 'zod';
import { DEFAULT_TENANT, isNameSegment, isSinkName, RESERVED_NAMES } from '../domain/address.ts';
import { DEFAULT_BACKOFF } from '../domain/backoff.ts';
import { LIMITS } from '../domain/limits.ts';
import type { DecodeFunction, SourceSpec } from '../domain/source.ts';
import type { RecordMeta } from '../domain/record.ts';
import { freezeMade, resolveOptions } from './resolve-options.ts';

/** The id of a source or sink, or a tenant. */
export const nameSchema = z
  .string()
  .refine(
    isNameSegment,
    'must be 1 to 128 letters, digits, ".", "_", ":" or "-", beginning with a letter or digit',
  );

export const sourceIdSchema = nameSchema
  .refine(
    (id) => !RESERVED_NAMES.includes(id),
    `is the name of an actor of the engine (${RESERVED_NAMES.join(', ')}); choose another`,
  )
  .refine((id) => !isSinkName(id), 'must not begin with "sink:"; the timeline calls sinks so');

/** A whole number of milliseconds, at least `min`. */
export const milliseconds = (min = 0) => z.number().int().min(min);

export const backoffSchema = z.strictObject({
  kind: z.enum(['constant', 'linear', 'exponential']).default(DEFAULT_BACKOFF.kind),
  initialMs: milliseconds(1).default(DEFAULT_BACKOFF.initialMs),
  maxMs: milliseconds(1).default(DEFAULT_BACKOFF.maxMs),
  factor: z.number().min(1).default(DEFAULT_BACKOFF.factor),
  jitter: z.enum(['none', 'tenth', 'full']).default(DEFAULT_BACKOFF.jitter),
});

const outlet = z.strictObject({
  capacityRecords: z
    .number()
    .int()
    .min(1)
    .max(LIMITS.outletCapacityRecordsMax)
    .default(LIMITS.outletCapacityRecords),
  overflow: z.enum(['block', 'drop-newest', 'drop-oldest', 'spill']).default('block'),
  waitMsMax: milliseconds().nullable().default(null),
  spillRecordsMax: z.number().int().min(1).default(LIMITS.spillRecordsMax),
});

const restart = z.strictObject({
  policy: z.enum(['permanent', 'transient', 'temporary']).default('transient'),
  restartsMax: z.number().int().min(0).default(5),
  windowMs: milliseconds(1).default(30_000),
  backoff: backoffSchema.prefault({}),
  exhausted: z.enum(['quarantine', 'escalate']).default('quarantine'),
});

export const breakerSchema = z.strictObject({
  failures: z.number().int().min(1).default(10),
  coolDownMs: milliseconds(1).default(30_000),
});

export const rateLimitSchema = z.strictObject({
  recordsPerSecondMax: z.number().int().min(1),
  policy: z.enum(['drop', 'delay']).default('drop'),
  scope: z.enum(['global', 'source']).default('global'),
  algorithm: z.enum(['sliding-window', 'token-bucket']).default('sliding-window'),
  refusalPauseMs: milliseconds().default(10),
});

export const decodeSchema = z.union([
  z.enum(['json', 'ndjson', 'csv', 'text', 'bytes']),
  z.custom<DecodeFunction>(
    (value) => typeof value === 'function',
    'must be "json", "ndjson", "csv", "text", "bytes" or a function',
  ),
]);
export type DecodeOption = z.output<typeof decodeSchema>;

/** An object of options that may be left out. Most sources leave it out, and all of those share one: ten
 *  thousand of them need no copies of their own. */
export function withSharedDefault<Schema extends z.ZodObject>(schema: Schema) {
  const shared = freezeMade(schema.parse({}), undefined);
  return schema.optional().transform((given) => given ?? shared);
}

const commonShape = {
  id: sourceIdSchema,
  tenant: nameSchema.default(DEFAULT_TENANT),
  outlet: withSharedDefault(outlet),
  restart: withSharedDefault(restart),
  breaker: withSharedDefault(breakerSchema),
  rateLimit: rateLimitSchema.nullable().default(null),
  dedupKey: z
    .custom<(data: unknown, meta: RecordMeta) => string | undefined>(
      (value) => typeof value === 'function',
      'must be a function of a record’s data',
    )
    .nullable()
    .default(null),
  connectTimeoutMs: milliseconds(1).default(10_000),
  degradedAfterErrors: z.number().int().min(1).default(3),
  drainDeadlineMs: milliseconds().default(5_000),
};

/** The schema of a kind of source: the common options and the kind's `shape`. */
export function sourceSchema<Shape extends z.ZodRawShape>(shape: Shape) {
  return z.strictObject({ ...commonShape, ...shape });
}

const commonSchema = z.object(commonShape);
type CommonOptions = z.output<typeof commonSchema>;

/** What a user may write for the common options. */
export type SourceOptionsInput = z.input<typeof commonSchema>;

/** Checks the common part of a spec that no factory vouches for.
 *  @throws HeadgateError HG_OPTION_INVALID, HG_OPTION_UNKNOWN */
export function requireCommonSpec(spec: unknown): void {
  resolveOptions(commonSchema, spec, 'register');
}

/** The part of a {@link SourceSpec} that every kind takes from its resolved options as it is. */
export function commonSpec(options: CommonOptions): Omit<SourceSpec, 'type' | 'logic' | 'decode'> {
  const { id, tenant, outlet, restart, breaker, rateLimit, dedupKey } = options;
  const { connectTimeoutMs, degradedAfterErrors, drainDeadlineMs } = options;
  return {
    ...{ id, tenant, outlet, restart, breaker, rateLimit, dedupKey },
    ...{ connectTimeoutMs, degradedAfterErrors, drainDeadlineMs },
  };
}
