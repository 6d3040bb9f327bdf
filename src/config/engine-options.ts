/** The options of an engine: what `createEngine` takes, with defaults. */

import { z } from 'zod';
import type { BurstAlert } from '../domain/alert.ts';
import type { Clock } from '../domain/clock.ts';
import type { Logger } from '../domain/logger.ts';
import { LIMITS } from '../domain/limits.ts';
import { storageSchema } from './storage-options.ts';
import { milliseconds, rateLimitSchema } from './source-options.ts';

const hasMethods = (value: unknown, names: readonly string[]): boolean =>
  typeof value === 'object' &&
  value !== null &&
  names.every((name) => typeof (value as Record<string, unknown>)[name] === 'function');

const CLOCK_METHODS = ['wallMs', 'monotonicMs', 'setTimeout', 'clearTimeout', 'sleep'];
const LOGGER_METHODS = ['debug', 'info', 'warn', 'error'];

export const burstSchema = z
  .strictObject({
    thresholdRecords: z.number().int().min(1).describe('A window that holds more than this is a burst.'),
    windowMs: milliseconds(1).describe('The length of the window.'),
    clearRecords: z
      .number()
      .int()
      .min(0)
      .optional()
      .describe('The burst is over when the window holds this many or fewer. Default: the threshold.'),
    realertMs: milliseconds(1)
      .nullable()
      .default(null)
      .describe('A burst that goes on is reported again after so long; null: never.'),
    /** Told of every burst's begin and re-alert; may take its time, throw or hang. */
    onBurst: z
      .custom<(alert: BurstAlert & { readonly suppressed: number }) => unknown>(
        (value) => typeof value === 'function',
        'must be a function of an alert',
      )
      .nullable()
      .default(null),
  })
  .refine(({ thresholdRecords, clearRecords }) => (clearRecords ?? 0) <= thresholdRecords, {
    path: ['clearRecords'],
    message: 'must not be above thresholdRecords',
  });

const STAGE_KINDS = ['operator', 'async', 'queue'];

const stages = z.array(
  z.custom<{ readonly kind: string; readonly stageName: string }>(
    (value) => hasKind(value, STAGE_KINDS),
    'must be made by filter(), transform(), transformAsync() or boundedQueue()',
  ),
);

function hasKind(value: unknown, kinds: readonly string[]): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { kind, stageName } = value as { kind?: unknown; stageName?: unknown };
  return typeof stageName === 'string' && kinds.includes(kind as string);
}

const optionsShape = z.strictObject({
  timeline: z
    .union([
      z.literal(false),
      z.strictObject({
        /** The database file, or `:memory:`. */
        path: z.string().min(1),
      }),
    ])
    .default({ path: ':memory:' }),
  records: z
    .strictObject({
      keep: z
        .boolean()
        .default(true)
        .describe(
          'False: nothing is stored; sources are acknowledged when their records have come out ' +
            'of the stages.',
        ),
      bytesMax: z
        .number()
        .int()
        .min(1)
        .max(LIMITS.commitBytesMax)
        .default(LIMITS.recordBytesMax)
        .describe('Bytes of one record’s data as JSON; a larger one is a dead letter.'),
    })
    .prefault({}),
  reconnectsPerSecondMax: z
    .number()
    .int()
    .min(1)
    .max(100_000)
    .default(LIMITS.reconnectsPerSecondMax)
    .describe('Sources that may connect again in one second, of all that wait after a failure.'),
  storage: storageSchema.prefault({}),
  rateLimit: rateLimitSchema.nullable().default(null),
  burst: burstSchema.nullable().default(null),
  /** Stages, in the order records go through them. */
  stages: stages.default([]),
  health: z
    .strictObject({
      intervalMs: milliseconds(10).default(10_000).describe('Between two samples of how sources are.'),
    })
    .prefault({}),
  clock: z
    .custom<Clock>(
      (value) => hasMethods(value, CLOCK_METHODS),
      `must have the methods ${CLOCK_METHODS.join(', ')}`,
    )
    .optional(),
  /** Seeds every random choice. Default: another one at each start. */
  seed: z.union([z.number(), z.string()]).optional(),
  logger: z
    .custom<Logger>(
      (value) => hasMethods(value, LOGGER_METHODS),
      `must have the methods ${LOGGER_METHODS.join(', ')}`,
    )
    .optional(),
});

export const engineOptionsSchema = optionsShape.refine(
  ({ clock, storage }) => clock === undefined || storage.worker !== true,
  {
    path: ['storage', 'worker'],
    message: 'must not be true where a clock is given: only real time can wait for a thread',
  },
);

/** What `engine.reconfigure` takes: the options that can be changed while the engine runs. What is left out
 *  stays as it is. */
export const reconfigurationSchema = z.strictObject({
  stages: stages.optional(),
  rateLimit: rateLimitSchema.nullable().optional(),
  burst: burstSchema.nullable().optional(),
});

/** What a user may write; `stages` is typed by the library's index. */
export type EngineOptionsInput = z.input<typeof engineOptionsSchema>;
export type EngineOptions = z.output<typeof engineOptionsSchema>;
