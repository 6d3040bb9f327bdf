/** One connection to an MQTT broker and the sources that run on it. Opened with the first run, closed with
 *  the last; while it stands, every message goes to each source whose filters match it.
 *
 *  What it does not do: reconnect. A lost link ends the runs on it with an error that asks for a retry, and
 *  the engine’s supervision decides when the next run opens a new one. There is no state outside the object:
 *  whoever made a connection owns it.
 *
 *  In a kept session (`clean: false`) messages for a source may arrive before its run does: at the start,
 *  when the sources of one connection begin one after the other, and at the stop. Such a message waits for
 *  its source for half the keepalive; after that the source is taken to be away, and what comes for it is
 *  thrown away, with a warning. */

import { HeadgateError, messageOf } from '../../../src/domain/errors.ts';
import { formatAddress } from '../../../src/domain/address.ts';
import { resolveOptions } from '../../../src/config/resolve-options.ts';
import type { Clock } from '../../../src/domain/clock.ts';
import type { FarewellIo, SourceIo } from '../../../src/domain/source.ts';
import { comesInTime } from '../runtime/in-time.ts';
import type { ConnectProgress } from '../../protocols/socket/connect-progress.ts';
import { LOSSES, watchLosses } from './broker-losses.ts';
import { block, InboundDispatcher } from './inbound-dispatcher.ts';
import { connectTimedOut, heldBackTooLong, notStored, shownUrl } from '../../protocols/mqtt/errors.ts';
import { KeptSession } from './kept-session.ts';
import { mqttJsTransport } from './mqtt-js-transport.ts';
import {
  connectionSchema,
  resolveConnection,
  type MqttConnectionInput,
  type ResolvedConnection,
} from '../../protocols/mqtt/options.ts';
import { watchGrants } from '../../protocols/mqtt/grant-watch.ts';
import { createSubscriberTable, type AwaitedSubscriber, type Subscriber } from './subscribers.ts';
import { brokerProgress } from '../../protocols/mqtt/open-socket.ts';
import type {
  MqttLink,
  MqttMessage,
  MqttSubscription,
  MqttTransport,
} from '../../protocols/mqtt/transport.ts';

/** A connection that several sources share. Give it to each of them as `connection`. */
export interface MqttConnection {
  readonly kind: 'mqttConnection';
  /** The broker, without credentials. */
  readonly url: string;
  /** Lets a source take part. Called by {@link mqttSource} when its spec is made; does nothing
   *  on the wire. */
  join(member: Subscriber): ConnectionMember;
}

export interface ConnectionMember {
  /** One run of the source: resolves when `io.signal` aborts. @throws HeadgateError when the link fails. */
  run(io: SourceIo): Promise<void>;
  /** Names the session that the broker keeps; undefined where it keeps none. */
  readonly keeps: string | undefined;
  /** The source does not come back: its subscriptions are taken back, and where it was the last one the
   *  session is ended. Never rejects. */
  farewell(io: FarewellIo): Promise<void>;
}

/** Makes a connection for several sources. Sources whose filters overlap without being the same may get a
 *  message once for each filter: that is how many brokers send it.
 *
 *  Options: `url` and everything else {@link mqttSource} takes about the link, credentials and session. All
 *  sources on one connection share its session: a full outlet of one holds back the others.
 *
 *  @example
 *  const connection = mqttConnection({ url: 'mqtt://broker', clientId: 'gateway-7', clean: false });
 *  await engine.register(mqttSource({ id: 'speeds', connection, topics: 'plant/+/speed' }));
 *  await engine.register(mqttSource({ id: 'alarms', connection, topics: 'plant/+/alarm', qos: 2 }));
 *
 *  @throws HeadgateError HG_OPTION_UNKNOWN, HG_OPTION_INVALID. */
export function mqttConnection(input: MqttConnectionInput): MqttConnection {
  const fields = resolveOptions(connectionSchema, input, 'mqttConnection');
  return createConnection(resolveConnection(fields), fields.transport ?? mqttJsTransport);
}

export function isMqttConnection(value: unknown): value is MqttConnection {
  return (value as MqttConnection | null | undefined)?.kind === 'mqttConnection';
}

/** How long a good-bye waits for what was taken to be stored. */
const SETTLE_MS_MAX = 2_000;

const SESSION_LOST = 'the broker has lost the kept session, and what it held for it';

const COME_AGAIN =
  'the link is closed before these messages are stored and acknowledged: the broker keeps them in the ' +
  'session and sends them again at the next connection';
const UNACKNOWLEDGED =
  'the link is closed before these messages are stored and acknowledged, and the broker forgets them ' +
  'with the clean session: set clean: false and a clientId to get them again';

/** A link from its opening to its end. */
interface ActiveLink {
  readonly link: MqttLink;
  readonly progress: ConnectProgress;
  readonly delivery: InboundDispatcher;
  readonly clock: Clock;
  readonly log: SourceIo['log'];
  /** True once the broker accepted the connection; false if the line came to an end before. */
  readonly opened: Promise<boolean>;
  /** Resolves with what ended the line. Never, if it was closed because nobody needs it. */
  readonly lost: Promise<unknown>;
  readonly fail: (error: unknown) => void;
  readonly stopWaiting: () => void;
}

export function createConnection(options: ResolvedConnection, transport: MqttTransport): MqttConnection {
  const subscribers = createSubscriberTable(!options.clean);
  const session = { takenIds: new Set<number>() };
  /** Any run will do that is not over: what it says is about the connection they share. */
  const speaker = (): SourceIo | undefined => subscribers.seats.values().next().value?.io;
  const losses = options.brokerLosses ? watchLosses(shownUrl(options.url), speaker) : null;
  /** The broker has been asked to keep a session, so it should know of one. */
  let sessionKnown = false;
  const kept = new KeptSession(options, transport);
  const grants = watchGrants(options, speaker);
  /** Subscriptions of sources that are gone, which no link could take back yet. */
  const orphaned = new Set<string>();
  let line: ActiveLink | null = null;
  /** Settled unless a link is still being closed: a session has one link at a time. */
  let closing: Promise<void> = Promise.resolve();

  const close = (ended: ActiveLink): void => {
    if (line !== ended) return;
    line = null;
    ended.stopWaiting();
    losses?.rest();
    ended.delivery.stop();
    closing = settleAndClose(ended);
  };
  /** What was taken is acknowledged first, as far as it is stored soon: after the good-bye it would come
   *  again. */
  const settleAndClose = async ({ clock, log, delivery, link }: ActiveLink): Promise<void> => {
    await comesInTime(clock, SETTLE_MS_MAX, delivery.settled());
    const messages = delivery.unacknowledged;
    if (messages > 0) {
      const { clean, clientId } = options;
      log.warn({ url: shownUrl(options.url), clientId, messages }, clean ? UNACKNOWLEDGED : COME_AGAIN);
    }
    delivery.end();
    await link.close();
  };

  const openLine = (io: SourceIo): ActiveLink => {
    const opened = Promise.withResolvers<boolean>();
    let openedMonoMs: number | null = null;
    const lost = Promise.withResolvers<unknown>();
    const fail = (error: unknown) => {
      opened.resolve(false);
      lost.resolve(error);
      close(current);
    };
    const { url, connectTimeoutMs } = options;
    const progress = brokerProgress(url, ['CONNACK', 'SUBACK']);
    const timer = io.clock.setTimeout(
      () => fail(connectTimedOut(url, connectTimeoutMs, progress.describe())),
      connectTimeoutMs,
    );
    const stopWaiting = () => io.clock.clearTimeout(timer);
    const delivery = new InboundDispatcher({ ...deliveryOptions(io, fail), link: () => link });
    const link = transport(
      { ...options, session, progress },
      {
        opened({ present, differences = [] }) {
          stopWaiting();
          progress.advance();
          openedMonoMs = io.clock.monotonicMs();
          grants.connected(differences);
          if (sessionKnown && !present) {
            const facts = { clientId: options.clientId, url: shownUrl(options.url) };
            io.log.warn(facts, SESSION_LOST);
            speaker()?.alert('BROKER_SESSION_LOST', SESSION_LOST, facts);
          }
          sessionKnown = !options.clean;
          opened.resolve(true);
          if (losses === null) return;
          // A broker may keep its counters to itself; no source goes without its messages for that.
          link.subscribe([LOSSES]).catch((error: unknown) => {
            io.log.info({ url: shownUrl(options.url), error: messageOf(error) }, 'broker tells no losses');
          });
        },
        message(message, packetId) {
          if (losses !== null && message.topic === LOSSES.filter) {
            losses.read(message.payload);
            if (subscribers.routeOf(message.topic).seats.length === 0) return true;
          }
          return delivery.receive(message, packetId);
        },
        closed(error) {
          delivery.end();
          fail(grants.closed(error, openedMonoMs === null ? null : io.clock.monotonicMs() - openedMonoMs));
        },
      },
      io.clock,
    );
    const { clock, log } = io;
    const current: ActiveLink = {
      ...{ link, progress, delivery, clock, log, fail, stopWaiting },
      ...{ opened: opened.promise, lost: lost.promise },
    };
    return current;
  };

  const holdMsMax = (options.keepaliveSeconds * 1000) / 2;
  const deliveryOptions = (
    { clock, log }: { clock: Clock; log: SourceIo['log'] },
    fail: ActiveLink['fail'],
  ) => ({
    ...{ subscribers, clock, session, holdMsMax },
    notStored: () => fail(notStored(options.url)),
    heldTooLong: () => fail(heldBackTooLong(options.url, holdMsMax)),
    gaveUpOn(missing: readonly AwaitedSubscriber[]) {
      for (const { member } of missing) {
        subscribers.stopAwaiting(member);
        log.warn(
          { source: member.address, url: shownUrl(options.url) },
          'source is away: its messages are thrown away',
        );
        void forget(member.subscriptions);
      }
    },
    nobodys(message: MqttMessage) {
      log.warn(
        { topic: message.topic, clientId: options.clientId, url: shownUrl(options.url) },
        'message for no source thrown away: the kept session has a subscription that no source has',
      );
    },
    failed: fail,
  });

  /** Takes back subscriptions nobody uses, as far as the link still can. */
  const forget = async (subscriptions: readonly MqttSubscription[]): Promise<void> => {
    const filters = subscribers.unused(subscriptions);
    if (filters.length > 0) await line?.link.unsubscribe(filters).catch(() => {});
  };

  const lineFor = async (io: SourceIo): Promise<ActiveLink | typeof ABORTED> => {
    let awaited: Promise<void>;
    do {
      awaited = closing;
      await awaited;
    } while (awaited !== closing);
    if (io.signal.aborted) return ABORTED;
    line ??= openLine(io);
    return line;
  };

  const run = async (member: Subscriber, io: SourceIo): Promise<void> => {
    const over = aborted(io.signal);
    const seat = subscribers.activate(member, io);
    // At once: what comes in the same turn is no longer for this run.
    io.signal.addEventListener('abort', () => subscribers.deactivate(seat), { once: true });
    // The outlet may still be full from the run before.
    block(seat);
    try {
      const mine = await Promise.race([lineFor(io), over]);
      if (mine === ABORTED || !(await within(mine, over, subscribed(mine, member, io)))) return;
      io.opened();
      await within(mine, over, new Promise<never>(() => {}));
    } finally {
      subscribers.deactivate(seat);
      await release(member);
    }
  };

  const subscribed = async (mine: ActiveLink, member: Subscriber, io: SourceIo): Promise<void> => {
    io.awaits?.(mine.progress.describe);
    // A line that could not be opened has failed; `lost` says so, and nothing may look like success before.
    if (!(await mine.opened)) await new Promise<never>(() => {});
    const filters = member.subscriptions.map(({ filter }) => filter);
    const old = await kept.begin(io, filters);
    grants.subscribed(await mine.link.subscribe(member.subscriptions));
    const used = subscribers.declaredFilters();
    await kept.takeBack(io, mine.link, filters, { old, used });
    const unused = [...orphaned].filter((filter) => !used.has(filter));
    orphaned.clear();
    if (unused.length > 0) await mine.link.unsubscribe(unused);
  };

  const farewell = async (member: Subscriber, io: FarewellIo): Promise<void> => {
    const hasOthers = subscribers.dismiss(member);
    await closing;
    if (hasOthers) {
      const used = subscribers.declaredFilters();
      for (const { filter } of member.subscriptions) if (!used.has(filter)) orphaned.add(filter);
      if (line === null) return;
      const filters = [...orphaned];
      orphaned.clear();
      await line.link.unsubscribe(filters).catch(() => {
        for (const filter of filters) orphaned.add(filter);
      });
    } else {
      await kept.end(io);
    }
  };

  const release = async (member: Subscriber): Promise<void> => {
    if (subscribers.seats.size === 0) {
      if (line !== null) close(line);
      await closing;
    } else if (options.clean) {
      await forget(member.subscriptions);
    }
    // In a kept session the subscriptions stay: what comes while the source is away is what it is kept for.
  };

  return Object.freeze<MqttConnection>({
    kind: 'mqttConnection',
    url: shownUrl(options.url),
    join(member) {
      subscribers.register(member);
      return {
        run: (io) => run(member, io),
        keeps: options.clean ? undefined : `${shownUrl(options.url)} ${options.clientId}`,
        farewell: (io) => farewell(member, io),
      };
    },
  });
}

const ABORTED = Symbol('the run is over');

function aborted(signal: AbortSignal): Promise<typeof ABORTED> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(ABORTED);
    else signal.addEventListener('abort', () => resolve(ABORTED), { once: true });
  });
}

/** Waits for `work` as long as run and line last. Gives false when the run is over; throws what ended the
 *  line. */
async function within(
  line: ActiveLink,
  over: Promise<typeof ABORTED>,
  work: Promise<unknown>,
): Promise<boolean> {
  const lost = line.lost.then((error) => {
    throw error instanceof Error ? error : new HeadgateError('HG_LINK_LOST', String(error));
  });
  lost.catch(() => {});
  work.catch(() => {});
  return (await Promise.race([lost, over, work])) !== ABORTED;
}

export function memberAddress(io: { tenant: string; id: string }): string {
  return formatAddress({ tenant: io.tenant, sourceId: io.id });
}
