/** The section `stages`: what records go through, in order. Each entry is one thing that is done. */

import { z } from 'zod';
import { milliseconds } from '../../config/source-options.ts';
import { expressionField, moduleField, STAGE_RECORD } from './fields.ts';

const KINDS = ['filter', 'transform', 'set', 'drop', 'queue', 'module'] as const;

const fieldName = z.string().min(1);

export const stageEntrySchema = z
  .strictObject({
    name: z
      .string()
      .min(1)
      .optional()
      .describe('The name under which the stage is reported. Default: what it does.'),
    filter: expressionField(STAGE_RECORD, 'bool')
      .optional()
      .describe('Keeps the records for which this expression is true.'),
    transform: expressionField(STAGE_RECORD)
      .optional()
      .describe('Replaces the data of each record by what this expression gives.'),
    set: z
      .record(fieldName, expressionField(STAGE_RECORD))
      .refine((fields) => Object.keys(fields).length > 0, 'must name at least one field')
      .optional()
      .describe('Adds fields to the data, or replaces them: the name of each and an expression.'),
    drop: z
      .union([fieldName, z.array(fieldName).min(1)])
      .optional()
      .describe('Takes fields out of the data: a name or a list of them.'),
    queue: z
      .strictObject({
        name: z.string().min(1).describe('The name under which its waits are reported.'),
        capacityRecords: z.number().int().min(1).max(1_000_000).describe('Records it holds at most.'),
        overflow: z
          .enum(['block', 'drop-newest', 'drop-oldest'])
          .default('block')
          .describe('What becomes of records that do not fit: `block` holds back what comes before it.'),
        waitMsMax: milliseconds()
          .nullable()
          .default(null)
          .describe(
            'With `block`: the longest a record waits for room before it is dropped; null: for ever.',
          ),
      })
      .optional()
      .describe('A queue between the stages before and after it.'),
    module: moduleField
      .optional()
      .describe('Code of your own: a stage, or a function `(record) => data`, which may be asynchronous.'),
    concurrency: z
      .number()
      .int()
      .min(1)
      .max(10_000)
      .optional()
      .describe('With `module`, of an asynchronous function: calls in flight at once. Default: 8.'),
  })
  .superRefine((entry, context) => {
    const given = KINDS.filter((kind) => entry[kind] !== undefined);
    if (given.length !== 1) {
      const found = given.length === 0 ? 'it has none' : `it has ${given.join(' and ')}`;
      context.addIssue({ code: 'custom', message: `must have one of ${KINDS.join(', ')}; ${found}` });
    }
    if (entry.concurrency !== undefined && entry.module === undefined) {
      context.addIssue({ code: 'custom', path: ['concurrency'], message: 'goes with module only' });
    }
    if (entry.queue !== undefined && entry.name !== undefined) {
      context.addIssue({ code: 'custom', path: ['name'], message: 'of a queue stands in queue.name' });
    }
  })
  .meta({ oneOf: KINDS.map((kind) => ({ required: [kind] })) });

export const stagesSchema = z
  .array(stageEntrySchema)
  .default([])
  .describe('What records go through before they are stored, in this order.');

export type StageEntry = z.output<typeof stageEntrySchema>;
