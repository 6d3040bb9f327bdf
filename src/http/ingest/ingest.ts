/** Ingest over HTTP and WebSockets: both ways into push sources, with one bound on what waits for its
 *  commit. */

import { LIMITS } from '../../domain/limits.ts';
import { Budget } from './budget.ts';
import type { IngestDeps } from './ingest-deps.ts';
import { createIngestRoutes, type IngestRoutes } from './ingest-routes.ts';
import { createIngestSockets, type IngestSockets } from './ingest-socket.ts';

/** `POST /api/ingest/:source` and, by an upgrade, `GET` of the same. */
export interface Ingest extends IngestRoutes, Pick<IngestSockets, 'upgrade'> {
  /** Closes the WebSockets, after what they sent is answered. To be called before the engine stops. */
  close(options?: { readonly deadlineMs?: number }): Promise<void>;
}

const CLOSE_MS = 5_000;

export function createIngest(deps: IngestDeps): Ingest {
  const budget = new Budget(LIMITS.ingestPendingBytesMax);
  const routes = createIngestRoutes(deps, budget);
  const sockets = createIngestSockets(deps, budget);
  return {
    handle: (request, response, principal, sourceId) => routes.handle(request, response, principal, sourceId),
    upgrade: (request, socket, head, whoAsks, sourceId) =>
      sockets.upgrade(request, socket, head, whoAsks, sourceId),
    close: ({ deadlineMs = CLOSE_MS } = {}) => sockets.close(deadlineMs),
  };
}
