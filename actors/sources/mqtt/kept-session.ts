/** State that a broker keeps for a source beyond its link: a session with its subscriptions and what was
 *  published to them meanwhile. A broker cannot be asked for either, so each source keeps a record of them in
 *  its cursor, also over a restart. By it, subscriptions that are no longer configured are taken back. A
 *  session that no source uses any more is ended, or an alert says that the broker still queues for it. */

import type { Clock } from '../../../src/domain/clock.ts';
import { messageOf } from '../../../src/domain/errors.ts';
import type { FarewellIo, SourceIo } from '../../../src/domain/source.ts';
import { comesInTime } from '../runtime/in-time.ts';
import { shownUrl } from '../../protocols/mqtt/errors.ts';
import type { ResolvedConnection } from '../../protocols/mqtt/options.ts';
import type { MqttLink, MqttTransport } from '../../protocols/mqtt/transport.ts';

export interface SessionRecord {
  /** The broker, without credentials. */
  readonly url: string;
  readonly clientId: string;
  /** Filters that may be subscribed to in it. */
  readonly filters: readonly string[];
}

/** The record in a source's cursor; null where there is none. */
export function parseSession(cursor: string | null): SessionRecord | null {
  try {
    const { mqttSession } = JSON.parse(cursor ?? 'null') as { mqttSession?: Partial<SessionRecord> };
    const { url, clientId, filters } = mqttSession ?? {};
    if (typeof url !== 'string' || typeof clientId !== 'string' || !Array.isArray(filters)) return null;
    return { url, clientId, filters: filters.filter((filter) => typeof filter === 'string') };
  } catch {
    return null;
  }
}

function cursorOf(mqttSession: SessionRecord | null): string {
  return JSON.stringify(mqttSession === null ? {} : { mqttSession });
}

/** How long the end of a session may take beyond the connecting. */
const END_MS_MAX = 1_000;

type Subscribed = Pick<MqttLink, 'unsubscribe'>;

export class KeptSession {
  readonly #options: ResolvedConnection;
  readonly #transport: MqttTransport;
  readonly #url: string;

  constructor(options: ResolvedConnection, transport: MqttTransport) {
    this.#options = options;
    this.#transport = transport;
    this.#url = shownUrl(options.url);
  }

  /** Notes what is about to be subscribed to, before it is: a crash must not leave a subscription unknown.
   *  Returns the filters of earlier configurations. Resolves when the record is stored. */
  async begin(io: SourceIo, filters: readonly string[]): Promise<readonly string[]> {
    const { clean, clientId } = this.#options;
    const known = parseSession(io.cursor);
    const isSame = known !== null && known.url === this.#url && known.clientId === clientId;
    if (known !== null && !isSame) void this.#replaced(io, known);
    if (clean) {
      // A connection with a clean session has ended a kept one of the same name.
      if (known !== null && isSame) await io.keepCursor(cursorOf(null));
      return [];
    }
    const old = isSame ? known.filters.filter((filter) => !filters.includes(filter)) : [];
    if (!isSame || filters.some((filter) => !known.filters.includes(filter))) {
      await this.#note(io, [...filters, ...old]);
    }
    return old;
  }

  /** Takes subscriptions of earlier configurations back; `used` are those that other sources have. */
  async takeBack(
    io: SourceIo,
    link: Subscribed,
    filters: readonly string[],
    { old, used }: { readonly old: readonly string[]; readonly used: ReadonlySet<string> },
  ): Promise<void> {
    const unused = old.filter((filter) => !used.has(filter));
    if (old.length === 0) return;
    if (unused.length > 0) {
      await link.unsubscribe(unused);
      io.log.info(
        { url: this.#url, filters: unused },
        'subscriptions that are not configured were taken back',
      );
    }
    await this.#note(io, filters);
  }

  /** Ends the session of this connection: connects once with a clean one. */
  async end(io: FarewellIo): Promise<void> {
    await this.#end(io, this.#options.clientId);
    await io.keepCursor(cursorOf(null));
  }

  /** The source had another session before. With the same broker it is ended; another broker is not shown the
   *  credentials of this one. */
  async #replaced(io: SourceIo, { url, clientId }: SessionRecord): Promise<void> {
    if (url === this.#url) await this.#end(io, clientId);
    else left(io, { url, clientId }, 'the source now connects to another broker');
  }

  #note(io: SourceIo, filters: readonly string[]): Promise<void> {
    return io.keepCursor(cursorOf({ url: this.#url, clientId: this.#options.clientId, filters }));
  }

  async #end(io: FarewellIo, clientId: string): Promise<void> {
    const facts = { url: this.#url, clientId };
    const why = await this.#connectClean(io.clock, clientId);
    if (why === null) io.log.info(facts, 'the kept session that no source uses any more was ended');
    else left(io, facts, why);
  }

  /** Returns why it failed, or null. */
  async #connectClean(clock: Clock, clientId: string): Promise<string | null> {
    const over = Promise.withResolvers<string | null>();
    const { connectTimeoutMs } = this.#options;
    const link = this.#transport(
      {
        ...{ ...this.#options, clientId, clean: true, sessionExpirySeconds: 0, will: undefined },
        session: { takenIds: new Set() },
      },
      {
        opened: () => over.resolve(null),
        message: () => true,
        closed: (error) => over.resolve(messageOf(error)),
      },
      clock,
    );
    const answered = await comesInTime(clock, connectTimeoutMs, over.promise);
    const why = answered ? await over.promise : `the broker did not answer within ${connectTimeoutMs} ms`;
    await comesInTime(clock, END_MS_MAX, link.close());
    return why;
  }
}

function left(io: FarewellIo, facts: { readonly url: string; readonly clientId: string }, why: string): void {
  const message =
    `the broker ${facts.url} goes on queueing for the kept session "${facts.clientId}", which no source ` +
    `uses any more: ${why}; end it by connecting once with that client id and a clean session`;
  io.alert('BROKER_SESSION_LEFT', message, facts);
}
