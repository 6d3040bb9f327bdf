/** The routes of the API, all of them, and what becomes of their errors. */

import type { IncomingMessage } from 'node:http';
import { messageOf } from '../domain/errors.ts';
import { NOTHING_SECRET, redactData } from '../domain/redact.ts';
import type { HttpDeps } from './http-deps.ts';
import type { LoopLag } from './loop-lag.ts';
import { isDefect, problemOf, problemResponse } from './problem.ts';
import { Routes } from './route.ts';
import { addConfigRoutes } from './routes/config-routes.ts';
import { addEventRoutes, type EventRoutesOptions } from './routes/event-routes.ts';
import { addHistoryRoutes } from './routes/history-routes.ts';
import { addIngestRoutes } from './routes/ingest-routes.ts';
import { addDeadLetterRoutes } from './routes/dead-letter-routes.ts';
import { addProcessRoutes } from './routes/process-routes.ts';
import { addSinkRoutes } from './routes/sink-routes.ts';
import { addSourceRoutes } from './routes/source-routes.ts';

export interface ApiParts extends EventRoutesOptions {
  readonly loop: LoopLag;
  /** Is told of the route that a request leads to. */
  readonly routed: (request: IncomingMessage, template: string) => void;
}

export function createApi(deps: HttpDeps, parts: ApiParts): Routes {
  const routes = new Routes(deps.options.limits, parts.routed);
  addProcessRoutes(routes, deps, parts.loop);
  addSourceRoutes(routes, deps);
  addSinkRoutes(routes, deps);
  addHistoryRoutes(routes, deps);
  addDeadLetterRoutes(routes, deps);
  addConfigRoutes(routes, deps);
  addEventRoutes(routes, parts);
  addIngestRoutes(routes);
  routes.close();
  routes.app.onError((error, { req }) => {
    if (isDefect(error)) {
      deps.log.error(
        { method: req.method, path: req.path, error: messageOf(error), stack: error.stack },
        'a request could not be answered; this is a defect of the server',
      );
    }
    const told = problemOf(error);
    const problem = { ...told, body: redactData(told.body, deps.redact ?? NOTHING_SECRET) };
    const { allowed } = problem.body;
    return problemResponse(
      Array.isArray(allowed)
        ? { ...problem, headers: { ...problem.headers, allow: allowed.join(', ') } }
        : problem,
    );
  });
  return routes;
}
