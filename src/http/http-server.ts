/** The HTTP server of a gateway: the control API, ingest, the live view and the probes, over one port.
 *
 *  A request passes, in this order: the limit of connections, the door (pace, target, Host, Origin), its
 *  token, the limit of requests that are being answered, and then its route, which asks for a scope. Whatever
 *  is refused is answered as a problem, and every answer bears the common headers. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, Server as TlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { getRequestListener, type HttpBindings } from '@hono/node-server';
import { HeadgateError, messageOf } from '../domain/errors.ts';
import { createApi } from './api.ts';
import { createAuthenticator, NOBODY } from './auth.ts';
import { answerBrokenRequest, endWithProblem } from './raw-socket-response.ts';
import { discardBody } from './request-body.ts';
import {
  createRequestGuard,
  isPreflight,
  isTls,
  PREFLIGHT_HEADERS,
  setCommonHeaders,
} from './request-guard.ts';
import { InFlightRequests } from './in-flight-requests.ts';
import { clientKey } from './fair-places.ts';
import { exposureWarnings, requireSafeAddress } from './exposure.ts';
import type { HttpDeps, Principal } from './http-deps.ts';
import { createIngest } from './ingest/ingest.ts';
import { RequestWatch } from './request-watch.ts';
import { INGEST_PATH, ingestSourceOf } from './routes/ingest-routes.ts';
import { LiveFeed } from './live/live-feed.ts';
import { watchLoop } from './loop-lag.ts';
import { problemOf, sendProblem, type Problem } from './problem.ts';
import { isLoopback } from './remote-address.ts';

export interface HttpServer {
  /** @throws HeadgateError HG_HTTP_EXPOSED, HG_HTTP_LISTEN */
  listen(): Promise<{ readonly url: string; readonly port: number }>;
  /** Shows this certificate to connections that come from now on. Only where the server was made with one.
   *  @throws Error where it cannot be read or the key belongs to another one; nothing has changed then. */
  renewCertificate(tls: NonNullable<HttpDeps['options']['tls']>): void;
  /** Takes no more requests, answers those it has, and ends what is left after `deadlineMs`. */
  close(options?: { readonly deadlineMs?: number }): Promise<void>;
  connections(): number;
  /** What clients of the live view cost now. */
  live(): { readonly clients: number; readonly bufferedBytes: number };
}

/** Probes need no token; they are told no more than yes or no. */
const PUBLIC_PATHS: ReadonlySet<string> = new Set(['/healthz', '/readyz']);

const CLOSE_DEADLINE_MS = 5_000;
/** How often Node looks for requests that take too long. */
const CHECK_EVERY_MS = 1_000;
const KEEP_ALIVE_MS = 5_000;
const HEADERS_TIMEOUT_MS = 10_000;
const REQUESTS_PER_CONNECTION = 10_000;
const TLS = { minVersion: 'TLSv1.2' } as const;

export function createHttpServer(deps: HttpDeps): HttpServer {
  const { options, clock, log, tokens, gateway } = deps;
  const { limits } = options;
  const door = createRequestGuard(options, clock);
  const authenticator = createAuthenticator({
    ...{ tokens, clock },
    failedLoginsPerMinuteMax: limits.failedLoginsPerMinuteMax,
    opensWithoutTokens: options.allowOpen || isLoopback(options.host),
  });
  const exchanges = new InFlightRequests(limits, clock);
  const loop = watchLoop(clock);
  const watch = new RequestWatch(deps);
  const feed = new LiveFeed({
    ...{ engine: gateway.engine, history: deps.history, clock, log },
    clientsMax: limits.liveClientsMax,
    clientBytesMax: limits.liveClientBytesMax,
  });
  const ingest = createIngest({
    ...{ pushSources: deps.pushSources, limits, clock, log },
    onCrowded: () => exchanges.cutSlowUploads(),
    ...(deps.recordBytesMax === undefined ? {} : { recordBytesMax: deps.recordBytesMax }),
    ...(deps.redact === undefined ? {} : { redact: deps.redact }),
  });
  const { app } = createApi(deps, {
    loop,
    feed,
    whoAsks: (authorization) => authenticator.standing(authorization),
    release: (response) => exchanges.release(response),
    routed: (request, template) => watch.routed(request, template),
  });
  const principals = new WeakMap<IncomingMessage, Principal>();
  const answerByRoute = getRequestListener(
    async (request, env) => {
      const { incoming, outgoing } = env as HttpBindings;
      const made = await app.fetch(request, { ...env, principal: principals.get(incoming) ?? NOBODY });
      discardBody(incoming, outgoing, clock);
      return made;
    },
    // Its own way to be rid of a body reads 64 MiB of it. What it cannot read is left for us to answer.
    { overrideGlobalObjects: false, autoCleanupIncoming: false, errorHandler: () => {} },
  );

  const turnAway = (request: IncomingMessage, response: ServerResponse, problem: Problem): false => {
    discardBody(request, response, clock);
    sendProblem(response, problem);
    return false;
  };
  /** Whether a request may go on to its route. */
  const letIn = (request: IncomingMessage, response: ServerResponse): boolean => {
    watch.begin(request, response);
    setCommonHeaders(response, isTls(request));
    const refused = door.refusalOf(request);
    if (refused !== null) return turnAway(request, response, refused);
    for (const [name, value] of Object.entries(door.corsHeadersOf(request))) response.setHeader(name, value);
    if (isPreflight(request)) {
      discardBody(request, response, clock);
      response.writeHead(204, PREFLIGHT_HEADERS).end();
      return false;
    }
    const { authorization } = request.headers;
    // A probe with a token that is stale or wrong is answered, and is no failed login.
    const isOpenToAll = PUBLIC_PATHS.has(pathOf(request));
    const login = isOpenToAll
      ? { principal: authenticator.standing(authorization)() ?? NOBODY, problem: undefined }
      : authenticator.authenticate(authorization, request.socket.remoteAddress);
    if (login.problem !== undefined) return turnAway(request, response, login.problem);
    principals.set(request, login.principal);
    const client = clientKey(login.principal ?? NOBODY, request.socket.remoteAddress);
    if (exchanges.begin(request, response, client, uploadSourceOf(request) !== null)) return true;
    exchanges.cutSlowUploads();
    const message = 'as many requests are being answered as the server takes, or as one client may make';
    return turnAway(request, response, problemOf(new HeadgateError('HG_HTTP_BUSY', message)));
  };

  const route = async (request: IncomingMessage, response: ServerResponse) => {
    await answerByRoute(request, response);
    if (!response.headersSent && !response.destroyed) turnAway(request, response, unreadable());
  };
  /** Uploads are read from Node's own stream; everything else goes by its route. */
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    const source = uploadSourceOf(request);
    const principal = principals.get(request) ?? NOBODY;
    if (source !== null) watch.routed(request, INGEST_PATH);
    const work =
      source === null ? route(request, response) : ingest.handle(request, response, principal, source);
    void work.finally(() => exchanges.made(response));
  };

  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => {});
    const { headers, socket: connection } = request;
    const refused = door.refusalOf(request);
    const login = authenticator.authenticate(headers.authorization, connection.remoteAddress);
    if (refused !== null) endWithProblem(socket, refused);
    else if (login.problem !== undefined) endWithProblem(socket, login.problem);
    else {
      const source = request.method === 'GET' ? ingestSourceOf(request) : null;
      if (source === null) endWithProblem(socket, nothingToUpgradeTo());
      else ingest.upgrade(request, socket, head, authenticator.standing(headers.authorization), source);
    }
  };

  const headersTimeout = Math.min(limits.requestTimeoutMs, HEADERS_TIMEOUT_MS);
  const serverOptions = {
    maxHeaderSize: limits.headerBytesMax,
    // Bodies are watched by the exchanges: an upload may take longer.
    requestTimeout: 0,
    headersTimeout,
    connectionsCheckingInterval: CHECK_EVERY_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    requireHostHeader: false,
  };
  const { tls } = options;
  const server: Server =
    tls === null
      ? createServer(serverOptions)
      : createTlsServer({ ...serverOptions, ...tls, ...TLS, handshakeTimeout: headersTimeout });
  server.maxRequestsPerSocket = REQUESTS_PER_CONNECTION;
  server.on('connection', (socket: Socket) => exchanges.connected(socket, tls !== null));
  // Who asks first whether to send a body is told so by whoever reads it.
  for (const event of ['request', 'checkContinue']) {
    server.on(event, (request: IncomingMessage, response: ServerResponse) => {
      if (letIn(request, response)) answer(request, response);
    });
  }
  server.on('clientError', answerBrokenRequest);
  server.on('upgrade', upgrade);

  return {
    async listen() {
      requireSafeAddress(options, tokens().length);
      for (const warning of exposureWarnings(options, tokens().length))
        log.warn({ host: options.host }, warning);
      await listening(server, options.host, options.port);
      const { port } = server.address() as AddressInfo;
      const host = options.host.includes(':') ? `[${options.host}]` : options.host;
      return { url: `${tls === null ? 'http' : 'https'}://${host}:${port}`, port };
    },
    renewCertificate(renewed) {
      if (server instanceof TlsServer) server.setSecureContext({ ...renewed, ...TLS });
    },
    async close({ deadlineMs = CLOSE_DEADLINE_MS } = {}) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      feed.close();
      loop.close();
      server.closeIdleConnections();
      await Promise.all([exchanges.answered(deadlineMs), ingest.close({ deadlineMs })]);
      exchanges.close();
      await closed;
    },
    connections: () => exchanges.connections,
    live: () => ({ clients: feed.clients, bufferedBytes: feed.bufferedBytes }),
  };
}

/** The source that an upload is for; null for every other request. */
function uploadSourceOf(request: IncomingMessage): string | null {
  return request.method === 'POST' ? ingestSourceOf(request) : null;
}

function nothingToUpgradeTo(): Problem {
  const message = 'there is nothing to upgrade to at this path';
  return problemOf(new HeadgateError('HG_HTTP_ROUTE_UNKNOWN', message));
}

function unreadable(): Problem {
  const message = 'the request cannot be read: its target and its Host make no URL';
  return problemOf(new HeadgateError('HG_HTTP_MALFORMED', message));
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '').split('?')[0] ?? '';
}

const LISTEN_ADVICE: Readonly<Record<string, string>> = {
  EADDRINUSE: 'end the program that listens there, or choose another http.port (0: any that is free)',
  EADDRNOTAVAIL: 'name an address of this machine as http.host',
  ENOTFOUND: 'name an address of this machine as http.host',
  EACCES: 'choose an http.port of 1024 or more, or let the gateway use lower ones (CAP_NET_BIND_SERVICE)',
};

/** @throws HeadgateError HG_HTTP_LISTEN */
function listening(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException) => {
      const advice = LISTEN_ADVICE[error.code ?? ''] ?? 'look at http.host and http.port';
      const message = `http cannot listen on ${host}:${port}: ${messageOf(error)}; ${advice}`;
      reject(new HeadgateError('HG_HTTP_LISTEN', message, { cause: error, details: { host, port } }));
    };
    server.once('error', fail);
    server.listen(port, host, () => {
      server.off('error', fail);
      resolve();
    });
  });
}
