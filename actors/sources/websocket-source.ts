/** Takes the messages a WebSocket server sends, as a client (RFC 6455).
 *
 *  - Open once the handshake is done and the `subscribe` messages are sent. A link that breaks, or is closed
 *    by the far end in whatever manner, ends the run; the engine connects anew.
 *  - While the outlet is full the socket is not read, so that the far end's own buffers fill. WebSocket knows
 *    no acknowledgement: what is under way when a link breaks is lost.
 *  - A message above `messageBytesMax` is read over and is a dead letter, and the link stays: a server that
 *    repeats it would end every link.
 *  - A ping that brings no sign of life in time (HG_LINK_TIMEOUT) finds links that are dead without a word;
 *    while the socket is not read it is not counted.
 *  - Compression is off, since it costs memory for each connection. Redirects are not followed. User name and
 *    password in `url` become an Authorization header; no message shows them, nor the query. */

import { isUtf8 } from 'node:buffer';
import { z } from 'zod';
import { WebSocket, type RawData } from 'ws';
import { decodeSchema, milliseconds, sourceSchema } from '../../src/config/source-options.ts';
import { resolveOptions } from '../../src/config/resolve-options.ts';
import type { HeadgateError } from '../../src/domain/errors.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import type { SourceIo, SourceSpec } from '../../src/domain/source.ts';
import {
  payloadDecoder,
  decodeErrorReporter,
  type PayloadDecoder,
  type DecodeErrorReporter,
} from '../../src/pipeline/decode/payload-decoder.ts';
import { sourceSpec } from './define-source.ts';
import { RetryAfterReader } from '../protocols/http/retry-after.ts';
import { areHeaders, bareUrl, basicAuthorization, isUrlOf, publicUrl } from '../protocols/http/url.ts';
import type { TlsOptions } from '../protocols/socket/open-socket.ts';
import { tlsSchema } from '../protocols/socket/tls-options.ts';
import {
  closedError,
  INVALID_DATA,
  lostError,
  notUtf8,
  refusedError,
  silentError,
  statusError,
  tooLarge,
} from './web-socket-errors.ts';
import { ConnectProgress } from '../protocols/socket/connect-progress.ts';
import {
  openWebSocket,
  WEB_SOCKET_ANSWER,
  webSocketPort,
  type OpenedWebSocket,
} from '../protocols/socket/open-web-socket.ts';
import { KEPT_BYTES_MAX } from '../protocols/socket/web-socket-frames.ts';

const PROTOCOL_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const protocolName = z.string().regex(PROTOCOL_NAME, 'is no name of a subprotocol');

export const webSocketSourceSchema = sourceSchema({
  url: z
    .string()
    .refine((text) => isUrlOf(text, ['ws:', 'wss:']), 'must be a ws:// or wss:// address')
    .describe('A `ws://` or `wss://` address; user and password may stand in it.'),
  protocols: z
    .union([protocolName.transform((name) => [name]), z.array(protocolName)])
    .refine((names) => new Set(names).size === names.length, 'names a subprotocol twice')
    .default([])
    .describe('Subprotocols to offer, the preferred one first.'),
  headers: z
    .record(z.string(), z.string())
    .refine(areHeaders, 'holds a name or value that HTTP does not allow')
    .default({})
    .describe('Headers of the handshake, by name.'),
  decode: decodeSchema.default('json'),
  messageBytesMax: z
    .number()
    .int()
    .min(1)
    .default(LIMITS.payloadBytesMax)
    .describe('Bytes of one message; a longer one is read over and becomes a dead letter.'),
  pingIntervalMs: milliseconds(1)
    .nullable()
    .default(30_000)
    .describe('How often the far end is asked for a sign of life; null: never.'),
  pongTimeoutMs: milliseconds(1).default(10_000).describe('How long it may take to answer.'),
  subscribe: z
    .union([z.string().transform((message) => [message]), z.array(z.string())])
    .default([])
    .describe('Messages to send after each opening.'),
  tls: tlsSchema.optional(),
}).refine(({ url, tls }) => tls === undefined || url.startsWith('wss:'), {
  path: ['tls'],
  message: 'needs a url that begins with wss://',
});

export type WebSocketSourceOptions = z.input<typeof webSocketSourceSchema>;
type Options = z.output<typeof webSocketSourceSchema>;

/** @example webSocketSource({ id: 'scada', url: 'wss://10.0.0.7/feed', subscribe: '{"topic":"all"}' })
 *  @throws HeadgateError HG_OPTION_UNKNOWN, HG_OPTION_INVALID. */
export function webSocketSource(input: WebSocketSourceOptions): SourceSpec {
  const options = resolveOptions(webSocketSourceSchema, input, 'webSocketSource');
  const decoder = payloadDecoder({ format: options.decode });
  const rejections = decodeErrorReporter(decoder.decode);
  const retryAfter = new RetryAfterReader();
  return sourceSpec('websocket', options, rejections.decode, {
    connects: true,
    // A server does not keep what a client does not read.
    canWait: false,
    target: publicUrl(options.url),
    stream: (io) => streamMessages(io, options, { decoder, rejections, retryAfter }),
  });
}

/** The longest a closing handshake is waited for. */
const CLOSE_WAIT_MS = 500;

async function streamMessages(io: SourceIo, options: Options, readers: Readers): Promise<void> {
  const over = Promise.withResolvers<void>();
  const ended = new AbortController();
  const progress = progressOf(options);
  io.awaits?.(progress.describe);
  const { socket, frames } = connect(options, { alive: () => inbox.noteLife(), advance: progress.advance });
  const inbox = new Inbox(io, socket, readers);
  let messages = 0;
  const stop = () => over.resolve();
  let opened = false;
  // What had come before the end is handed in before the end is told, or it would be lost.
  const fail = (error: unknown) => void inbox.drained.finally(() => over.reject(error)).catch(() => {});

  io.signal.addEventListener('abort', stop, { once: true });
  if (io.signal.aborted) stop();
  socket.on('open', () => {
    opened = true;
    for (const message of options.subscribe) socket.send(message);
    io.opened();
    watch(io, socket, inbox, options, ended.signal).catch(fail);
  });
  socket.on('message', (data, isBinary) => {
    const bytes = frames.cutBytes(messages++);
    const payload = bytes === undefined ? bytesOf(data) : bytesOf(data).subarray(0, KEPT_BYTES_MAX);
    const rejection = bytes === undefined ? null : tooLarge(options, bytes, payload.length);
    if (rejection === null && !isBinary && !isUtf8(payload)) {
      socket.close(INVALID_DATA);
      fail(notUtf8(options));
    } else {
      inbox.take({ payload, isBinary, rejection }, fail);
    }
  });
  socket.on('pong', () => inbox.noteLife());
  socket.on('ping', () => inbox.noteLife());
  socket.on('unexpected-response', (request, response) => {
    void statusError(io, options, response, readers.retryAfter).then((error) => {
      fail(error);
      request.destroy();
    });
  });
  // Stays for good: an emitter without a listener for errors takes the process down.
  socket.on('error', (error) => fail(opened ? lostError(options, error) : refusedError(io, options, error)));
  socket.on('close', (code, reason) => fail(closedError(options, code, reason.toString())));

  try {
    await over.promise;
    await hangUp(io, socket);
  } finally {
    ended.abort();
    io.signal.removeEventListener('abort', stop);
    socket.terminate();
  }
}

function progressOf({ url: text }: Options): ConnectProgress {
  const url = new URL(text);
  const isSecure = url.protocol === 'wss:';
  const answers = [WEB_SOCKET_ANSWER];
  return new ConnectProgress({ ...{ url, isSecure, answers }, defaultPort: webSocketPort(isSecure) });
}

function connect(options: Options, on: { alive: () => void; advance: () => void }): OpenedWebSocket {
  const authorization = basicAuthorization(options.url);
  const { messageBytesMax } = options;
  return openWebSocket({
    url: new URL(bareUrl(options.url)),
    protocols: options.protocols,
    headers: {
      'user-agent': 'headgate',
      ...(authorization === null ? {} : { authorization }),
      ...options.headers,
    },
    tls: options.tls as TlsOptions | undefined,
    rule: { kind: 'cut', messageBytesMax },
    messageBytesMax: Math.max(messageBytesMax, KEPT_BYTES_MAX),
    ...on,
  });
}

interface Readers {
  readonly decoder: PayloadDecoder;
  readonly rejections: DecodeErrorReporter;
  readonly retryAfter: RetryAfterReader;
}

interface Message {
  readonly payload: Uint8Array;
  readonly isBinary: boolean;
  /** Why it is a dead letter, whatever it holds. */
  readonly rejection: HeadgateError | null;
}

/** Messages on their way from the socket to the outlet: one at a time, the socket paused while there is no
 *  room. What the socket had read already comes even so; it is a chunk at most, and waits here. */
class Inbox {
  readonly #io: SourceIo;
  readonly #socket: WebSocket;
  readonly #readers: Readers;
  readonly #waiting: Message[] = [];
  #isDraining = false;
  /** At first nobody knows: the outlet may still be full from the run before. */
  #hasRoom = false;
  #drained: Promise<void> = Promise.resolve();
  onLife: (() => void) | null = null;

  constructor(io: SourceIo, socket: WebSocket, readers: Readers) {
    this.#io = io;
    this.#socket = socket;
    this.#readers = readers;
  }

  /** Resolves when all that came is handed in. */
  get drained(): Promise<void> {
    return this.#drained;
  }

  /** Tells whoever waits that the far end is there, or that it could not have shown it. */
  noteLife(): void {
    this.onLife?.();
  }

  take(message: Message, fail: (error: unknown) => void): void {
    if (this.#io.signal.aborted) return;
    this.noteLife();
    this.#waiting.push(message);
    if (this.#isDraining) return;
    this.#drained = this.#drain();
    this.#drained.catch(fail);
  }

  /** Runs through without waiting as long as there is room. */
  async #drain(): Promise<void> {
    this.#isDraining = true;
    try {
      for (let message = this.#waiting.shift(); message !== undefined; message = this.#waiting.shift()) {
        if (!this.#hasRoom) await this.#waitForRoom();
        if (this.#io.signal.aborted) return;
        for (const hasRoom of this.#handIn(message)) {
          if (!hasRoom) await this.#waitForRoom();
          if (this.#io.signal.aborted) return;
        }
      }
    } finally {
      this.#isDraining = false;
      if (this.#socket.isPaused) this.#socket.resume();
    }
  }

  #handIn({ payload, isBinary, rejection }: Message): Iterable<boolean> {
    const { decoder, rejections } = this.#readers;
    const meta = isBinary ? { contentType: 'application/octet-stream' } : undefined;
    if (rejection !== null) return [rejections.reject(this.#io, payload, rejection, meta)];
    return decoder.receive(this.#io, payload, meta);
  }

  async #waitForRoom(): Promise<void> {
    this.#socket.pause();
    await this.#io.room();
    this.#hasRoom = true;
    this.noteLife();
  }
}

function bytesOf(data: RawData): Uint8Array {
  if (Array.isArray(data)) return Buffer.concat(data);
  return data instanceof ArrayBuffer ? new Uint8Array(data) : data;
}

/** Asks for signs of life until the run is over.
 *  @throws HeadgateError HG_LINK_TIMEOUT where there is none. */
async function watch(
  io: SourceIo,
  socket: WebSocket,
  inbox: Inbox,
  options: Options,
  ended: AbortSignal,
): Promise<void> {
  const { pingIntervalMs, pongTimeoutMs } = options;
  if (pingIntervalMs === null) return;
  for (;;) {
    await io.clock.sleep(pingIntervalMs, ended);
    if (ended.aborted || socket.readyState !== WebSocket.OPEN) return;
    if (socket.isPaused) continue;
    const waiting = new AbortController();
    inbox.onLife = () => waiting.abort();
    ended.addEventListener('abort', inbox.onLife, { once: true });
    socket.ping();
    await io.clock.sleep(pongTimeoutMs, waiting.signal);
    ended.removeEventListener('abort', inbox.onLife);
    if (!waiting.signal.aborted && !socket.isPaused) throw silentError(options);
  }
}

/** Says goodbye, but waits for the answer only shortly. */
async function hangUp(io: SourceIo, socket: WebSocket): Promise<void> {
  if (socket.readyState !== WebSocket.OPEN) return;
  const patience = new AbortController();
  socket.once('close', () => patience.abort());
  if (socket.isPaused) socket.resume();
  socket.close(1_000);
  await io.clock.sleep(CLOSE_WAIT_MS, patience.signal);
}
