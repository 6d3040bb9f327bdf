/** Ingest over HTTP and WebSockets: both ways into push sources, with one bound on what waits for its
 *  commit. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { LIMITS } from '../../domain/limits.ts';
import type { Principal } from '../http-deps.ts';
import { Budget } from './budget.ts';
import type { IngestDeps } from './ingest-deps.ts';
import { createIngestRoutes } from './ingest-routes.ts';
import { createIngestSockets } from './ingest-socket.ts';

export interface Ingest {
  /** Answers `POST /api/ingest/:source`, on Node's own streams. Checks what `principal` may. Never
   *  rejects. */
  handle(
    request: IncomingMessage,
    response: ServerResponse,
    principal: Principal,
    sourceId: string,
  ): Promise<void>;
  /** Takes the upgrade of `GET /api/ingest/:source`. Checks what who asks may; Host, Origin and token are
   *  checked before. `whoAsks` is asked again while the WebSocket is open; null: nobody any more. */
  upgrade(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    whoAsks: () => Principal | null,
    sourceId: string,
  ): void;
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
