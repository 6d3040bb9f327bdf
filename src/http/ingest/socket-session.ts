/** One ingest WebSocket, from its opening to its end. Every message is answered once, in the order in which
 *  they came, when its records are stored; what one commit stored is answered in one frame.
 *
 *  What bounds it: a credit of messages without an answer (whoever sends more is not read, and cut when it is
 *  twice as many), the memory of records that wait for their commit, bytes of answers the client does not
 *  take, messages and pings a second. A bound that is reached means that the socket is not read, so that TCP
 *  slows the sender. */

import type { WebSocket } from 'ws';
import type { PushSource } from '../../../actors/sources/push-source.ts';
import type { Clock, TimerHandle } from '../../domain/clock.ts';
import { errorFacts, HeadgateError, type ErrorCode } from '../../domain/errors.ts';
import { LIMITS } from '../../domain/limits.ts';
import type { Redact } from '../../domain/redact.ts';
import type { Budget } from './budget.ts';
import { recordKeys } from './idempotency-cache.ts';
import type { ReaderOptions } from './parsed-chunk.ts';
import { readMessage, type SocketMessage } from './socket-message.ts';
import { UploadResult } from './upload-result.ts';

export interface SessionOptions {
  readonly socket: WebSocket;
  /** As it runs at the moment; undefined where there is none any more. */
  readonly source: () => PushSource | undefined;
  readonly address: string;
  /** Whether it still may: its token may have expired, or been taken away. */
  readonly maySend: () => boolean;
  readonly messagesPerSecondMax: number;
  /** The name the client gives itself; its messages are known by it and their ids. */
  readonly client: string | null;
  readonly reading: ReaderOptions;
  readonly budget: Budget;
  readonly redact: Redact | undefined;
  readonly clock: Clock;
}

/** Codes of RFC 6455. */
const GOING_AWAY = 1001;
const POLICY_VIOLATION = 1008;
const TRY_AGAIN_LATER = 1013;

const RETRY_AFTER_MS = 1_000;
const SECOND_MS = 1_000;
/** How long a client that is cut has to hear why. */
const GOODBYE_MS = 1_000;

interface Pending {
  readonly id: number;
  readonly bytes: number;
  readonly tally: UploadResult;
  isSettled: boolean;
}

export class Session {
  readonly #options: SessionOptions;
  /** Messages without an answer, in the order in which they came. */
  readonly #pending: Pending[] = [];
  #pendingBytes = 0;
  /** Credit that was used and is not given back yet. */
  #owedCredit = 0;
  #isFlushing = false;
  #isWaitingForBudget = false;
  /** Messages that came while there was no room for their records: what was on its way when the socket was
   *  held back. */
  readonly #unread: Buffer[] = [];
  /** The second that is counted, and what came in it. */
  #secondMs = 0;
  #messages = 0;
  #pings = 0;
  #paceTimer: TimerHandle = undefined;
  #dismissal: TimerHandle = undefined;
  #ending: Promise<void> | null = null;
  /** Since the last look: whether the client was heard, whether it was asked. */
  #wasHeard = true;
  #wasUnsent = false;
  #onIdle: (() => void) | null = null;

  constructor(options: SessionOptions) {
    this.#options = options;
    const { socket, address } = options;
    socket.on('message', (data) => this.#take(data as Buffer));
    socket.on('ping', (data) => this.#answerPing(data));
    socket.on('pong', () => this.#countPing());
    // ws has closed a socket that breaks the protocol, and is about to read on.
    socket.on('error', () => process.nextTick(() => this.#dismiss()));
    socket.on('close', () => this.#leave());
    this.#send({
      ready: address,
      credit: LIMITS.ingestSocketCreditMessages,
      messageBytesMax: LIMITS.ingestMessageBytesMax,
    });
  }

  /** Looks whether the client is still there, and may be; to be called every so often. */
  look(): void {
    const { socket, maySend } = this.#options;
    if (!maySend()) this.#expel();
    const isUnsent = socket.bufferedAmount > LIMITS.ingestSocketUnsentBytesMax;
    if (isUnsent && this.#wasUnsent) {
      this.#cut(TRY_AGAIN_LATER, 'answers are not taken');
      socket.terminate();
      return;
    }
    this.#wasUnsent = isUnsent;
    // What is not read cannot be heard.
    if (!this.#wasHeard && !socket.isPaused) {
      socket.terminate();
      return;
    }
    this.#wasHeard = false;
    socket.ping();
  }

  /** Takes nothing more, answers what it has taken, then says goodbye. Resolves when that is done. */
  end(): Promise<void> {
    this.#ending ??= this.#answerAll().then(() => this.#cut(GOING_AWAY, 'the gateway stops'));
    return this.#ending;
  }

  terminate(): void {
    this.#options.socket.terminate();
  }

  #take(bytes: Buffer): void {
    if (this.#isOver || this.#ending !== null) return;
    this.#wasHeard = true;
    if (!this.#options.maySend()) {
      this.#expel();
      return;
    }
    this.#countMessage();
    if (this.#pending.length + this.#unread.length >= 2 * LIMITS.ingestSocketCreditMessages) {
      this.#refuse(POLICY_VIOLATION, 'more messages than credit');
      return;
    }
    this.#unread.push(bytes);
    this.#readMessages();
    this.#holdBack();
  }

  /** Makes records of messages while there is room for them: many small ones can come out of few bytes. */
  #readMessages(): void {
    const { budget } = this.#options;
    while (this.#unread.length > 0 && !budget.isFull && !this.#isOver) {
      this.#read(this.#unread.shift() as Buffer);
    }
  }

  #read(bytes: Buffer): void {
    const source = this.#options.source();
    if (source === undefined) {
      this.#refuse(TRY_AGAIN_LATER, 'the source is no longer there');
      return;
    }
    try {
      this.#handIn(source, readMessage(bytes, this.#options.reading));
    } catch (error) {
      this.#refuse(POLICY_VIOLATION, errorFacts(error).message);
    }
  }

  #handIn(source: PushSource, { id, piece }: SocketMessage): void {
    const { client, budget } = this.#options;
    const { bytes } = piece;
    const pending: Pending = { id, bytes, tally: new UploadResult(this.#options.redact), isSettled: false };
    this.#pending.push(pending);
    this.#pendingBytes += bytes;
    budget.take(bytes);
    pending.tally.reject(piece.rejections);
    if (piece.values.length === 0) {
      this.#settle(pending);
      return;
    }
    let keys: string[] | undefined;
    if (client !== null) {
      const keyOf = recordKeys('websocket', `${client}\n${id}`);
      keys = piece.lines.map((line, at) => keyOf(line, piece.marks[at] as number));
    }
    source.pushAll(piece.values, keys === undefined ? undefined : { keys }).then(
      (outcome) => {
        pending.tally.settle(piece, outcome);
        this.#settle(pending);
      },
      (error: unknown) => {
        const lost = new HeadgateError('HG_RECORD_LOST', errorFacts(error).message);
        pending.tally.fail(piece, error instanceof HeadgateError ? error : lost);
        this.#settle(pending);
      },
    );
  }

  #settle(pending: Pending): void {
    pending.isSettled = true;
    this.#pendingBytes -= pending.bytes;
    this.#options.budget.giveBack(pending.bytes);
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    // What is settled by the same commit is answered together.
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.#isFlushing = false;
    const answers: object[] = [];
    while (this.#pending[0]?.isSettled === true) answers.push(answerTo(this.#pending.shift() as Pending));
    this.#owedCredit += answers.length;
    if (this.#owedCredit > 0 && !this.#options.budget.isFull) {
      answers.push({ credit: this.#owedCredit });
      this.#owedCredit = 0;
    }
    if (answers.length > 0) this.#send(...answers);
    if (this.#pending.length === 0 && this.#unread.length === 0) this.#onIdle?.();
    this.#holdBack();
  }

  #send(...lines: readonly object[]): void {
    const { socket } = this.#options;
    if (socket.readyState !== socket.OPEN) return;
    socket.send(lines.map((line) => JSON.stringify(line)).join('\n'), () => this.#holdBack());
  }

  /** Reads on, or not. */
  #holdBack(): void {
    const { socket, budget } = this.#options;
    if (this.#isOver || this.#ending !== null) return;
    const isHeld =
      budget.isFull ||
      this.#unread.length > 0 ||
      this.#pending.length > LIMITS.ingestSocketCreditMessages ||
      this.#pendingBytes >= LIMITS.ingestSocketPendingBytesMax ||
      socket.bufferedAmount > LIMITS.ingestSocketUnsentBytesMax ||
      this.#paceTimer !== undefined;
    if (isHeld && !socket.isPaused) socket.pause();
    else if (!isHeld && socket.isPaused) socket.resume();
    if (!budget.isFull || this.#isWaitingForBudget) return;
    this.#isWaitingForBudget = true;
    budget.onRoom(() => {
      this.#isWaitingForBudget = false;
      this.#readMessages();
      this.#flush();
    });
  }

  #countMessage(): void {
    const { clock, messagesPerSecondMax } = this.#options;
    const nowMs = this.#beginSecond();
    if (++this.#messages <= messagesPerSecondMax || this.#paceTimer !== undefined) return;
    this.#paceTimer = clock.setTimeout(
      () => {
        this.#paceTimer = undefined;
        this.#holdBack();
      },
      this.#secondMs + SECOND_MS - nowMs,
    );
  }

  #answerPing(data: Buffer): void {
    this.#countPing();
    const { socket } = this.#options;
    if (!this.#isOver && socket.bufferedAmount <= LIMITS.ingestSocketUnsentBytesMax) socket.pong(data);
  }

  #countPing(): void {
    this.#wasHeard = true;
    this.#beginSecond();
    if (++this.#pings > LIMITS.ingestSocketPingsPerSecondMax) {
      this.#refuse(POLICY_VIOLATION, 'too many pings');
    }
  }

  #beginSecond(): number {
    const nowMs = this.#options.clock.monotonicMs();
    if (nowMs - this.#secondMs >= SECOND_MS) {
      this.#secondMs = nowMs;
      this.#messages = 0;
      this.#pings = 0;
    }
    return nowMs;
  }

  get #isOver(): boolean {
    return this.#options.socket.readyState !== this.#options.socket.OPEN;
  }

  async #answerAll(): Promise<void> {
    this.#options.socket.pause();
    if (this.#pending.length > 0 || this.#unread.length > 0)
      await new Promise<void>((resolve) => (this.#onIdle = resolve));
  }

  /** What was taken while it might send is answered; nothing else is. */
  #expel(): void {
    this.#ending ??= this.#answerAll().then(() => {
      this.#refuse(POLICY_VIOLATION, 'the token may no longer send here', 'HG_HTTP_FORBIDDEN');
    });
  }

  #refuse(closeCode: number, message: string, code: ErrorCode = 'HG_INGEST_PROTOCOL'): void {
    if (this.#isOver) return;
    this.#send({ error: code, message });
    this.#cut(closeCode, message);
    this.#dismiss();
  }

  /** Leaves a client that is cut the time to hear why. What it goes on to send is not read: throwing it away
   *  would take time from the others. */
  #dismiss(): void {
    const { socket, clock } = this.#options;
    socket.pause();
    this.#dismissal ??= clock.setTimeout(() => socket.terminate(), GOODBYE_MS);
  }

  /** The reason of a close frame has 123 bytes. */
  #cut(closeCode: number, reason: string): void {
    const { socket } = this.#options;
    if (socket.isPaused) socket.resume();
    socket.close(closeCode, reason.slice(0, 40));
  }

  #leave(): void {
    const { clock } = this.#options;
    clock.clearTimeout(this.#paceTimer);
    clock.clearTimeout(this.#dismissal);
    this.#onIdle?.();
  }
}

function answerTo({ id, tally }: Pending): object {
  const { failure } = tally;
  if (failure !== null) {
    return { nack: id, code: failure.code, message: tally.failureMessage, retryAfterMs: RETRY_AFTER_MS };
  }
  const { accepted, rejected, errors } = tally.answer();
  return { ack: id, accepted, rejected, errors };
}
