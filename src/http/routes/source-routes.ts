/** `/api/sources`: which there are, how they are, and the registry's commands for them. */

import { z } from '@hono/zod-openapi';
import type { SourceHealth } from '../../domain/health.ts';
import { noteCommand } from '../command-note.ts';
import type { HttpDeps } from '../http-deps.ts';
import { givenOf, type Routes } from '../route.ts';
import { limitParam, nameParam, sourceHealthSchema, wholeNumber } from '../schemas.ts';

const tag = 'Sources';
const idParams = z.strictObject({ id: nameParam('the source') });

/** An entry as the configuration has it; its kind says what else it takes. */
const entry = z.looseObject({ type: z.string().min(1).openapi({ example: 'push' }) }).openapi('SourceEntry');
const newEntry = z
  .looseObject({ id: z.string().min(1).max(300), type: z.string().min(1) })
  .openapi('NewSource', { example: { id: 'line-3', type: 'push', decode: 'json' } });

export const endQuery = z.strictObject({
  mode: z.enum(['drain', 'now']).optional(),
  deadlineMs: wholeNumber(0, 3_600_000).optional(),
});

export const endedSchema = z.object({ id: z.string(), incarnation: z.number() });

export function addSourceRoutes(routes: Routes, { gateway }: HttpDeps): void {
  const { engine } = gateway;
  const one = { 200: { description: 'How it is now.', schema: sourceHealthSchema } };
  routes.add(
    {
      ...{ method: 'get', path: '/api/sources', tag, scope: 'read' },
      summary: 'All sources: those that are registered and those that ended last',
      description: 'A page in order of registration; `next` leads to the one after it.',
      query: z.strictObject({
        state: z.string().max(32).optional(),
        type: z.string().max(64).optional(),
        after: wholeNumber(0).optional().openapi({
          type: 'integer',
          description: 'Only sources with a greater incarnation: where the page before ended.',
        }),
        limit: limitParam(1_000),
      }),
      answers: {
        200: {
          description: 'In order of their registration.',
          schema: z.object({ sources: z.array(sourceHealthSchema), next: z.string().nullable() }),
        },
      },
    },
    ({ query, context }) => {
      const fits = (source: SourceHealth) =>
        source.incarnation > (query.after ?? 0) &&
        (query.state === undefined || source.state === query.state) &&
        (query.type === undefined || source.type === query.type);
      const found = engine.health().filter(fits);
      const sources = found.slice(0, query.limit);
      const last = sources.at(-1);
      const url = new URL(context.req.url);
      if (last !== undefined) url.searchParams.set('after', String(last.incarnation));
      const next = found.length > sources.length ? url.pathname + url.search : null;
      return context.json({ sources, next });
    },
  );
  routes.add(
    {
      ...{ method: 'post', path: '/api/sources', tag, scope: 'admin' },
      summary: 'Register a source',
      description: 'The entry is that of the configuration, with its `id`. It is not written into the file.',
      body: newEntry,
      answers: { 201: { description: 'It is accepted and connects.', schema: sourceHealthSchema } },
      problems: [409],
    },
    async ({ body: { id, ...given }, principal, context }) => {
      const spec = gateway.sourceSpec(id, given);
      await engine.register(spec, noteCommand(engine, { type: 'registry.register', id, principal }));
      context.header('location', `/api/sources/${encodeURIComponent(id)}`);
      return context.json(engine.health(id), 201);
    },
  );
  routes.add(
    {
      ...{ method: 'get', path: '/api/sources/{id}', tag, scope: 'read' },
      summary: 'One source',
      description: 'Its state, its last error and what it has read.',
      params: idParams,
      answers: one,
    },
    ({ params: { id }, context }) => context.json(engine.health(id)),
  );
  routes.add(
    {
      ...{ method: 'put', path: '/api/sources/{id}', tag, scope: 'admin' },
      summary: 'Replace a source by one with other options, after it has drained',
      description: 'The old source drains, then the new one connects. The configuration file is not changed.',
      ...{ params: idParams, body: entry, answers: one, problems: [409] },
    },
    async ({ params: { id }, body, principal, context }) => {
      const spec = gateway.sourceSpec(id, body);
      await engine.update(spec, noteCommand(engine, { type: 'registry.update', id, principal }));
      return context.json(engine.health(id));
    },
  );
  routes.add(
    {
      ...{ method: 'delete', path: '/api/sources/{id}', tag, scope: 'admin' },
      summary: 'Deregister a source',
      description:
        '`drain` (the default) lets what was taken in go on, for `deadlineMs` at most; `now` gives it up. ' +
        'Answers when the source has ended.',
      ...{ params: idParams, query: endQuery, problems: [409] },
      answers: { 200: { description: 'It has ended.', schema: endedSchema } },
    },
    async ({ params: { id }, query, principal, context }) => {
      const by = noteCommand(engine, { type: 'registry.deregister', id, principal });
      return context.json(await engine.deregister(id, { ...givenOf(query), ...by }));
    },
  );
  for (const action of ['pause', 'resume'] as const) {
    routes.add(
      {
        ...{ method: 'post', path: `/api/sources/{id}/${action}`, tag, scope: 'operate' },
        summary: action === 'pause' ? 'Pause a source' : 'Let a paused or quarantined source go on',
        description:
          'The command is a row of the timeline, with the token that gave it. It does not survive a restart.',
        ...{ params: idParams, answers: one, problems: [409] },
      },
      async ({ params: { id }, principal, context }) => {
        await engine[action](id, noteCommand(engine, { type: `registry.${action}`, id, principal }));
        return context.json(engine.health(id));
      },
    );
  }
}
