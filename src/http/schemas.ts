/** What the API takes and gives, as schemas: the OpenAPI document is made of them. */

import { z } from '@hono/zod-openapi';
import { ERROR_CODES } from '../domain/error-codes.ts';
import { LIMITS } from '../domain/limits.ts';
import { parseTime, TIME_FORMS } from '../domain/time-text.ts';
import { TIMELINE_KINDS } from '../domain/timeline.ts';

const codes = Object.keys(ERROR_CODES) as [string, ...string[]];

export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    detail: z.string(),
    code: z.enum(codes),
    remedy: z.enum(['retry', 'drop', 'stop']),
  })
  .openapi('Problem', { description: 'RFC 9457, with what else is known beside these.' });

/** A name in a path. `tenant/id` is written `tenant%2Fid`. */
export const nameParam = (what: string) =>
  z
    .string()
    .min(1)
    .max(300)
    .openapi({
      description: `${what}: \`plc-7\`, or of another tenant \`tenant/plc-7\`, its slash written %2F`,
      example: 'plc-7',
    });

/** A whole number in a query or path. */
export const wholeNumber = (min: number, max: number = Number.MAX_SAFE_INTEGER) =>
  z
    .string()
    .regex(/^\d{1,16}$/, `must be a whole number from ${min}`)
    .transform(Number)
    .refine((value) => value >= min && value <= max, `must be a whole number from ${min} to ${max}`)
    .openapi({ type: 'integer', minimum: min, ...(max === Number.MAX_SAFE_INTEGER ? {} : { maximum: max }) });

/** A point in time in a query: epoch milliseconds. `nowMs` is read at each request. */
export const timeParam = (nowMs: () => number) =>
  z
    .string()
    .max(64)
    .transform((text, context) => {
      const atMs = parseTime(withPlus(text), nowMs());
      if (atMs !== null) return atMs;
      context.addIssue({ code: 'custom', message: `must be ${TIME_FORMS}` });
      return z.NEVER;
    })
    .openapi({ type: 'string', description: TIME_FORMS, example: '-10m' });

/** The plus of an offset is a space in a query that nobody encoded. */
function withPlus(text: string): string {
  return text.replace(/(:\d{2}(?:[.,]\d+)?) (\d{2}:?\d{2})$/, '$1+$2');
}

export const flagParam = z
  .enum(['true', 'false'])
  .transform((text) => text === 'true')
  .openapi({ type: 'boolean' });

/** So many rows of a page. */
export const limitParam = (rows: number, rowsMax: number = LIMITS.httpPageRowsMax) =>
  wholeNumber(1, rowsMax)
    .optional()
    .transform((limit) => limit ?? rows)
    .openapi({
      type: 'integer',
      ...{ minimum: 1, maximum: rowsMax, default: rows },
    });

const errorSchema = z.object({ code: z.string(), message: z.string(), atMs: z.number() }).nullable();

export const sourceHealthSchema = z
  .object({
    sourceId: z.string(),
    tenant: z.string(),
    type: z.string(),
    state: z.string(),
    recordsProduced: z.number(),
    lastReadTimestamp: z.number().nullable(),
    consecutiveErrors: z.number(),
    incarnation: z.number(),
    restarts: z.number(),
    lastError: errorSchema,
    rate1s: z.number(),
    queueDepth: z.number(),
    spilledRecords: z.number(),
    droppedCount: z.number(),
    deadLetteredCount: z.number(),
    lateRecords: z.number(),
  })
  .openapi('SourceHealth');

export const sinkHealthSchema = z
  .object({
    sinkId: z.string(),
    tenant: z.string(),
    type: z.string(),
    state: z.string(),
    incarnation: z.number(),
    delivered: z.number(),
    filtered: z.number(),
    deadLettered: z.number(),
    cursor: z.number(),
    lagRecords: z.number(),
    lagSeconds: z.number(),
    consecutiveErrors: z.number(),
    lastDeliveryAtMs: z.number().nullable(),
    lastError: errorSchema,
  })
  .openapi('SinkHealth');

const dataSchema = z.record(z.string(), z.unknown()).nullable();

export const timelineRowSchema = z
  .object({
    seq: z.number().int(),
    run: z.number().int(),
    at_ms: z.number(),
    mono_ms: z.number(),
    tenant: z.string(),
    actor: z.string(),
    incarnation: z.number().nullable(),
    kind: z.enum(TIMELINE_KINDS),
    event: z.string(),
    from_state: z.string().nullable(),
    to_state: z.string().nullable(),
    cause: z.number().nullable(),
    data: dataSchema,
  })
  .openapi('TimelineRow');

export const alertRowSchema = z
  .object({
    seq: z.number().int(),
    at_ms: z.number(),
    tenant: z.string(),
    actor: z.string(),
    event: z.string(),
    severity: z.string().nullable(),
    data: dataSchema,
  })
  .openapi('Alert');

export const actorStateSchema = z
  .object({
    actor: z.string(),
    tenant: z.string(),
    state: z.string().nullable(),
    since_ms: z.number(),
    seq: z.number().int(),
    incarnation: z.number().nullable(),
  })
  .openapi('ActorState');

export const letterSchema = z
  .object({
    id: z.number().int(),
    tenant: z.string(),
    sourceId: z.string(),
    stage: z.string(),
    code: z.string(),
    message: z.string(),
    payload: z.string(),
    payloadIsCut: z.boolean(),
    attempts: z.number().int(),
    firstAtMs: z.number(),
    lastAtMs: z.number(),
    status: z.enum(['new', 'queued', 'delivered', 'parked']),
    isTruncated: z.boolean(),
    origin: z.record(z.string(), z.unknown()).nullable(),
  })
  .openapi('DeadLetter');

export const configProblemSchema = z
  .object({
    file: z.string().nullable(),
    line: z.number().nullable(),
    column: z.number().nullable(),
    path: z.string(),
    message: z.string(),
    suggestion: z.string().optional(),
  })
  .openapi('ConfigProblem');

export const reloadOutcomeSchema = z
  .object({
    atMs: z.number(),
    origin: z.string(),
    outcome: z.enum(['applied', 'unchanged', 'refused', 'failed']),
    version: z.number(),
    changes: z.array(
      z.object({
        path: z.string(),
        action: z.enum(['added', 'changed', 'removed']),
        fields: z.array(z.string()).optional(),
      }),
    ),
    problems: z.array(configProblemSchema),
    needsRestart: z.array(z.string()),
  })
  .openapi('ReloadOutcome');

export const readinessSchema = z
  .object({
    isReady: z.boolean(),
    reasons: z
      .array(z.object({ code: z.string(), subject: z.string(), message: z.string() }))
      .openapi({ description: 'Shown to whoever may read; empty for others.' }),
  })
  .openapi('Readiness');

/** A page of rows, and where its neighbours are: paths with their query; null where there is none. */
export const pageSchema = (row: z.ZodType) =>
  z.object({ rows: z.array(row), previous: z.string().nullable(), next: z.string().nullable() });
