/** `GET /api/ingest/:source` as a WebSocket: who may open one, how many there are, and their end. */

import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { formatAddress, parseAddress } from '../../domain/address.ts';
import type { TimerHandle } from '../../domain/clock.ts';
import { HeadgateError } from '../../domain/errors.ts';
import { LIMITS } from '../../domain/limits.ts';
import { lackOfSource, NOBODY } from '../auth.ts';
import { clientKey, FairPlaces } from '../fair-places.ts';
import type { Principal } from '../http-deps.ts';
import { problemOf, type Problem } from '../problem.ts';
import { endWithProblem } from '../raw-socket-response.ts';
import type { Budget } from './budget.ts';
import type { IngestDeps } from './ingest-deps.ts';
import { Session } from './socket-session.ts';

export interface IngestSockets {
  /** Makes a WebSocket of the request, or answers why not. Checks what who asks may; Host, Origin and token
   *  are checked before. `whoAsks` is asked again while the WebSocket is open; null: nobody any more. */
  upgrade(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    whoAsks: () => Principal | null,
    sourceId: string,
  ): void;
  /** Answers what was taken, for as long as `deadlineMs` allows, and closes all. */
  close(deadlineMs: number): Promise<void>;
}

/** How often a client is looked after; one that is silent for two of them is cut. */
const LOOK_MS = 15_000;
/** Pieces of one message that the network may cut it into. */
const CHUNKS_MAX = 4_096;
const TOO_MANY = 'there are as many WebSockets as http.limits.socketsMax, or as one client may open';
const CLIENT = /^[\x21-\x7e]+$/;

export function createIngestSockets(deps: IngestDeps, budget: Budget): IngestSockets {
  const { clock, limits, recordBytesMax = LIMITS.recordBytesMax } = deps;
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    // A message a turn: a burst on one connection does not hold up the others.
    allowSynchronousEvents: false,
    autoPong: false,
    maxPayload: LIMITS.ingestMessageBytesMax,
    maxFragments: LIMITS.ingestMessageFragmentsMax,
    maxBufferedChunks: CHUNKS_MAX,
  });
  const sessions = new Set<Session>();
  const places = new FairPlaces(limits.socketsMax);
  let isClosed = false;
  let timer: TimerHandle = undefined;

  const look = () => {
    timer = sessions.size === 0 ? undefined : clock.setTimeout(look, LOOK_MS);
    for (const session of sessions) session.look();
  };

  const refusalOf = (address: string, client: string | null): Problem | null => {
    if (deps.pushSources(address) === undefined) {
      return problemOf(new HeadgateError('HG_SOURCE_UNKNOWN', `there is no push source "${address}"`));
    }
    if (client !== null && (client.length > LIMITS.idempotencyKeyCharsMax || !CLIENT.test(client))) {
      const message = `client must be 1 to ${LIMITS.idempotencyKeyCharsMax} visible characters`;
      return problemOf(new HeadgateError('HG_OPTION_INVALID', message, { details: { field: 'client' } }));
    }
    return null;
  };

  return {
    upgrade(request, stream, head, whoAsks, sourceId) {
      // An emitter without a listener for errors takes the process down.
      stream.on('error', () => {});
      const address = formatAddress(parseAddress(sourceId));
      const client = new URL(request.url ?? '/', 'http://host').searchParams.get('client');
      const lackNow = () => lackOfSource(whoAsks() ?? NOBODY, address);
      const refusal = lackNow() ?? refusalOf(address, client);
      if (refusal !== null) {
        endWithProblem(stream, refusal);
        return;
      }
      const leave = isClosed
        ? null
        : places.take(clientKey(whoAsks() ?? NOBODY, request.socket.remoteAddress));
      if (leave === null) {
        endWithProblem(stream, problemOf(new HeadgateError('HG_HTTP_BUSY', TOO_MANY)));
        return;
      }
      stream.once('close', leave);
      server.handleUpgrade(request, stream, head, (socket) => {
        const session = new Session({
          ...{ socket, address, client, budget, clock, redact: deps.redact },
          source: () => deps.pushSources(address),
          maySend: () => lackNow() === null,
          messagesPerSecondMax: limits.messagesPerSecondMax,
          reading: { recordBytesMax, depthMax: limits.depthMax, isMarked: client !== null },
        });
        sessions.add(session);
        socket.once('close', () => sessions.delete(session));
        if (timer === undefined) timer = clock.setTimeout(look, LOOK_MS);
      });
    },
    async close(deadlineMs) {
      isClosed = true;
      clock.clearTimeout(timer);
      const over = new AbortController();
      const ends = Promise.all([...sessions].map((session) => session.end()));
      const late = clock.sleep(deadlineMs, over.signal).then(() => true);
      const isLate = await Promise.race([ends.then(() => false), late]);
      over.abort();
      if (isLate) for (const session of sessions) session.terminate();
      server.close();
    },
  };
}
