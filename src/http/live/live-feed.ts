/** The live view: rows of the timeline to all who listen, as soon as they are stored.
 *
 *  One reader follows the log for all clients. It is woken by what the engine tells, and looks by itself
 *  every quarter of a second for rows that the engine tells nobody of. A client that comes reads what it
 *  missed from the log until it has caught up with the reader, and is handed what comes from there on:
 *  between the two no row is lost and none comes twice. While nobody listens, nothing is read. */

import type { Subscription } from 'rxjs';
import type { Clock, TimerHandle } from '../../domain/clock.ts';
import { HeadgateError, messageOf } from '../../domain/errors.ts';
import { LIMITS } from '../../domain/limits.ts';
import type { Logger } from '../../domain/logger.ts';
import type { Engine } from '../../engine/engine.ts';
import { FairPlaces } from '../fair-places.ts';
import type { History } from '../../../storage/reading/history.ts';
import type { Row } from '../../../storage/reading/timeline-reader.ts';
import { LiveClient, type LiveClientOptions } from './live-client.ts';
import { gapEvent, rowEvent } from './live-events.ts';
import { fits, keyOf, pageAfter, type LiveFilter } from './live-filter.ts';

export interface LiveFeedOptions {
  readonly engine: Engine;
  readonly history: History;
  readonly clock: Clock;
  readonly log: Logger;
  readonly clientsMax: number;
  readonly clientBytesMax: number;
}

export interface LiveRequest extends Omit<LiveClientOptions, 'bytesMax' | 'onClosed'> {
  /** Whose place it takes: a token, or an address. */
  readonly client: string;
}

const TOO_MANY = 'there are as many live clients as http.limits.liveClientsMax, or as one client may open';
const LOOK_EVERY_MS = 250;
const HEARTBEAT_MS = 15_000;
/** After an error of the reader. */
const RETRY_MS = 1_000;

export class LiveFeed {
  readonly #options: LiveFeedOptions;
  readonly #clients = new Set<LiveClient>();
  readonly #places: FairPlaces;
  readonly #catchUps = new Turns(LIMITS.liveCatchUpsMax);
  #subscriptions: Subscription[] = [];
  /** The last row that was handed out; null before the log was looked at. */
  #tail: number | null = null;
  #beginning: Promise<void> | null = null;
  #isFollowing = false;
  #isClosed = false;
  #wake: (() => void) | null = null;
  #news = false;
  #heartbeat: TimerHandle = undefined;

  constructor(options: LiveFeedOptions) {
    this.#options = options;
    this.#places = new FairPlaces(options.clientsMax);
  }

  get clients(): number {
    return this.#clients.size;
  }

  /** Bytes that wait for clients, all together. */
  get bufferedBytes(): number {
    let bytes = 0;
    for (const client of this.#clients) bytes += client.bufferedBytes;
    return bytes;
  }

  /** Begins the answer; resolves when it is known where the client begins, so that whatever is stored after
   *  its head was sent is told. @throws HeadgateError HG_HTTP_BUSY where there are as many clients as there
   *  may be, or as the history does, and then there is no answer yet. */
  async open(request: LiveRequest): Promise<void> {
    const { clientBytesMax, log } = this.#options;
    const leave = this.#isClosed ? null : this.#places.take(request.client);
    if (leave === null) throw new HeadgateError('HG_HTTP_BUSY', TOO_MANY);
    const onClosed = (gone: LiveClient) => {
      leave();
      this.#left(gone);
    };
    const client = new LiveClient({ ...request, bytesMax: clientBytesMax, onClosed });
    this.#clients.add(client);
    if (!this.#isFollowing) void this.#follow();
    try {
      // Rows after this one are handed out from now on, so that what is read later meets them.
      await this.#begin();
      client.cursor = request.afterSeq ?? (await this.#end());
    } catch (error) {
      client.dismiss();
      throw error;
    }
    client.greet();
    void this.#lead(client, request.afterSeq !== null).catch((error: unknown) => {
      log.warn({ error: messageOf(error) }, 'a live client was cut off: its rows cannot be read');
      client.close();
    });
  }

  close(): void {
    this.#isClosed = true;
    for (const client of this.#clients) client.close();
    this.#rest();
  }

  /** From where the client was to where the reader is. */
  async #lead(client: LiveClient, isReturning: boolean): Promise<void> {
    if (isReturning) await this.#tellGap(client);
    while (client.isOpen && client.cursor < (this.#tail ?? 0)) await this.#catchUp(client);
    // No await between that look at the tail and this: nothing comes in between.
    client.isLive = client.isOpen;
  }

  /** One page of what the client missed. */
  async #catchUp(client: LiveClient): Promise<void> {
    const { history } = this.#options;
    // Whatever is stored by now and is not found by the page does not fit the filter.
    const seen = this.#tail ?? 0;
    const page = pageAfter(client.filter, client.cursor, LIMITS.livePageRows);
    const rows = await this.#catchUps.take(() => history.timeline(page));
    for (const row of rows) {
      client.write(rowEvent(row));
      await client.drained();
      if (!client.isOpen) return;
    }
    const last = (rows.at(-1)?.['seq'] as number | undefined) ?? client.cursor;
    client.cursor = rows.length < LIMITS.livePageRows ? Math.max(last, seen) : last;
  }

  /** Says so where rows that the client asks for are no longer there. */
  async #tellGap(client: LiveClient): Promise<void> {
    const { cursor: afterSeq } = client;
    const end = await this.#end();
    if (afterSeq > end) {
      client.write(gapEvent({ afterSeq, firstSeq: null, reason: 'replaced' }));
      client.cursor = end;
      return;
    }
    const [first] = await this.#options.history.timeline({ afterSeq, limit: 1 });
    const firstSeq = (first?.['seq'] as number | undefined) ?? null;
    if (firstSeq !== null && firstSeq > afterSeq + 1) {
      client.write(gapEvent({ afterSeq, firstSeq, reason: 'deleted' }));
    }
  }

  /** The last row of the log, 0 where it has none. */
  async #end(): Promise<number> {
    const [last] = await this.#options.history.timeline({ limit: 1 });
    return (last?.['seq'] as number | undefined) ?? 0;
  }

  /** Hands out what comes, until nobody listens. */
  async #follow(): Promise<void> {
    const { clock, log } = this.#options;
    this.#isFollowing = true;
    this.#listen();
    while (this.#clients.size > 0) {
      try {
        await this.#begin();
        await this.#readOn();
        await this.#nextLook();
      } catch (error) {
        log.warn({ error: messageOf(error) }, 'the live view cannot read the timeline; it tries again');
        await clock.sleep(RETRY_MS);
      }
    }
    this.#rest();
    this.#isFollowing = false;
    this.#tail = null;
    this.#beginning = null;
  }

  /** Looks where the log ends; once for all who ask. */
  #begin(): Promise<void> {
    this.#beginning ??= this.#end().then(
      (end) => {
        this.#tail ??= end;
      },
      (error: unknown) => {
        this.#beginning = null;
        throw error;
      },
    );
    return this.#beginning;
  }

  async #readOn(): Promise<void> {
    for (;;) {
      const afterSeq = this.#tail ?? 0;
      const rows = await this.#options.history.timeline({ afterSeq, limit: LIMITS.livePageRows });
      const last = rows.at(-1)?.['seq'] as number | undefined;
      if (last === undefined) return;
      this.#tail = last;
      const textOf = sharedTexts();
      for (const client of this.#clients) client.offer(rows, textOf);
      if (rows.length < LIMITS.livePageRows) return;
    }
  }

  async #nextLook(): Promise<void> {
    const { clock } = this.#options;
    if (!this.#news) {
      const timer = clock.setTimeout(() => this.#wake?.(), LOOK_EVERY_MS);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      clock.clearTimeout(timer);
      this.#wake = null;
    }
    this.#news = false;
  }

  #listen(): void {
    const { engine } = this.#options;
    const tell = () => {
      this.#news = true;
      this.#wake?.();
    };
    this.#subscriptions = [
      engine.transitions$.subscribe(tell),
      engine.alerts$.subscribe(tell),
      engine.deadLetters$.subscribe(tell),
    ];
    this.#beatLater();
  }

  #beatLater(): void {
    this.#heartbeat = this.#options.clock.setTimeout(() => {
      for (const client of this.#clients) client.beat();
      this.#beatLater();
    }, HEARTBEAT_MS);
  }

  #rest(): void {
    for (const subscription of this.#subscriptions.splice(0)) subscription.unsubscribe();
    this.#options.clock.clearTimeout(this.#heartbeat);
    this.#wake?.();
  }

  #left(client: LiveClient): void {
    this.#clients.delete(client);
    if (this.#clients.size === 0) this.#wake?.();
  }
}

/** The text of some rows for a filter, made once for all clients that share both. */
function sharedTexts(): (rows: readonly Row[], filter: LiveFilter) => Buffer {
  const known = new Map<string, { readonly rows: readonly Row[]; readonly text: Buffer }>();
  return (rows, filter) => {
    const key = keyOf(filter);
    const found = known.get(key);
    if (found?.rows === rows) return found.text;
    const text = Buffer.from(
      rows
        .filter((row) => fits(row, filter))
        .map(rowEvent)
        .join(''),
    );
    known.set(key, { rows, text });
    return text;
  };
}

/** Lets so many work at once; the others wait in line. */
class Turns {
  #free: number;
  readonly #line: (() => void)[] = [];

  constructor(atOnce: number) {
    this.#free = atOnce;
  }

  async take<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#line.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#line.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}
