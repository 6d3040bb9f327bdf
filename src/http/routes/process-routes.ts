/** The process as its watchers see it: alive, ready, its metrics, its health, and the document of the API. */

import { z } from '@hono/zod-openapi';
import type { HttpDeps } from '../http-deps.ts';
import type { LoopLag } from '../loop-lag.ts';
import { openApiDocument } from '../openapi-document.ts';
import type { Routes } from '../route.ts';
import { readinessSchema } from '../schemas.ts';
import { VERSION } from '../../version.ts';

const tag = 'Process';

export function addProcessRoutes(routes: Routes, { gateway, metrics, clock }: HttpDeps, loop: LoopLag): void {
  routes.add(
    {
      ...{ method: 'get', path: '/healthz', tag, scope: null },
      summary: 'Whether the process is alive',
      description:
        'Answers as long as the event loop turns. What is known of the process is for readers only.',
      answers: {
        200: {
          description: 'It is.',
          schema: z.object({
            status: z.literal('ok'),
            version: z.string().optional(),
            uptimeSeconds: z.number().optional(),
            eventLoopLagMs: z.number().optional(),
            rssBytes: z.number().optional(),
          }),
        },
      },
    },
    ({ principal, context }) => {
      if (!principal.scopes.has('read')) return context.json({ status: 'ok' });
      return context.json({
        ...{ status: 'ok', version: VERSION },
        uptimeSeconds: Math.round((clock.monotonicMs() - gateway.started.monoMs) / 1_000),
        ...{ eventLoopLagMs: loop.worstMs(), rssBytes: process.memoryUsage.rss() },
      });
    },
  );
  routes.add(
    {
      ...{ method: 'get', path: '/readyz', tag, scope: null },
      summary: 'Whether everything that is configured works',
      description:
        'Answers 503 while a source, a sink or the storage does not work. The reasons are for readers only.',
      answers: {
        200: { description: 'It does.', schema: readinessSchema },
        503: { description: 'What is not ready, and what to do.', schema: readinessSchema },
      },
    },
    ({ principal, context }) => {
      const { isReady, reasons } = gateway.readiness();
      const shown = principal.scopes.has('read') ? reasons : [];
      return context.json({ isReady, reasons: shown }, isReady ? 200 : 503);
    },
  );
  routes.add(
    {
      ...{ method: 'get', path: '/metrics', tag, scope: 'read' },
      summary: 'Metrics, as Prometheus reads them',
      description: 'Every metric of docs/metrics.md, in the text format, read at the moment of the request.',
      answers: { 200: { description: 'The text format.', type: 'text/plain' } },
    },
    async ({ context }) => {
      const { contentType, text } = await metrics();
      return context.body(text, 200, { 'content-type': contentType });
    },
  );
  routes.add(
    {
      ...{ method: 'get', path: '/openapi.json', tag, scope: 'read' },
      summary: 'This API as an OpenAPI 3.1 document',
      description: 'Made of the schemas that check requests, so that it cannot differ from them.',
      answers: { 200: { description: 'The document.', schema: z.looseObject({ openapi: z.string() }) } },
    },
    ({ context }) => context.json(openApiDocument(routes)),
  );
  routes.add(
    {
      ...{ method: 'get', path: '/api/health', tag, scope: 'read' },
      summary: 'The engine in a few numbers',
      description:
        'States of sources and sinks, records since the last start, and what keeps it from being ready.',
      answers: {
        200: {
          description: 'Counted since its last start.',
          schema: z.object({
            state: z.string(),
            startedAtMs: z.number(),
            sourcesByState: z.record(z.string(), z.number()),
            sinksByState: z.record(z.string(), z.number()),
            admittedRecords: z.number(),
            droppedRecords: z.number(),
            deliveredRecords: z.number(),
            readiness: readinessSchema,
          }),
        },
      },
    },
    ({ context }) => {
      const { engine } = gateway;
      const { sources, admitted, dropped, delivered } = engine.report();
      return context.json({
        ...{ state: engine.state, startedAtMs: gateway.started.atMs },
        ...{ sourcesByState: countStates(sources), sinksByState: countStates(engine.sinks()) },
        ...{ admittedRecords: admitted, droppedRecords: dropped, deliveredRecords: delivered },
        readiness: gateway.readiness(),
      });
    },
  );
}

function countStates(parts: readonly { readonly state: string }[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { state } of parts) counts[state] = (counts[state] ?? 0) + 1;
  return counts;
}
