/** The port through which an HTTP source asks, and the real thing behind it: Node's HTTP client. Unlike fetch
 *  it takes interim answers that it did not ask for, knows whether a connection was used before, connects to
 *  every port, and shows the certificate that it refused. */

import http, { type ClientRequest, type IncomingMessage } from 'node:http';
import type net from 'node:net';
import { pipeline, type Duplex, type Readable } from 'node:stream';
import tls from 'node:tls';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { openSocket, type TlsOptions } from '../socket/open-socket.ts';

export interface HttpRequest {
  /** Without user name and password. */
  readonly url: string;
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array | null;
  /** Aborts when the poll is given up, and when it is over. */
  readonly signal: AbortSignal;
  /** A transport calls it with false when it begins to connect, and with true when the connection stands. */
  readonly onConnected?: (stands: boolean) => void;
}

export interface HttpAnswer {
  readonly status: number;
  /** Names in any case; null where there is no such header. */
  header(name: string): string | null;
  /** The body as it comes, null where there is none. Ending the iteration early abandons the rest. */
  readonly body: AsyncIterable<Uint8Array> | null;
}

/** Resolves with the answer's head; the body is still to come. Rejects where there is no answer, in any way
 *  it likes: the source makes a HeadgateError of it. Must give up when `request.signal` aborts. */
export type HttpTransport = (request: HttpRequest) => Promise<HttpAnswer>;

const PORT = 80;
const SECURE_PORT = 443;
/** How long a connection is kept for the next request. */
const KEPT_MS_MAX = 4_000;

/** Makes a transport of one source or sink, with connections of its own, which are kept for a few seconds.
 *
 *  Redirects are handed back as they are: followed, they would carry the request's own headers to another
 *  address. A request that may be repeated (GET, PUT) and whose kept connection is reset before a byte of the
 *  answer came is sent once more, over a new connection: the server closed it while the request was under
 *  way. */
export function createHttpTransport(tls?: TlsOptions): HttpTransport {
  const agents = new Map<boolean, KeptConnections>();
  const agentFor = (isSecure: boolean): KeptConnections => {
    const agent = agents.get(isSecure) ?? new KeptConnections(isSecure, tls);
    agents.set(isSecure, agent);
    return agent;
  };
  return async (request) => {
    const agent = agentFor(request.url.startsWith('https:'));
    try {
      return await exchange(request, agent);
    } catch (error) {
      const isRepeatable = request.method !== 'POST' && !request.signal.aborted;
      if (!isRepeatable || !(error instanceof StaleConnection)) throw causeOf(error);
      agent.forget();
      return exchange(request, agent).catch((again: unknown) => {
        throw causeOf(again);
      });
    }
  };
}

/** A connection that had served a request was closed before a byte of the next answer came. */
class StaleConnection extends Error {}

function causeOf(error: unknown): unknown {
  return error instanceof StaleConnection ? error.cause : error;
}

class KeptConnections extends http.Agent {
  readonly #isSecure: boolean;
  readonly #tls: TlsOptions | undefined;
  /** Default ports, which Node leaves out of the header Host. */
  readonly protocol: string;
  readonly defaultPort: number;

  constructor(isSecure: boolean, tls: TlsOptions | undefined) {
    super({ keepAlive: true, timeout: KEPT_MS_MAX });
    this.#isSecure = isSecure;
    this.#tls = tls;
    this.protocol = isSecure ? 'https:' : 'http:';
    this.defaultPort = isSecure ? SECURE_PORT : PORT;
  }

  override createConnection({ host, port }: http.ClientRequestArgs): Duplex {
    const address = { host: host ?? '', port: Number(port ?? this.defaultPort), isSecure: this.#isSecure };
    return openSocket(address, this.#tls);
  }

  /** Closes what is kept: it is as old as the connection that was closed. */
  forget(): void {
    for (const sockets of Object.values(this.freeSockets))
      for (const socket of sockets ?? []) socket.destroy();
  }
}

function exchange(request: HttpRequest, agent: KeptConnections): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const { url, method, body, signal, onConnected } = request;
    const asked: ClientRequest = http.request(url, { method, agent, signal, headers: headersOf(request) });
    let readBefore = 0;
    asked.once('socket', (socket) => {
      readBefore = socket.bytesRead;
      if (onConnected !== undefined) watchConnection(asked, socket, onConnected);
    });
    asked.once('response', (response) => resolve(answerOf(response)));
    asked.on('error', (error) => {
      const hasAnswered = (asked.socket?.bytesRead ?? 0) > readBefore;
      const isStale = asked.reusedSocket && !hasAnswered && isReset(error);
      reject(isStale ? new StaleConnection('', { cause: error }) : error);
    });
    asked.end(body ?? undefined);
  });
}

/** Tells whether the connection of a request stands, TLS included, and when it comes to. */
export function watchConnection(
  { reusedSocket }: ClientRequest,
  socket: net.Socket,
  onConnected: (stands: boolean) => void,
): void {
  onConnected(reusedSocket);
  if (reusedSocket) return;
  socket.once(socket instanceof tls.TLSSocket ? 'secureConnect' : 'connect', () => onConnected(true));
}

function isReset(error: Error): boolean {
  const { code } = error as { code?: unknown };
  return code === 'ECONNRESET' || code === 'EPIPE' || code === 'ECONNABORTED';
}

function headersOf({ headers, body }: HttpRequest): Record<string, string> {
  return {
    accept: '*/*',
    'accept-encoding': 'gzip, deflate, br',
    ...(typeof body === 'string' ? { 'content-type': 'text/plain;charset=UTF-8' } : {}),
    ...headers,
  };
}

function answerOf(response: IncomingMessage): HttpAnswer {
  const { statusCode: status = 0, headers } = response;
  return {
    status,
    header(name) {
      const value = headers[name.toLowerCase()];
      if (value === undefined) return null;
      return Array.isArray(value) ? value.join(', ') : value;
    },
    body: decompressed(response),
  };
}

/** How each content coding is undone (RFC 9110, 8.4.1). Others are left as they are. */
const DECODERS: Readonly<Record<string, () => Duplex>> = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
};

function decompressed(response: IncomingMessage): Readable {
  const codings = (response.headers['content-encoding'] ?? '')
    .split(',')
    .map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== '' && coding !== 'identity');
  const decoders = codings.toReversed().map((coding) => DECODERS[coding]?.());
  if (decoders.length === 0 || decoders.includes(undefined)) return response;
  const last = decoders.at(-1) as Duplex;
  // Errors of all streams come out of the last one.
  pipeline([response, ...(decoders as Duplex[])], () => {});
  return last;
}
