/** The requests that are being answered, and the connections they came over: how many there may be, how long
 *  a request may take to come and an answer to be fetched, and that all of them end when the server does. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock, TimerHandle } from '../domain/clock.ts';
import { LIMITS } from '../domain/limits.ts';
import { FairPlaces } from './fair-places.ts';
import { answerLateRequest, answerSlowUpload } from './raw-socket-response.ts';
import { clientOf } from './remote-address.ts';
import type { HttpLimits } from './http-deps.ts';

const SWEEP_MS = 1_000;

/** What a connection that is one too many is told, where it can still be told something. */
const TOO_MANY =
  'HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n';

interface Exchange {
  readonly request: IncomingMessage;
  /** An upload may take as long as it goes on; everything else has to be there in time. */
  readonly isUpload: boolean;
  readonly release: () => void;
  /** Since when it has been waited for: an upload, since the last of it came, or was not read. */
  waitedSinceMs: number;
  bytesRead: number;
  /** Bytes that its connection had received when it began, and the time spent waiting for more since. */
  readonly bytesReadBefore: number;
  starvedMs: number;
  isMade: boolean;
  /** When its answer was first seen to be whole. */
  endedAtMs: number | null;
}

export class InFlightRequests {
  readonly #limits: HttpLimits;
  readonly #clock: Clock;
  readonly #sockets = new Set<Socket>();
  readonly #perClient = new Map<string, number>();
  readonly #open = new Map<ServerResponse, Exchange>();
  readonly #places = new FairPlaces(LIMITS.httpRequestsInFlightMax);
  #sweptAtMs: number;
  readonly #sweep: () => void;
  #timer: TimerHandle;
  #waitsForNone: (() => void) | null = null;

  constructor(limits: HttpLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
    this.#sweptAtMs = clock.monotonicMs();
    this.#sweep = () => {
      this.#cutUnsent();
      this.#cutUnread();
      this.#timer = clock.setTimeout(this.#sweep, SWEEP_MS);
    };
    this.#timer = clock.setTimeout(this.#sweep, SWEEP_MS);
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** Counts a connection, or turns it away. Encrypted ones are closed without a word: there is none yet that
   *  both understand. */
  connected(socket: Socket, isTls: boolean): void {
    const client = clientOf(socket.remoteAddress);
    const ofClient = this.#perClient.get(client) ?? 0;
    const { connectionsMax, connectionsPerAddressMax } = this.#limits;
    if (this.#sockets.size >= connectionsMax || ofClient >= connectionsPerAddressMax) {
      socket.on('error', () => {});
      if (!isTls) socket.write(TOO_MANY);
      socket.destroySoon();
      return;
    }
    this.#sockets.add(socket);
    this.#perClient.set(client, ofClient + 1);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      const left = (this.#perClient.get(client) ?? 1) - 1;
      if (left === 0) this.#perClient.delete(client);
      else this.#perClient.set(client, left);
    });
  }

  /** False where as many requests of this client are being answered as may be. */
  begin(request: IncomingMessage, response: ServerResponse, client: string, isUpload: boolean): boolean {
    const release = this.#places.take(client);
    if (release === null) return false;
    const waitedSinceMs = this.#clock.monotonicMs();
    const { bytesRead } = request.socket;
    const exchange = {
      ...{ request, isUpload, release, waitedSinceMs, bytesRead, bytesReadBefore: bytesRead },
      ...{ starvedMs: 0, isMade: false, endedAtMs: null },
    };
    this.#open.set(response, exchange);
    response.once('close', () => {
      if (exchange.isMade) this.release(response);
    });
    return true;
  }

  /** The work for an answer is done, whether or not anybody still waits for it: a client that leaves early
   *  must not make room for more work. */
  made(response: ServerResponse): void {
    const exchange = this.#open.get(response);
    if (exchange === undefined) return;
    exchange.isMade = true;
    if (response.closed) this.release(response);
  }

  /** From here on the answer is not counted: it is over, or somebody else's to watch. */
  release(response: ServerResponse): void {
    this.#open.get(response)?.release();
    this.#open.delete(response);
    if (this.#open.size === 0) this.#waitsForNone?.();
  }

  /** Resolves when every request has been answered, or after `deadlineMs`. */
  async answered(deadlineMs: number): Promise<void> {
    if (this.#open.size === 0) return;
    const none = new AbortController();
    this.#waitsForNone = () => none.abort();
    await this.#clock.sleep(deadlineMs, none.signal);
  }

  /** Ends every connection that is left. */
  close(): void {
    this.#clock.clearTimeout(this.#timer);
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Cuts uploads that have been too slow for a while: others find no place. */
  cutSlowUploads(): void {
    for (const [response, exchange] of this.#open) {
      const { request } = exchange;
      if (request.complete || response.headersSent || !exchange.isUpload) continue;
      if (this.#isTooSlow(exchange, LIMITS.httpCrowdedGraceMs)) answerSlowUpload(request.socket);
    }
  }

  /** Whether an upload was waited for longer than the bytes that came allow. */
  #isTooSlow({ request, starvedMs, bytesReadBefore }: Exchange, graceMs: number): boolean {
    const { uploadBytesPerSecondMin: bytesPerSecond } = this.#limits;
    if (bytesPerSecond === 0) return false;
    const bytes = request.socket.bytesRead - bytesReadBefore;
    return starvedMs > graceMs + (bytes / bytesPerSecond) * 1_000;
  }

  /** A request that does not come to its end keeps a place that others need. */
  #cutUnsent(): void {
    const nowMs = this.#clock.monotonicMs();
    const sinceMs = this.#sweptAtMs;
    this.#sweptAtMs = nowMs;
    for (const [response, exchange] of this.#open) {
      const { request, isUpload, bytesRead } = exchange;
      if (request.complete || response.headersSent) continue;
      // What lies unread is held back by us.
      const isHeldBack = request.readableLength > 0;
      if (!isHeldBack) exchange.starvedMs += nowMs - sinceMs;
      const isMoving = request.socket.bytesRead !== bytesRead || isHeldBack;
      if (isUpload && this.#isTooSlow(exchange, this.#limits.requestTimeoutMs)) {
        answerSlowUpload(request.socket);
      } else if (isUpload && isMoving) {
        exchange.waitedSinceMs = nowMs;
        exchange.bytesRead = request.socket.bytesRead;
      } else if (nowMs - exchange.waitedSinceMs > this.#limits.requestTimeoutMs) {
        answerLateRequest(request.socket);
      }
    }
  }

  /** An answer that nobody fetches is memory that nobody gives back. */
  #cutUnread(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [response, exchange] of this.#open) {
      if (!response.writableEnded) continue;
      exchange.endedAtMs ??= nowMs;
      if (nowMs - exchange.endedAtMs > this.#limits.requestTimeoutMs) response.destroy();
    }
  }
}
