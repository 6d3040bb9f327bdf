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
  kind: z
    .enum(['constant', 'linear', 'exponential'])
    .default(DEFAULT_BACKOFF.kind)
    .describe('How the waits grow: by nothing, by `initialMs` each time, or by `factor`.'),
  initialMs: milliseconds(1).default(DEFAULT_BACKOFF.initialMs).describe('The first wait.'),
  maxMs: milliseconds(1).default(DEFAULT_BACKOFF.maxMs).describe('The longest wait.'),
  factor: z
    .number()
    .min(1)
    .default(DEFAULT_BACKOFF.factor)
    .describe('With `exponential`: what each wait is multiplied by.'),
  jitter: z
    .enum(['none', 'tenth', 'full'])
    .default(DEFAULT_BACKOFF.jitter)
    .describe('How far chance shortens or lengthens a wait: not at all, by a tenth, or down to nothing.'),
});

const outlet = z.strictObject({
  capacityRecords: z
    .number()
    .int()
    .min(1)
    .max(LIMITS.outletCapacityRecordsMax)
    .default(LIMITS.outletCapacityRecords)
    .describe('Records that wait for the stages at most.'),
  overflow: z
    .enum(['block', 'drop-newest', 'drop-oldest', 'spill'])
    .default('block')
    .describe(
      'What becomes of records that do not fit: `block` holds the source back, the others ' +
        'drop, or put them on disk.',
    ),
  waitMsMax: milliseconds()
    .nullable()
    .default(null)
    .describe('With `block`: the longest a record waits for room before it is dropped; null: for ever.'),
  spillRecordsMax: z
    .number()
    .int()
    .min(1)
    .default(LIMITS.spillRecordsMax)
    .describe('With `spill`: records on disk at most; those beyond are dropped.'),
});

const restart = z.strictObject({
  policy: z
    .enum(['permanent', 'transient', 'temporary'])
    .default('transient')
    .describe('When its code is started again: always, after a failure, or never.'),
  restartsMax: z
    .number()
    .int()
    .min(0)
    .default(5)
    .describe('Restarts after a crash within `windowMs`; one more failure spends the budget.'),
  windowMs: milliseconds(1).default(30_000).describe('The time within which restarts are counted.'),
  backoff: backoffSchema.prefault({}).describe('How long it waits before a restart.'),
  exhausted: z
    .enum(['quarantine', 'escalate'])
    .default('quarantine')
    .describe('What a spent budget means: the source is shut away, or the whole engine stops as failed.'),
});

export const breakerSchema = z.strictObject({
  failures: z.number().int().min(1).default(10).describe('Failures in a row that open the circuit.'),
  coolDownMs: milliseconds(1).default(30_000).describe('How long it stays open before one try.'),
});

export const rateLimitSchema = z.strictObject({
  recordsPerSecondMax: z.number().int().min(1).describe('Records a second that are let in.'),
  policy: z
    .enum(['auto', 'drop', 'delay'])
    .default('auto')
    .describe(
      'What becomes of further ones: `delay` holds them until there is room, `drop` refuses them, `auto` ' +
        'delays sources that can be held back (file, http, push, mqtt with acknowledgements) and drops ' +
        'records of the others.',
    ),
  scope: z
    .enum(['global', 'source'])
    .default('global')
    .describe('One window for all sources together, or one for each.'),
  algorithm: z
    .enum(['sliding-window', 'token-bucket'])
    .default('sliding-window')
    .describe('How they are counted: over the last second, or with a bucket that allows short bursts.'),
  refusalPauseMs: milliseconds().default(10).describe('With `drop`: the pause of a source after a refusal.'),
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
  tenant: nameSchema.default(DEFAULT_TENANT).describe('The tenant whose records they are.'),
  outlet: withSharedDefault(outlet).describe('The queue between the source and the stages.'),
  restart: withSharedDefault(restart).describe('What happens when the code of the source fails.'),
  breaker: withSharedDefault(breakerSchema).describe(
    'When a link that keeps failing is left alone for a while.',
  ),
  rateLimit: rateLimitSchema
    .nullable()
    .default(null)
    .describe('A limit of its own, beside that for all; null: none.'),
  dedupKey: z
    .custom<(data: unknown, meta: RecordMeta) => string | undefined>(
      (value) => typeof value === 'function',
      'must be a function of a record’s data',
    )
    .nullable()
    .default(null),
  connectTimeoutMs: milliseconds(1).default(10_000).describe('How long opening the link may take.'),
  degradedAfterErrors: z
    .number()
    .int()
    .min(1)
    .default(3)
    .describe('Failed reads in a row that make it `degraded`.'),
  drainDeadlineMs: milliseconds()
    .default(5_000)
    .describe('How long it may take to bring what is under way to its end when it is stopped.'),
};

/** The schema of a kind of source: the common options and the kind's `shape`. */
export function sourceSchema<Shape extends z.ZodRawShape>(shape: Shape) {
  return z.strictObject({ ...commonShape, ...shape });
}

const commonSchema = z.object(commonShape);
type CommonOptions = z.output<typeof commonSchema>;

/** What a user may write for the common options. */
export type SourceOptionsInput = z.input<typeof commonSchema>;

/** Borne by specs that a factory made of checked options, and froze. It is not enumerable, so that no copy
 *  that says something else bears it too; a weak set would take 50 bytes more of each source. */
const VOUCHED_FOR = Symbol('vouched for');

/** Says that `spec` need not be checked again: checking is a tenth of what a registration takes. */
export function brandValidated(spec: SourceSpec): SourceSpec {
  return Object.freeze(Object.defineProperty(spec, VOUCHED_FOR, { value: true }));
}

/** Checks the common part of a spec that no factory vouches for.
 *  @throws HeadgateError HG_OPTION_INVALID, HG_OPTION_UNKNOWN */
export function requireCommonSpec(spec: object): void {
  if (!Object.hasOwn(spec, VOUCHED_FOR)) resolveOptions(commonSchema, spec, 'register');
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
