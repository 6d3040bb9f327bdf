/** `/api/sinks`: which there are, how far they have come, and the commands for them. */

import { z } from '@hono/zod-openapi';
import { noteCommand } from '../command-note.ts';
import type { HttpDeps } from '../http-deps.ts';
import { givenOf, type Routes } from '../route.ts';
import { nameParam, sinkHealthSchema } from '../schemas.ts';
import { endedSchema, endQuery } from './source-routes.ts';

const tag = 'Sinks';
const idParams = z.strictObject({ id: nameParam('the sink') });

const entry = z.looseObject({ type: z.string().min(1).openapi({ example: 'file' }) }).openapi('SinkEntry');
const newEntry = z
  .looseObject({ id: z.string().min(1).max(300), type: z.string().min(1) })
  .openapi('NewSink', { example: { id: 'archive', type: 'file', path: 'out/records.ndjson' } });

export function addSinkRoutes(routes: Routes, { gateway }: HttpDeps): void {
  const { engine } = gateway;
  const one = { 200: { description: 'How it is now.', schema: sinkHealthSchema } };
  routes.add(
    {
      ...{ method: 'get', path: '/api/sinks', tag, scope: 'read' },
      summary: 'All sinks: those that are registered and those that ended last',
      description: 'With how far each is behind the log.',
      answers: {
        200: {
          description: 'With how far each is behind the log.',
          schema: z.object({ sinks: z.array(sinkHealthSchema) }),
        },
      },
    },
    ({ context }) => context.json({ sinks: engine.sinks() }),
  );
  routes.add(
    {
      ...{ method: 'post', path: '/api/sinks', tag, scope: 'admin' },
      summary: 'Register a sink',
      description: 'The entry is that of the configuration, with its `id`. It is not written into the file.',
      body: newEntry,
      answers: { 201: { description: 'It is accepted and connects.', schema: sinkHealthSchema } },
      problems: [409],
    },
    async ({ body: { id, ...given }, principal, context }) => {
      const spec = gateway.sinkSpec(id, given);
      await engine.registerSink(spec, noteCommand(engine, { type: 'sinks.register', id, principal }));
      context.header('location', `/api/sinks/${encodeURIComponent(id)}`);
      return context.json(engine.sinkHealth(id), 201);
    },
  );
  routes.add(
    {
      ...{ method: 'get', path: '/api/sinks/{id}', tag, scope: 'read' },
      summary: 'One sink',
      description: 'Its state, its last error and how far it is behind the log.',
      ...{ params: idParams, answers: one },
    },
    ({ params: { id }, context }) => context.json(engine.sinkHealth(id)),
  );
  routes.add(
    {
      ...{ method: 'put', path: '/api/sinks/{id}', tag, scope: 'admin' },
      summary: 'Replace a sink by one with other options, which goes on where the old one was',
      description: 'The old sink drains, then the new one goes on from its cursor. The file is not changed.',
      ...{ params: idParams, body: entry, answers: one, problems: [409] },
    },
    async ({ params: { id }, body, principal, context }) => {
      const spec = gateway.sinkSpec(id, body);
      await engine.updateSink(spec, noteCommand(engine, { type: 'sinks.update', id, principal }));
      return context.json(engine.sinkHealth(id));
    },
  );
  routes.add(
    {
      ...{ method: 'delete', path: '/api/sinks/{id}', tag, scope: 'admin' },
      summary: 'Deregister a sink, and forget how far it had come',
      description:
        '`drain` (the default) delivers what is stored first, for `deadlineMs` at most. ' +
        'Answers when the sink has ended.',
      ...{ params: idParams, query: endQuery, problems: [409] },
      answers: { 200: { description: 'It has ended.', schema: endedSchema } },
    },
    async ({ params: { id }, query, principal, context }) => {
      const by = noteCommand(engine, { type: 'sinks.deregister', id, principal });
      return context.json(await engine.deregisterSink(id, { ...givenOf(query), ...by }));
    },
  );
  for (const action of ['pause', 'resume'] as const) {
    routes.add(
      {
        ...{ method: 'post', path: `/api/sinks/{id}/${action}`, tag, scope: 'operate' },
        summary:
          action === 'pause' ? 'Pause a sink' : 'Let a sink go on; one whose circuit is open tries at once',
        description: 'A paused sink keeps its cursor, and the log keeps what it has not delivered.',
        ...{ params: idParams, answers: one, problems: [409] },
      },
      async ({ params: { id }, principal, context }) => {
        const by = noteCommand(engine, { type: `sinks.${action}`, id, principal });
        await (action === 'pause' ? engine.pauseSink(id, by) : engine.resumeSink(id, by));
        return context.json(engine.sinkHealth(id));
      },
    );
  }
}
