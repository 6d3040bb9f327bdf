/** One question to an HTTP server and its answer, over a connection that is kept between questions and closed
 *  with its link.
 *
 *  Interim answers (1xx) are skipped, whether they were asked for or not. A kept connection that the server
 *  has closed meanwhile is no failure: the question is asked once more, over a new one. */

import {
  Agent as HttpAgent,
  request as requestHttp,
  type ClientRequest,
  type IncomingMessage,
} from 'node:http';
import { Agent as HttpsAgent, request as requestHttps, type AgentOptions } from 'node:https';
import { TLSSocket } from 'node:tls';
import type { Clock } from '../../../src/domain/clock.ts';
import { exchangeError } from './failures.ts';
import { watchConnection } from './transport.ts';
import { keepCertificate } from '../socket/open-socket.ts';

export interface HttpQuestion {
  readonly url: string;
  /** The address as messages may show it. */
  readonly place: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
  readonly timeoutMs: number;
  /** Gives up. */
  readonly signal: AbortSignal;
}

export interface HttpAnswerHead {
  readonly status: number;
  header(name: string): string | null;
  /** How the body begins, as it came. */
  readonly text: string;
}

export interface HttpExchanger {
  /** @throws HeadgateError as {@link exchangeError} says, if there is no answer */
  ask(question: HttpQuestion): Promise<HttpAnswerHead>;
  /** Closes the connection that is kept. */
  close(): void;
}

/** Bytes of a body that are read, so that the connection can be used again; and characters that are kept. */
const ANSWER_BYTES_MAX = 64 * 1024;
const TEXT_CHARS_MAX = 2_000;

export function httpExchanger(clock: Clock, isSecure: boolean, tls: AgentOptions = {}): HttpExchanger {
  // Deliveries do not overlap: one connection is enough.
  const options = { keepAlive: true, maxSockets: 1, maxFreeSockets: 1 };
  const agent = isSecure ? new HttpsAgent({ ...options, ...tls }) : new HttpAgent(options);
  return {
    async ask(question) {
      const { place, timeoutMs, signal } = question;
      const over = new AbortController();
      const progress = { answered: false, timedOut: false, connected: false };
      const onConnected = (stands: boolean) => {
        progress.connected = stands;
      };
      const timer = clock.setTimeout(() => {
        progress.timedOut = true;
        over.abort();
      }, timeoutMs);
      const giveUp = () => over.abort();
      signal.addEventListener('abort', giveUp, { once: true });
      try {
        return await askAgain({ ...question, signal: over.signal }, agent, onConnected);
      } catch (error) {
        throw exchangeError(error, { place, timeoutMs, nowMs: clock.wallMs() }, progress);
      } finally {
        clock.clearTimeout(timer);
        signal.removeEventListener('abort', giveUp);
      }
    },
    close: () => agent.destroy(),
  };
}

/** Over a new connection, if the kept one turns out to be closed. */
async function askAgain(
  question: HttpQuestion,
  agent: HttpAgent,
  onConnected: (stands: boolean) => void,
): Promise<HttpAnswerHead> {
  const first = begin(question, agent, onConnected);
  try {
    return await readHead(await first.answer);
  } catch (error) {
    if (question.signal.aborted || !first.request.reusedSocket || !isClosed(error)) throw error;
    return readHead(await begin(question, agent, onConnected).answer);
  }
}

function isClosed(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return code === 'ECONNRESET' || code === 'EPIPE';
}

function begin(
  { url, method, headers, body, signal }: HttpQuestion,
  agent: HttpAgent,
  onConnected: (stands: boolean) => void,
) {
  const bytes = Buffer.from(body);
  const send = url.startsWith('https:') ? requestHttps : requestHttp;
  const request: ClientRequest = send(url, {
    ...{ method, agent, signal },
    headers: { accept: '*/*', ...headers, 'content-length': bytes.length },
  });
  const answer = new Promise<IncomingMessage>((resolve, reject) => {
    request.on('response', resolve);
    // Later errors are those of a body that is not read any more.
    request.on('error', reject);
  });
  request.on('socket', (socket) => {
    if (socket instanceof TLSSocket && !request.reusedSocket) keepCertificate(socket);
    watchConnection(request, socket, onConnected);
  });
  request.end(bytes);
  return { request, answer };
}

/** Reads a short answer to its end. Its status is known: whether the rest of it comes does not matter. */
async function readHead(response: IncomingMessage): Promise<HttpAnswerHead> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      if (bytes < TEXT_CHARS_MAX) chunks.push(chunk.subarray(0, TEXT_CHARS_MAX));
      bytes += chunk.length;
      if (bytes > ANSWER_BYTES_MAX) break;
    }
  } catch {
    // It broke off.
  }
  return {
    status: response.statusCode ?? 0,
    header(name) {
      const value = response.headers[name];
      return Array.isArray(value) ? (value[0] ?? null) : (value ?? null);
    },
    text: Buffer.concat(chunks).toString('utf8').slice(0, TEXT_CHARS_MAX),
  };
}
