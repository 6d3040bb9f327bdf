/** One poll of an HTTP source: asks, checks the answer's status, takes in its body up to the limit. Whatever
 *  goes wrong comes out as a HeadgateError that names the address without its secrets. */

import { HeadgateError } from '../../../src/domain/errors.ts';
import type { SourceIo } from '../../../src/domain/source.ts';
import { answerWords, retryDetails, statusAdvice } from './answers.ts';
import { exchangeError } from '../../protocols/http/failures.ts';
import type { RetryAfterReader } from '../../protocols/http/retry-after.ts';
import type { HttpAnswer, HttpRequest, HttpTransport } from '../../protocols/http/transport.ts';

export interface PollPlan {
  readonly transport: HttpTransport;
  readonly request: Omit<HttpRequest, 'signal'>;
  /** The address as messages may show it. */
  readonly place: string;
  readonly timeoutMs: number;
  readonly bodyBytesMax: number;
  /** Secrets of the request, which an answer may repeat. */
  readonly secrets: readonly string[];
  readonly retryAfter: RetryAfterReader;
}

/** Of a body that is too large, the bytes that are kept. */
const KEPT_BYTES_MAX = 1_024;

/** An answer whose body is larger than allowed, with its first bytes. */
export class TooLargeBody extends HeadgateError {
  readonly kept: Uint8Array;

  constructor({ place, bodyBytesMax }: PollPlan, bytes: number, kept: Uint8Array) {
    const shown = Uint8Array.from(kept.subarray(0, KEPT_BYTES_MAX));
    super(
      'HG_READ_TOO_LARGE',
      `${place} answered with more than ${bodyBytesMax} bytes; raise bodyBytesMax or ask for less`,
      { details: { bodyBytesMax, bytes, keptBytes: shown.length } },
    );
    this.kept = shown;
  }
}

/** What the far end said its content is, to be asked for again only if it has changed (RFC 9110, 13). */
export interface Validators {
  readonly etag: string | null;
  readonly lastModified: string | null;
}

/** A good answer. `body` is null where there is nothing new: 304, 204, 205. */
export interface Polled {
  readonly body: Uint8Array | null;
  readonly contentType: string | null;
  readonly validators: Validators;
}

/** @throws HeadgateError HG_LINK_REFUSED, _LOST, _TIMEOUT, _UNAUTHORISED, HG_READ_STATUS (with
 *  `details.status` and `details.retryAfterMs`), HG_READ_TOO_LARGE, HG_READ_TRUNCATED. */
export async function pollOnce(io: SourceIo, plan: PollPlan, validators: Validators): Promise<Polled> {
  const giveUp = new AbortController();
  const abort = () => giveUp.abort();
  io.signal.addEventListener('abort', abort, { once: true });
  const progress = { answered: false, timedOut: false, connected: null as boolean | null };
  const onConnected = (stands: boolean) => {
    progress.connected = stands;
  };
  const timer = io.clock.setTimeout(() => {
    progress.timedOut = true;
    abort();
  }, plan.timeoutMs);
  try {
    const headers = { ...conditionalHeaders(validators), ...plan.request.headers };
    const answer = await plan.transport({
      ...{ ...plan.request, headers, onConnected },
      signal: giveUp.signal,
    });
    progress.answered = true;
    return await takeAnswer(answer, plan, validators, io);
  } catch (error) {
    if (error instanceof HeadgateError) throw error;
    throw exchangeError(error, { ...plan, nowMs: io.clock.wallMs() }, progress);
  } finally {
    io.clock.clearTimeout(timer);
    io.signal.removeEventListener('abort', abort);
    // An answer that was refused by its head has a body that nobody will read.
    abort();
  }
}

function conditionalHeaders({ etag, lastModified }: Validators): Record<string, string> {
  return {
    ...(etag === null ? {} : { 'if-none-match': etag }),
    ...(lastModified === null ? {} : { 'if-modified-since': lastModified }),
  };
}

async function takeAnswer(
  answer: HttpAnswer,
  plan: PollPlan,
  validators: Validators,
  io: SourceIo,
): Promise<Polled> {
  const contentType = answer.header('content-type');
  if (answer.status === 304) return { body: null, contentType, validators };
  if (answer.status < 200 || answer.status > 299) throw await statusError(answer, plan, io);
  const body = await takeBody(answer, plan);
  return {
    body: answer.status === 204 || answer.status === 205 ? null : body,
    contentType,
    validators: { etag: answer.header('etag'), lastModified: answer.header('last-modified') },
  };
}

async function takeBody(answer: HttpAnswer, plan: PollPlan): Promise<Uint8Array> {
  const { bodyBytesMax } = plan;
  const announced = Number(answer.header('content-length') ?? 0);
  const chunks: Uint8Array[] = [];
  let length = 0;
  if (answer.body !== null) {
    for await (const chunk of answer.body) {
      length += chunk.length;
      chunks.push(chunk);
      if (length > bodyBytesMax || (announced > bodyBytesMax && length >= KEPT_BYTES_MAX)) {
        throw new TooLargeBody(plan, Math.max(announced, length), Buffer.concat(chunks));
      }
    }
  }
  if (announced > bodyBytesMax && answer.header('content-encoding') === null) {
    throw new TooLargeBody(plan, announced, Buffer.concat(chunks));
  }
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
}

async function statusError(
  answer: HttpAnswer,
  plan: PollPlan,
  { clock, log }: SourceIo,
): Promise<HeadgateError> {
  const { status } = answer;
  const { place, secrets, retryAfter } = plan;
  const details = { status, ...retryDetails(retryAfter.read(answer, clock.wallMs(), { log, place })) };
  const words = await answerWords(answer.body, { clock, secrets });
  if (status === 401 || status === 403) {
    const message = `${place} answered ${status}${words}; correct the credentials`;
    return new HeadgateError('HG_LINK_UNAUTHORISED', message, { details });
  }
  const redirect = { location: answer.header('location'), url: plan.request.url };
  const message = `${place} answered ${status}${words}${statusAdvice(details, redirect)}`;
  return new HeadgateError('HG_READ_STATUS', message, { details });
}
