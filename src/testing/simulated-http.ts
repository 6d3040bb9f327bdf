/** A simulated HTTP server: a transport for httpSource that answers on a clock, as told, without a network.
 *  It fails in the ways real ones do. */

import type { HttpAnswer, HttpRequest, HttpTransport } from '../../actors/protocols/http/transport.ts';
import type { Clock } from '../domain/clock.ts';

export interface SimulatedAnswer {
  /** Default 200. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Text and bytes as they are, anything else as JSON. */
  readonly body?: unknown;
  /** Time until the head of the answer comes. Default 0. */
  readonly delayMs?: number;
  /** Pieces the body comes in, and the wait before each. Default: one, at once. */
  readonly chunks?: number;
  readonly chunkGapMs?: number;
  /** `refused`: no connection. `reset`: closed without an answer. `silent`: never answers. `truncated`: half
   *  of the body and no more. `endless`: the body is repeated for ever. */
  readonly fault?: 'refused' | 'reset' | 'silent' | 'truncated' | 'endless';
}

export interface SimulatedHttp {
  readonly transport: HttpTransport;
  /** Every request so far, with the monotonic time it came. */
  readonly requests: readonly (HttpRequest & { readonly atMs: number })[];
  /** Requests whose answers are not complete, given up ones aside. */
  readonly inFlight: number;
}

/** `answer` is called for each request; `n` counts them from 1.
 *
 *  @example
 *  const server = simulatedHttp(clock, (_, n) => (n % 10 === 0 ? { status: 503 } : { body: { n } }));
 *  httpSource({ id: 'http-1', url: 'http://sensor/', intervalMs: 100, transport: server.transport }); */
export function simulatedHttp(
  clock: Clock,
  answer: (request: HttpRequest, n: number) => SimulatedAnswer,
): SimulatedHttp {
  const requests: (HttpRequest & { atMs: number })[] = [];
  let inFlight = 0;

  const transport: HttpTransport = async (request) => {
    requests.push({ ...request, atMs: clock.monotonicMs() });
    const told = answer(request, requests.length);
    inFlight++;
    let counted = true;
    const done = () => {
      if (counted) inFlight--;
      counted = false;
    };
    request.signal.addEventListener('abort', done, { once: true });
    if (told.fault === 'refused') throw failure('ECONNREFUSED');
    if (told.fault === 'silent') await clock.sleep(NEVER_MS, request.signal);
    else await clock.sleep(told.delayMs ?? 0, request.signal);
    if (request.signal.aborted) throw failure('ABORT_ERR');
    if (told.fault === 'reset') throw failure('ECONNRESET');
    return answerOf(told, bodyOf(clock, told, request.signal, done));
  };

  return {
    transport,
    requests,
    get inFlight() {
      return inFlight;
    },
  };
}

/** Longer than any run. */
const NEVER_MS = Number.MAX_SAFE_INTEGER;

function answerOf(told: SimulatedAnswer, body: AsyncIterable<Uint8Array>): HttpAnswer {
  const headers = new Headers(told.headers);
  return { status: told.status ?? 200, header: (name) => headers.get(name), body };
}

async function* bodyOf(
  clock: Clock,
  told: SimulatedAnswer,
  signal: AbortSignal,
  done: () => void,
): AsyncGenerator<Uint8Array> {
  const { chunks = 1, chunkGapMs = 0, fault } = told;
  const bytes = bytesOf(told.body);
  const step = Math.max(1, Math.ceil(bytes.length / chunks));
  const stop = fault === 'truncated' ? Math.floor(bytes.length / 2) : bytes.length;
  try {
    do {
      for (let from = 0; from < stop; from += step) {
        if (chunkGapMs > 0 || fault === 'endless') await clock.sleep(chunkGapMs, signal);
        if (signal.aborted) throw failure('ABORT_ERR');
        yield bytes.slice(from, Math.min(from + step, stop));
      }
    } while (fault === 'endless' && stop > 0);
    if (fault === 'truncated') throw failure('UND_ERR_SOCKET');
  } finally {
    done();
  }
}

function bytesOf(body: unknown): Uint8Array {
  if (body instanceof Uint8Array) return body;
  const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body);
  return new TextEncoder().encode(text);
}

function failure(code: string): Error {
  return Object.assign(new Error(`simulated: ${code}`), { code });
}
