/** `/api/dead-letters`: what could not be used, and what is to become of it. */

import { z } from '@hono/zod-openapi';
import type { StoredLetter } from '../../../storage/event-store.ts';
import { LIMITS } from '../../domain/limits.ts';
import type { HttpDeps } from '../http-deps.ts';
import { givenOf, type Routes } from '../route.ts';
import { letterSchema, limitParam, wholeNumber } from '../schemas.ts';

const tag = 'Dead letters';
const PAGE_LETTERS = 50;
const PAGE_LETTERS_MAX = 500;
/** Letters read at a time: each may be a megabyte. */
const READ_AT_ONCE = 10;
const IDS_MAX = 10_000;

const status = z.enum(['new', 'queued', 'delivered', 'parked']);
const selection = {
  source: z.string().min(1).max(300).optional(),
  stage: z.string().min(1).max(300).optional(),
  status: status.optional(),
};

/** By number, or all that fit a selection: an empty one is all there are. */
const which = z
  .strictObject({
    ids: z.array(z.number().int().min(1)).min(1).max(IDS_MAX).optional(),
    select: z.strictObject(selection).optional(),
  })
  .refine(({ ids, select }) => (ids === undefined) !== (select === undefined), {
    message: 'give either "ids" or "select"; {} selects all',
  })
  .openapi('WhichLetters', { example: { select: { source: 'line-3', status: 'new' } } });

export function addDeadLetterRoutes(routes: Routes, { gateway }: HttpDeps): void {
  const letters = gateway.engine.deadLetters;
  routes.add(
    {
      ...{ method: 'get', path: '/api/dead-letters', tag, scope: 'read' },
      summary: 'Dead letters, the oldest first',
      description: `Payloads are cut after ${LIMITS.httpLetterCharsMax} characters; one letter is whole.`,
      query: z.strictObject({
        ...selection,
        afterId: wholeNumber(0).optional(),
        limit: limitParam(PAGE_LETTERS, PAGE_LETTERS_MAX),
      }),
      answers: {
        200: {
          description: 'A page; `next` leads to the one after it.',
          schema: z.object({ letters: z.array(letterSchema), next: z.string().nullable() }),
        },
      },
    },
    async ({ query: { limit, afterId = 0, ...selected }, context }) => {
      const page: LetterView[] = [];
      for (let after = afterId; page.length <= limit;) {
        const some = await letters.list({ ...givenOf(selected), afterId: after, limit: READ_AT_ONCE });
        page.push(...some.map((letter) => viewOf(letter, LIMITS.httpLetterCharsMax)));
        if (some.length < READ_AT_ONCE) break;
        after = some.at(-1)?.id ?? after;
      }
      const shown = page.slice(0, limit);
      const url = new URL(context.req.url);
      url.searchParams.set('afterId', String(shown.at(-1)?.id ?? afterId));
      const next = page.length > limit ? url.pathname + url.search : null;
      return context.json({ letters: shown, next });
    },
  );
  routes.add(
    {
      ...{ method: 'get', path: '/api/dead-letters/{id}', tag, scope: 'read' },
      summary: 'One dead letter, whole',
      description: 'The payload is not cut, as it is in a list.',
      params: z.strictObject({ id: wholeNumber(1) }),
      answers: { 200: { description: 'With its payload.', schema: letterSchema } },
    },
    async ({ params: { id }, context }) =>
      context.json(viewOf(await letters.show(id), Number.POSITIVE_INFINITY)),
  );
  routes.add(
    {
      ...{ method: 'post', path: '/api/dead-letters/retry', tag, scope: 'operate' },
      summary: 'Try dead letters again',
      description: 'Of a selection, those that are parked are left out unless `status` names them.',
      body: which,
      answers: {
        200: { description: 'How many are queued.', schema: z.object({ queued: z.number().int() }) },
      },
      problems: [404, 409],
    },
    async ({ body, context }) =>
      context.json({ queued: await letters.retry(body.ids ?? givenOf(body.select ?? {})) }),
  );
  routes.add(
    {
      ...{ method: 'post', path: '/api/dead-letters/purge', tag, scope: 'operate' },
      summary: 'Delete dead letters',
      description:
        'Those of the given numbers, or all that a selection fits. What is deleted cannot be tried again.',
      body: which,
      answers: {
        200: { description: 'How many were deleted.', schema: z.object({ purged: z.number().int() }) },
      },
      problems: [404],
    },
    async ({ body, context }) =>
      context.json({ purged: await letters.purge(body.ids ?? givenOf(body.select ?? {})) }),
  );
}

type LetterView = ReturnType<typeof viewOf>;

function viewOf(letter: StoredLetter, charsMax: number) {
  const { id, tenant, sourceId, stage, code, message, payload, attempts } = letter;
  const { firstAtMs, lastAtMs, status: state, isTruncated, origin } = letter;
  return {
    ...{ id, tenant, sourceId, stage, code, message },
    payload: payload.length > charsMax ? payload.slice(0, charsMax) : payload,
    payloadIsCut: payload.length > charsMax,
    ...{ attempts, firstAtMs, lastAtMs, status: state, isTruncated, origin },
  };
}
