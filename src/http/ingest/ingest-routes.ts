/** `POST /api/ingest/:source`: records of any number in one body, answered when they are stored.
 *
 *  The body is read as it comes, on Node's own stream: a chunk of it becomes one push to the source. While
 *  as much as an upload may have pending waits for its commit, the body is not read, so that TCP slows the
 *  sender; so memory is bounded by the number of uploads, and a body may be larger than it. What cannot be
 *  begun at all is refused before anything is read of it. */

import { createHash, type Hash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { formatAddress, parseAddress } from '../../domain/address.ts';
import { HeadgateError } from '../../domain/errors.ts';
import { NOTHING_SECRET, redactData } from '../../domain/redact.ts';
import { LIMITS } from '../../domain/limits.ts';
import type { PushSource } from '../../../actors/sources/push-source.ts';
import { lackOfSource } from '../auth.ts';
import { clientKey, FairPlaces } from '../fair-places.ts';
import type { Principal } from '../http-deps.ts';
import { isDefect, problemOf, sendProblem } from '../problem.ts';
import { discardBody, sendContinue } from '../request-body.ts';
import { ACCEPTED_ENCODINGS, ACCEPTED_TYPES, plainBody, readerFor } from './body.ts';
import type { PlainBody, ReadAs } from './body.ts';
import type { Budget } from './budget.ts';
import {
  IdempotencyCache,
  idempotencyKeyOf,
  isClaim,
  type Claim,
  type CachedAnswer,
} from './idempotency-cache.ts';
import { UploadPusher } from './upload-pusher.ts';
import type { IngestDeps } from './ingest-deps.ts';
import type { ParsedChunk } from './parsed-chunk.ts';
import type { IngestAnswer } from './upload-result.ts';

export interface IngestRoutes {
  /** Answers one upload, on Node's own streams. Checks what `principal` may. Never rejects. `sourceId`: as
   *  in the path, decoded. */
  handle(
    request: IncomingMessage,
    response: ServerResponse,
    principal: Principal,
    sourceId: string,
  ): Promise<void>;
}

/** `budget`: shared with the WebSockets. */
export function createIngestRoutes(deps: IngestDeps, budget: Budget): IngestRoutes {
  return new Routes(deps, budget);
}

/** An answer that is not 200, with what was counted up to it. */
interface Refused {
  readonly status: number;
  readonly error: HeadgateError;
  readonly counts: IngestAnswer;
}

/** An upload that passed the door. */
interface Upload extends ReadAs, PlainBody {
  readonly source: PushSource;
  readonly claim: Claim | null;
  /** Of the body, where a claim has to know it again. */
  readonly hash: Hash | null;
}

class Routes implements IngestRoutes {
  readonly #deps: IngestDeps;
  readonly #budget: Budget;
  readonly #answers: IdempotencyCache;
  readonly #places = new FairPlaces(LIMITS.ingestRequestsMax);

  constructor(deps: IngestDeps, budget: Budget) {
    this.#deps = deps;
    this.#budget = budget;
    this.#answers = new IdempotencyCache(deps.clock);
  }

  async handle(
    request: IncomingMessage,
    response: ServerResponse,
    principal: Principal,
    sourceId: string,
  ): Promise<void> {
    // An emitter without a listener for errors takes the process down.
    request.on('error', () => {});
    const lacking = lackOfSource(principal, sourceId);
    if (lacking !== null) {
      discardBody(request, response, this.#deps.clock);
      sendProblem(response, lacking);
      return;
    }
    try {
      const client = clientKey(principal, request.socket.remoteAddress);
      await this.#admit(request, response, client, formatAddress(parseAddress(sourceId)));
    } catch (error) {
      if (response.destroyed) return;
      if (isDefect(error)) this.#deps.log.error({ source: sourceId, error }, 'an upload failed unexpectedly');
      discardBody(request, response, this.#deps.clock);
      const problem = problemOf(error, problemOptions(error));
      const body = redactData(problem.body, this.#deps.redact ?? NOTHING_SECRET);
      sendProblem(response, { ...problem, body });
    }
  }

  async #admit(
    request: IncomingMessage,
    response: ServerResponse,
    client: string,
    address: string,
  ): Promise<void> {
    const source = this.#deps.pushSources(address);
    if (source === undefined) {
      throw new HeadgateError('HG_SOURCE_UNKNOWN', `there is no push source "${address}"`);
    }
    const { limits, recordBytesMax = LIMITS.recordBytesMax } = this.#deps;
    const key = idempotencyKeyOf(request.headers['idempotency-key']);
    const isMarked = key !== null;
    const readAs = readerFor(request, source, { recordBytesMax, depthMax: limits.depthMax, isMarked });
    if (this.#budget.isFull) throw busy();
    const leave = this.#places.take(client);
    if (leave === null) {
      this.#deps.onCrowded?.();
      throw busy();
    }
    let claimed: CachedAnswer | Claim | null = null;
    let body: PlainBody | null = null;
    try {
      claimed = key === null ? null : this.#answers.claim(address, key);
      const hash = key === null ? null : createHash('sha256').update(request.headers['content-type'] ?? '');
      body = plainBody(request, limits.ingestBytesMax);
      sendContinue(request, response);
      if (claimed !== null && !isClaim(claimed)) await this.#repeat(response, body, claimed, hash as Hash);
      else await this.#receive(request, response, { ...readAs, ...body, source, claim: claimed, hash });
    } catch (error) {
      if (claimed !== null && isClaim(claimed)) claimed.drop();
      throw error;
    } finally {
      leave();
      if (body !== null && body.stream !== request) body.stream.destroy();
    }
  }

  /** Answers as the first time, if the body is that of the first time. */
  async #repeat(response: ServerResponse, body: PlainBody, first: CachedAnswer, hash: Hash): Promise<void> {
    let bytes = 0;
    for await (const chunk of chunksOf(body)) {
      bytes += chunk.length;
      const excess = body.excessAt(bytes, 0);
      if (excess !== null) throw excess;
      hash.update(chunk);
    }
    if (hash.digest('base64') !== first.fingerprint) {
      const message = 'this Idempotency-Key came with another body before; give each upload its own';
      throw new HeadgateError('HG_IDEMPOTENCY_REUSED', message);
    }
    response.setHeader('idempotency-replayed', 'true');
    send(response, first.answer);
  }

  async #receive(request: IncomingMessage, response: ServerResponse, upload: Upload): Promise<void> {
    const { source, contentType, claim, hash } = upload;
    const keyOf = claim?.keyOf ?? null;
    const handIn = new UploadPusher({
      source,
      budget: this.#budget,
      keyOf,
      contentType,
      redact: this.#deps.redact,
    });
    let refusal: HeadgateError | null = null;
    try {
      refusal = await this.#readAll(upload, handIn);
      if (refusal === null) refusal = await this.#inTime(handIn, handIn.settled());
    } finally {
      // What was handed in goes its way, whoever has left in the meantime; until it has, nobody else may
      // claim the key.
      if (handIn.unsettled > 0) void handIn.settled().then(() => claim?.drop());
    }
    if (refusal !== null && handIn.unsettled > 0) await this.#inTime(handIn, handIn.settled());
    if (response.destroyed) {
      if (handIn.unsettled === 0) claim?.drop();
      return;
    }
    const refused = refusedOf(handIn, refusal);
    if (refused === null) {
      const answer = handIn.tally.answer();
      if (hash !== null) claim?.keep({ fingerprint: hash.digest('base64'), answer });
      send(response, answer);
      return;
    }
    if (handIn.unsettled === 0) claim?.drop();
    discardBody(request, response, this.#deps.clock);
    const problem = problemOf(refused.error, { status: refused.status });
    sendProblem(response, { ...problem, body: { ...problem.body, ...refused.counts } });
  }

  /** Returns why the rest of the body is of no use, if it is not. */
  async #readAll(upload: Upload, handIn: UploadPusher): Promise<HeadgateError | null> {
    const { reader, excessAt, hash } = upload;
    let bytes = 0;
    let jsonBytes = 0;
    let isCut = true;
    /** Asks for a piece only while there is room, and without a pause in between, in which another upload
     *  could take it: so no more waits than the budget says, and one piece. */
    const take = async (pieces: Iterable<ParsedChunk>): Promise<HeadgateError | null> => {
      const each = pieces[Symbol.iterator]();
      for (;;) {
        while (handIn.isFull) {
          const late = await this.#inTime(handIn, handIn.room());
          if (late !== null || handIn.tally.failure !== null) return late ?? handIn.tally.failure;
        }
        const { value: piece, done } = each.next();
        if (done === true) return null;
        handIn.add(piece);
        jsonBytes += piece.jsonBytes;
        const failure = piece.failure ?? excessAt(bytes, jsonBytes);
        if (failure !== null) return failure;
        if (piece.isLast) return isCut ? unreadable('the rest of the body was not looked at') : null;
      }
    };
    try {
      for await (const chunk of chunksOf(upload)) {
        bytes += chunk.length;
        const excess = excessAt(bytes, jsonBytes);
        if (excess !== null) return excess;
        hash?.update(chunk);
        const refusal = await take(reader.push(chunk));
        if (refusal !== null) return refusal;
        if (reader.heldBytes === undefined) continue;
        if (this.#budget.isFull) return busy();
        handIn.hold(reader.heldBytes);
      }
    } catch (error) {
      return brokenOff(error);
    } finally {
      handIn.release();
    }
    // Bytes that were kept are decoded at once, or refused: it must not wait where it does not count.
    if (reader.heldBytes !== undefined && this.#budget.isFull) return busy();
    isCut = false;
    return take(reader.end());
  }

  /** Waits, but not for ever: a storage that stands still must not hold every sender. */
  async #inTime(handIn: UploadPusher, work: Promise<void>): Promise<HeadgateError | null> {
    const over = new AbortController();
    const late = this.#deps.clock.sleep(LIMITS.ingestAnswerMsMax, over.signal).then(() => true);
    const isLate = await Promise.race([work.then(() => false), late]);
    over.abort();
    if (!isLate) return null;
    if (handIn.unsettled === 0) return busy();
    return new HeadgateError(
      'HG_INGEST_UNSETTLED',
      `${handIn.unsettled} records were taken and are not stored after ${LIMITS.ingestAnswerMsMax} ms`,
      { details: { unsettled: handIn.unsettled } },
    );
  }
}

/** What is left of a stream when its reader stops stays there: it is the request's to end. */
function chunksOf({ stream }: PlainBody): AsyncIterable<Buffer> {
  return stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
}

function busy(): HeadgateError {
  return new HeadgateError('HG_HTTP_BUSY', 'more uploads are under way than can be stored; send it later');
}

function unreadable(message: string): HeadgateError {
  return new HeadgateError('HG_DECODE_FAILED', message);
}

/** The sender is gone, and nobody will read this; or its encoding is broken. */
function brokenOff(error: unknown): HeadgateError {
  const { message } = error as Error;
  return unreadable(`the body cannot be read to its end: ${message}`);
}

const TOO_MANY_REQUESTS = 429;
const UNAVAILABLE = 503;

/** Null where the answer is 200. */
function refusedOf({ tally }: UploadPusher, refusal: HeadgateError | null): Refused | null {
  const counts = tally.answer();
  const { failure } = tally;
  if (failure !== null) {
    const status = failure.code === 'HG_PUSH_OVERLOADED' ? TOO_MANY_REQUESTS : UNAVAILABLE;
    return { status, error: failure, counts };
  }
  if (refusal !== null) {
    return {
      status: statusOfBody(refusal),
      error: refusal,
      counts,
    };
  }
  if (tally.isAllDropped) {
    const error = new HeadgateError('HG_RECORD_DROPPED', 'a limit refused every record; send them later');
    return { status: TOO_MANY_REQUESTS, error, counts };
  }
  if (!tally.isUnreadable) return null;
  return { status: 400, error: unreadable('the body holds nothing that can be read as its type'), counts };
}

function statusOfBody({ code }: HeadgateError): number {
  if (code === 'HG_INGEST_UNSETTLED' || code === 'HG_HTTP_BUSY') return UNAVAILABLE;
  return code === 'HG_HTTP_TOO_LARGE' ? 413 : 400;
}

function problemOptions(error: unknown): { headers?: Record<string, string> } {
  switch ((error as { code?: unknown }).code) {
    case 'HG_HTTP_MEDIA_TYPE':
      return { headers: { 'accept-post': ACCEPTED_TYPES, 'accept-encoding': ACCEPTED_ENCODINGS } };
    case 'HG_IDEMPOTENCY_BUSY':
      return { headers: { 'retry-after': '1' } };
    default:
      return {};
  }
}

function send(response: ServerResponse, answer: IngestAnswer): void {
  const text = JSON.stringify(answer);
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  response.end(text);
}
