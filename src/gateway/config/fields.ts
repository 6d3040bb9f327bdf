/** Sorts of field that several sections of the configuration have. */

import { z } from 'zod';
import { willSchema } from '../../../actors/protocols/mqtt/options.ts';
import { HeadgateError } from '../../domain/errors.ts';
import { rateLimitSchema } from '../../config/source-options.ts';
import { compileExpression, type Variables } from './expression.ts';

/** What a record shows to an expression of a stage. */
export const STAGE_RECORD: Variables = {
  record: ['id', 'tenant', 'data', 'atMs', 'seq', 'incarnation', 'key', 'contentType'],
};

/** What it shows to one of a sink, which reads it from the log. */
export const SINK_RECORD: Variables = {
  record: [
    'id',
    'tenant',
    'data',
    'atMs',
    'seq',
    'sourceSeq',
    'incarnation',
    'key',
    'dedupKey',
    'contentType',
  ],
};

/** What a source knows of it when it asks for its dedup key. */
export const ARRIVING_RECORD: Variables = { record: ['id', 'data', 'atMs', 'contentType'] };

/** Of a simulated source: the record's number, from 1, and a random number in [0, 1). */
export const SIMULATED_RECORD: Variables = { n: null, random: null };

/** Text that is an expression over these variables. What is wrong in it is told with its place
 *  (`params.offset`). */
export function expressionField(variables: Variables, gives: 'bool' | 'any' = 'any') {
  return z
    .string()
    .superRefine((text, context) => {
      const problem = expressionProblem(text, variables, gives);
      if (problem !== null) context.addIssue({ code: 'custom', ...problem });
    })
    .meta({ format: 'cel' });
}

function expressionProblem(
  text: string,
  variables: Variables,
  gives: 'bool' | 'any',
): { message: string; params: { offset: number } } | null {
  try {
    const { type } = compileExpression(text, variables);
    if (gives === 'any' || type === 'bool' || type.startsWith('dyn')) return null;
    return { message: `must give true or false, and gives ${type}`, params: { offset: 0 } };
  } catch (error) {
    if (!(error instanceof HeadgateError)) throw error;
    return {
      message: `in the expression: ${error.message}`,
      params: { offset: Number(error.details['offset']) },
    };
  }
}

const MODULE_REFERENCE = /^[^#]+\.(?:[cm]?js|[cm]?ts)(?:#[A-Za-z_$][\w$]*)?$/;

/** Code of the user's: a file, seen from the configuration's folder, and the name that it exports. */
export const moduleField = z
  .string()
  .regex(MODULE_REFERENCE, 'must be FILE#EXPORT, such as ./stages.js#enrich; without #EXPORT its default');

/** How payloads become records: one of the formats, or code. */
export const decodeField = z.union([
  z.enum(['json', 'ndjson', 'csv', 'text', 'bytes']),
  z.strictObject({
    module: moduleField.describe('A function `(payload, contentType) => values`, one record each.'),
  }),
]);

/** PEM text, in practice by a `file:` reference. */
export const pemField = z
  .string()
  .refine((text) => text.includes('-----BEGIN '), 'must be PEM text; "file:PATH" takes it from a file');

export const tlsField = z.strictObject({
  ca: pemField.optional().describe('Certificates of the authorities that are trusted, PEM.'),
  cert: pemField.optional().describe('The own certificate, PEM; goes with `key`.'),
  key: pemField.optional().describe('Its private key, PEM.'),
  rejectUnauthorized: z.boolean().default(true).describe('False trusts whoever answers; for tests only.'),
  serverName: z
    .string()
    .min(1)
    .optional()
    .describe('The name that the certificate must be for. Default: the host of the url.'),
});

/** How many records a second are let in. */
export const limitField = z.strictObject(without(rateLimitSchema.shape, ['scope']));

/** What the broker says of a client whose connection was lost. */
export const willField = z.strictObject({
  ...willSchema.shape,
  payload: z.string().describe('What it says.'),
});

/** The shape without some of its fields. */
export function without<Shape extends object, Name extends keyof Shape>(
  shape: Shape,
  names: readonly Name[],
): Omit<Shape, Name> {
  const kept = { ...shape };
  for (const name of names) delete kept[name];
  return kept;
}
