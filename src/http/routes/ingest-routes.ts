/** `/api/ingest/{source}` as the document has it, and where a request of it leads. The records themselves are
 *  read by src/http/ingest/. */

import type { IncomingMessage } from 'node:http';
import { z } from '@hono/zod-openapi';
import { HeadgateError } from '../../domain/errors.ts';
import type { Routes } from '../route.ts';
import { nameParam } from '../schemas.ts';

const tag = 'Ingest';
export const INGEST_PATH = '/api/ingest/{source}';
const PATH = /^\/api\/ingest\/([^/?#]+)(?:\?.*)?$/;
const TYPES = [
  'application/json',
  'application/x-ndjson',
  'application/ndjson',
  'application/jsonl',
  'text/csv',
  'text/plain',
  'application/octet-stream',
];

/** JSON is any value: what a record may be, only its reader knows. */
const TEXT_SCHEMAS = {
  'application/json': {
    description: 'One value is one record; of a list, each item is one.',
    example: [{ time: '2026-01-01T00:00:00Z', value: 20.5 }],
  },
  'application/octet-stream': { type: 'string', contentMediaType: 'application/octet-stream' },
};

const rejectionSchema = z.object({
  line: z.number().int().openapi({ description: 'The line where it begins; of a JSON list, the item.' }),
  lastLine: z.number().int().optional(),
  code: z.string(),
  message: z.string(),
});

const answerSchema = z
  .object({
    accepted: z.number().int(),
    rejected: z.number().int(),
    errors: z.array(rejectionSchema),
    errorsOmitted: z.number().int(),
    stored: z.number().int(),
    filtered: z.number().int(),
    deadLettered: z.number().int(),
    dropped: z.number().int(),
  })
  .openapi('IngestAnswer', {
    example: {
      ...{ accepted: 2, rejected: 1, errorsOmitted: 0, stored: 2, filtered: 0, deadLettered: 0, dropped: 0 },
      errors: [{ line: 2, code: 'HG_DECODE_FAILED', message: 'not valid JSON' }],
    },
  });

/** The source in the target of a request that the door has let in; null where it is none of ingest. */
export function ingestSourceOf({ url = '' }: IncomingMessage): string | null {
  const [, source] = PATH.exec(url) ?? [];
  return source === undefined ? null : decodeURIComponent(source);
}

export function addIngestRoutes(routes: Routes): void {
  const params = z.strictObject({ source: nameParam('a push source') });
  routes.document({
    ...{ method: 'post', path: INGEST_PATH, tag, scope: 'ingest', params },
    summary: 'Hand in records',
    description:
      'JSON (one value, or a list of records), NDJSON or CSV with a head line. The body is read as it ' +
      'comes, and the answer given when every record is stored, or was rejected. An upload with an ' +
      'Idempotency-Key that comes again is answered as the first time.',
    headers: z.object({ 'Idempotency-Key': z.string().max(255).optional() }),
    textBody: TYPES,
    textSchemas: TEXT_SCHEMAS,
    answers: {
      200: {
        description: 'All of it is stored, or was rejected for the reasons given.',
        schema: answerSchema,
      },
    },
    problems: [409, 413, 415, 422],
  });
  routes.add(
    {
      ...{ method: 'get', path: INGEST_PATH, tag, scope: 'ingest', params },
      summary: 'Hand in records over a WebSocket',
      description:
        'Messages and their answers are described in docs/ingest.md. Without the upgrade it answers 426.',
      query: z.strictObject({ client: z.string().max(255).optional() }),
      answers: { 101: { description: 'It is one. Messages and answers: see docs/ingest.md.' } },
      problems: [426],
    },
    () => {
      throw new HeadgateError('HG_HTTP_UPGRADE', 'this path is a WebSocket: send Upgrade: websocket');
    },
  );
}
