/** What happened: the timeline and the alerts, page by page; the state of actors now and then; and why. */

import { z } from '@hono/zod-openapi';
import { HeadgateError } from '../../domain/errors.ts';
import { TIMELINE_KINDS } from '../../domain/timeline.ts';
import type { HistoryFilter } from '../../../storage/reading/history.ts';
import type { Row } from '../../../storage/reading/timeline-reader.ts';
import type { HttpDeps } from '../http-deps.ts';
import { givenOf, type RouteContext, type Routes } from '../route.ts';
import {
  actorStateSchema,
  alertRowSchema,
  limitParam,
  nameParam,
  pageSchema,
  timelineRowSchema,
  timeParam,
  wholeNumber,
} from '../schemas.ts';

const tag = 'History';
const PAGE_ROWS = 100;

export function addHistoryRoutes(routes: Routes, { history, clock }: HttpDeps): void {
  const time = timeParam(() => clock.wallMs()).optional();
  const atQuery = z.strictObject({ at: time });
  const pageQuery = {
    actor: z.string().min(1).max(300).optional(),
    event: z.string().min(1).max(200).optional(),
    since: time,
    until: time,
    afterSeq: wholeNumber(0).optional(),
    beforeSeq: wholeNumber(0).optional(),
    limit: limitParam(PAGE_ROWS),
  };
  const kind = z.enum(TIMELINE_KINDS).optional();
  const description =
    'Without `afterSeq` the last rows that fit, with it the first ones after it; in order of `seq` either ' +
    'way. `next` is null where the log has no more yet.';

  routes.add(
    {
      ...{ method: 'get', path: '/api/timeline', tag, scope: 'read', description },
      summary: 'What happened, row by row',
      query: z.strictObject({ ...pageQuery, kind }),
      answers: { 200: { description: 'A page.', schema: pageSchema(timelineRowSchema) } },
    },
    async ({ query, context }) => pageOf(context, query, (filter) => history.timeline(filter)),
  );
  routes.add(
    {
      ...{ method: 'get', path: '/api/alerts', tag, scope: 'read', description },
      summary: 'The alerts',
      query: z.strictObject(pageQuery),
      answers: { 200: { description: 'A page.', schema: pageSchema(alertRowSchema) } },
    },
    async ({ query, context }) => pageOf(context, query, (filter) => history.alerts(filter)),
  );
  routes.add(
    {
      ...{ method: 'get', path: '/api/actors', tag, scope: 'read' },
      summary: 'The state of every actor, now or at a time',
      description: 'As the timeline has it; `at` is a time in the past.',
      query: atQuery,
      answers: {
        200: {
          description: 'By name.',
          schema: z.object({ at_ms: z.number(), actors: z.array(actorStateSchema) }),
        },
      },
    },
    async ({ query, context }) => {
      const atMs = query.at ?? clock.wallMs();
      return context.json({ at_ms: atMs, actors: await history.stateAt(atMs) });
    },
  );
  routes.add(
    {
      ...{ method: 'get', path: '/api/actors/{name}', tag, scope: 'read' },
      summary: 'The state of one actor, now or at a time',
      description: 'As the timeline has it; 404 where the actor was not there at that time.',
      ...{ params: z.strictObject({ name: nameParam('the actor') }), query: atQuery },
      answers: { 200: { description: 'The row that made it stands in `seq`.', schema: actorStateSchema } },
    },
    async ({ params: { name }, query: { at }, context }) => {
      const state = (await history.explain(name, at)).at(-1);
      if (state !== undefined) return context.json(stateOf(state));
      throw new HeadgateError('HG_SOURCE_UNKNOWN', `actor "${name}" was not there yet at that time`, {
        details: { actor: name },
      });
    },
  );
  routes.add(
    {
      ...{ method: 'get', path: '/api/explain/{name}', tag, scope: 'read' },
      summary: 'Why an actor is in its state, or was at a time',
      description: 'The chain of causes: the first cause first, the row that made the state last.',
      ...{ params: z.strictObject({ name: nameParam('the actor') }), query: atQuery },
      answers: {
        200: {
          description: 'Empty before its first row.',
          schema: z.object({ rows: z.array(timelineRowSchema) }),
        },
      },
    },
    async ({ params: { name }, query: { at }, context }) =>
      context.json({ rows: await history.explain(name, at) }),
  );
}

interface PageQuery {
  readonly limit: number;
  readonly actor?: string | undefined;
  readonly kind?: HistoryFilter['kind'] | undefined;
  readonly event?: string | undefined;
  readonly since?: number | undefined;
  readonly until?: number | undefined;
  readonly afterSeq?: number | undefined;
  readonly beforeSeq?: number | undefined;
}

/** One row more than is shown tells whether there are others. */
async function pageOf(
  context: RouteContext,
  { limit, since: sinceMs, until: untilMs, ...others }: PageQuery,
  read: (filter: HistoryFilter) => Promise<Row[]>,
): Promise<Response> {
  const found = await read({ ...givenOf({ sinceMs, untilMs, ...others }), limit: limit + 1 });
  const isForward = others.afterSeq !== undefined;
  const hasMore = found.length > limit;
  const rows = isForward ? found.slice(0, limit) : found.slice(-limit);
  const [first, last] = [rows[0]?.['seq'], rows.at(-1)?.['seq']];
  const link = (bound: 'afterSeq' | 'beforeSeq', seq: unknown) => linkTo(context, bound, seq);
  const hasPrevious = isForward ? rows.length > 0 : hasMore;
  const hasNext = isForward ? hasMore : rows.length > 0 && others.beforeSeq !== undefined;
  return context.json({
    rows,
    previous: hasPrevious ? link('beforeSeq', first) : null,
    next: hasNext ? link('afterSeq', last) : null,
  });
}

function linkTo({ req }: RouteContext, bound: 'afterSeq' | 'beforeSeq', seq: unknown): string {
  const url = new URL(req.url);
  url.searchParams.delete('afterSeq');
  url.searchParams.delete('beforeSeq');
  url.searchParams.set(bound, String(seq));
  return url.pathname + url.search;
}

function stateOf({ actor, tenant, to_state: state, at_ms: sinceMs, seq, incarnation }: Row) {
  return { actor, tenant, state, since_ms: sinceMs, seq, incarnation };
}
