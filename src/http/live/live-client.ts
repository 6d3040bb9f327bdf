/** One client of the live view. It first reads what it missed from the log, at its own pace, and then gets
 *  what comes. Nothing is dropped for a client that is slow: it is cut off when more than its budget waits
 *  for it, or when it has not read for too long, and goes on from the log when it comes back with its
 *  `Last-Event-ID`. */

import type { ServerResponse } from 'node:http';
import type { Row } from '../../../storage/reading/timeline-reader.ts';
import { GREETING, HEARTBEAT } from './live-events.ts';
import type { LiveFilter } from './live-filter.ts';

export interface LiveClientOptions {
  readonly response: ServerResponse;
  readonly filter: LiveFilter;
  /** The last row it has; null: it wants what comes only. */
  readonly afterSeq: number | null;
  readonly bytesMax: number;
  /** Whether it still may listen: its token may have expired, or been taken away. */
  readonly mayListen: () => boolean;
  readonly onClosed: (client: LiveClient) => void;
}

/** Heartbeats that may go by while nothing is read. */
const SILENT_BEATS_MAX = 2;

export class LiveClient {
  readonly filter: LiveFilter;
  /** The last row it has been sent, or that did not fit its filter. */
  cursor: number;
  /** Whether rows are handed to it as they come. */
  isLive = false;
  readonly #response: ServerResponse;
  readonly #options: LiveClientOptions;
  #isOpen = true;
  #beatsUnread = 0;
  #wakeWriter: (() => void) | null = null;

  constructor(options: LiveClientOptions) {
    this.#options = options;
    this.#response = options.response;
    this.filter = options.filter;
    this.cursor = options.afterSeq ?? 0;
    this.#response.on('drain', () => {
      this.#beatsUnread = 0;
      this.#wake();
    });
    this.#response.once('close', () => this.close());
    this.#response.on('error', () => this.close());
  }

  /** Begins the answer. */
  greet(): void {
    if (!this.#isOpen) return;
    this.#response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      // Proxies that gather answers would hold the rows back.
      'x-accel-buffering': 'no',
    });
    this.write(GREETING);
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Bytes that wait for it. */
  get bufferedBytes(): number {
    return this.#response.writableLength;
  }

  /** Writes, or ends the stream of who may no longer listen, or cuts the client off where too much would wait
   *  for it. What one who reads is given at once may be more than its budget. */
  write(text: string | Buffer): void {
    if (!this.#isOpen) return;
    if (!this.#options.mayListen()) {
      this.close();
      return;
    }
    const { bufferedBytes } = this;
    if (bufferedBytes > 0 && bufferedBytes + text.length > this.#options.bytesMax) this.#cut();
    else this.#response.write(text);
  }

  /** Resolves when what was written has been read, or the client is gone. */
  async drained(): Promise<void> {
    if (!this.#isOpen || !this.#response.writableNeedDrain) return;
    await new Promise<void>((resolve) => {
      this.#wakeWriter = resolve;
    });
  }

  /** Rows that have just been stored, as text for all who share a filter. Rows that it had from the log
   *  already are left out. */
  offer(rows: readonly Row[], textOf: (rows: readonly Row[], filter: LiveFilter) => Buffer): void {
    const last = rows.at(-1)?.['seq'] as number | undefined;
    if (!this.isLive || last === undefined || last <= this.cursor) return;
    const { cursor } = this;
    const first = rows[0]?.['seq'] as number;
    const text = textOf(
      first > cursor ? rows : rows.filter(({ seq }) => (seq as number) > cursor),
      this.filter,
    );
    this.cursor = last;
    if (text.length > 0) this.write(text);
  }

  /** Shows that the connection stands, and finds out whether it does. */
  beat(): void {
    if (this.#response.writableNeedDrain) this.#beatsUnread++;
    if (this.#beatsUnread > SILENT_BEATS_MAX) this.#cut();
    else this.write(HEARTBEAT);
  }

  /** Lets it go before its answer has begun: somebody else will answer. */
  dismiss(): void {
    this.#leave();
  }

  /** Ends the stream; the client may come back. */
  close(): void {
    if (!this.#leave()) return;
    this.#response.end();
    // Who does not read would keep the connection, and what waits in it, for ever.
    if (this.#response.writableNeedDrain) this.#response.destroy();
  }

  #cut(): void {
    if (this.#leave()) this.#response.destroy();
  }

  /** False where it had left already. */
  #leave(): boolean {
    if (!this.#isOpen) return false;
    this.#isOpen = false;
    this.isLive = false;
    this.#wake();
    this.#options.onClosed(this);
    return true;
  }

  #wake(): void {
    this.#wakeWriter?.();
    this.#wakeWriter = null;
  }
}
