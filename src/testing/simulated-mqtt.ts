/** An MQTT broker in memory, on the clock of a test or simulation: topics, QoS 0 and 1, retained messages,
 *  sessions that are kept, shared groups, wills, and outages on command. It is the twin of a real broker
 *  behind the port of actors/protocols/mqtt/transport.ts; QoS 2 is delivered like QoS 1.
 *
 *  @example
 *  const broker = simulatedMqttBroker({ clock });
 *  const { transport } = broker;
 *  await engine.register(mqttSource({ id: 'm', url: 'mqtt://simulated', topics: 'plant/#', transport }));
 *  broker.publish('plant/a', '{"speed":7}'); */

import { connectionLost, connectionFailed, connectionRefused } from '../../actors/protocols/mqtt/errors.ts';
import { tooLargeMessage } from '../../actors/sources/mqtt/rejected-message.ts';
import { isShared, topicMatcher } from '../../actors/protocols/mqtt/topics.ts';
import type {
  MqttLink,
  MqttLinkEvents,
  MqttLinkOptions,
  MqttMessage,
  MqttSubscription,
  MqttTransport,
  Qos,
} from '../../actors/protocols/mqtt/transport.ts';
import type { Clock } from '../domain/clock.ts';

export interface SimulatedMqttOptions {
  readonly clock: Clock;
  /** One way between client and broker, milliseconds. Default 1. */
  readonly latencyMs?: number;
  /** What clients must give; none by default. */
  readonly credentials?: { readonly username: string; readonly password: string };
  /** Messages kept for a client that does not take them; further ones are thrown away. Default 1,000, as
   *  Mosquitto’s. */
  readonly queuedMessagesMax?: number;
  /** Messages sent to a client and not yet acknowledged. Default 20, as Mosquitto’s. */
  readonly inflightMessagesMax?: number;
}

export interface SimulatedMqttBroker {
  readonly transport: MqttTransport;
  publish(topic: string, payload: string | Uint8Array, options?: { qos?: Qos; retain?: boolean }): void;
  /** The broker dies: links are lost, new ones refused, until `up`. Sessions survive. */
  down(): void;
  up(): void;
  /** Links are lost; new ones are welcome. */
  cut(): void;
  /** The broker stops answering: new connections hang, nothing is delivered, until `up`. */
  freeze(): void;
  /** Links that stand now. */
  readonly connections: number;
  /** Messages thrown away because a client’s queue was full. */
  readonly thrownAway: number;
  /** The session that the broker keeps for a client id; null where there is none. */
  session(clientId: string): SimulatedMqttSession | null;
}

export interface SimulatedMqttSession {
  readonly filters: readonly string[];
  /** Messages that wait for the client. */
  readonly queued: number;
}

/** A message sent and not acknowledged. */
interface Sent {
  readonly message: MqttMessage;
  readonly packetId: number;
}

interface Session {
  readonly subscriptions: Map<string, { readonly matches: (topic: string) => boolean; readonly qos: Qos }>;
  queue: MqttMessage[];
  inflight: Sent[];
  packetId: number;
  client: Client | null;
}

interface Client {
  readonly options: MqttLinkOptions;
  readonly events: MqttLinkEvents;
  readonly session: Session;
  /** The client takes nothing for now. */
  isHeld: boolean;
  lose(): void;
}

const PACKET_ID_MAX = 65_535;

type State = 'up' | 'down' | 'frozen';

export function simulatedMqttBroker(options: SimulatedMqttOptions): SimulatedMqttBroker {
  const { clock, latencyMs = 1, credentials, queuedMessagesMax = 1_000, inflightMessagesMax = 20 } = options;
  const sessions = new Map<string, Session>();
  const clients = new Set<Client>();
  const retained = new Map<string, MqttMessage>();
  const turns = new Map<string, number>();
  let state: State = 'up';
  let anonymous = 0;
  let thrownAway = 0;

  const enqueue = (session: Session, message: MqttMessage): void => {
    // What has no acknowledgement is not kept for those who are away.
    if (session.client === null && message.qos === 0) return;
    if (session.queue.length >= queuedMessagesMax) {
      thrownAway++;
      return;
    }
    session.queue.push(message);
    if (session.client !== null) soon(session.client);
  };
  const soon = (client: Client): void => {
    clock.setTimeout(() => pump(client), latencyMs);
  };
  const pump = (client: Client): void => {
    const { session } = client;
    while (
      !client.isHeld &&
      clients.has(client) &&
      state === 'up' &&
      session.inflight.length < inflightMessagesMax
    ) {
      const message = session.queue.shift();
      if (message === undefined) return;
      const packetId = message.qos === 0 ? 0 : nextPacketId(session);
      if (packetId > 0) session.inflight.push({ message, packetId });
      client.isHeld = !client.events.message(asTaken(message, client.options), packetId);
    }
  };

  const route = (message: MqttMessage): void => {
    const groups = new Map<string, Session[]>();
    for (const session of sessions.values()) {
      const plain: Qos[] = [];
      for (const [filter, { matches, qos }] of session.subscriptions) {
        if (!matches(message.topic)) continue;
        if (isShared(filter)) groups.set(filter, [...(groups.get(filter) ?? []), session]);
        else plain.push(qos);
      }
      if (plain.length > 0) enqueue(session, withQos(message, Math.max(...plain) as Qos));
    }
    for (const [filter, members] of groups) {
      const present = members.filter(({ client }) => client !== null);
      const turn = turns.get(filter) ?? 0;
      turns.set(filter, turn + 1);
      const chosen = present[turn % present.length] ?? members[0];
      const qos = chosen?.subscriptions.get(filter)?.qos;
      if (chosen !== undefined && qos !== undefined) enqueue(chosen, withQos(message, qos));
    }
  };

  const publish: SimulatedMqttBroker['publish'] = (topic, payload, { qos = 1, retain = false } = {}) => {
    const bytes = typeof payload === 'string' ? new TextEncoder().encode(payload) : new Uint8Array(payload);
    const message: MqttMessage = { topic, payload: bytes, qos, retain: false, dup: false };
    if (retain && bytes.length === 0) retained.delete(topic);
    else if (retain) retained.set(topic, { ...message, retain: true });
    route(message);
  };

  const admit = (client: Client): void => {
    const { events, session } = client;
    session.client?.lose();
    session.client = client;
    clients.add(client);
    // What was sent and not acknowledged comes again, first and in order.
    session.queue = [...session.inflight.map(({ message }) => ({ ...message, dup: true })), ...session.queue];
    session.inflight = [];
    // As some brokers do: over the next link the same packet ids stand for other messages.
    session.packetId = 0;
    events.opened({
      present: client.options.clean ? false : sessions.get(client.options.clientId) === session,
    });
    sessions.set(client.options.clientId || `anonymous-${++anonymous}`, session);
    soon(client);
  };

  const leave = (client: Client): void => {
    clients.delete(client);
    const { session } = client;
    if (session.client !== client) return;
    session.client = null;
    session.queue = session.queue.filter(({ qos }) => qos > 0);
    if (!client.options.clean) return;
    for (const [name, other] of sessions) if (other === session) sessions.delete(name);
  };

  const subscribe = (client: Client, subscriptions: readonly MqttSubscription[]): void => {
    for (const { filter, qos } of subscriptions) {
      const matches = topicMatcher(filter);
      client.session.subscriptions.set(filter, { matches, qos });
      if (isShared(filter)) continue;
      for (const message of retained.values()) {
        if (matches(message.topic)) enqueue(client.session, withQos(message, qos));
      }
    }
  };

  const refusal = (link: MqttLinkOptions): Error | null => {
    if (state === 'down') return connectionFailed(link.url, { code: 'ECONNREFUSED' });
    if (credentials === undefined) return null;
    const known = link.username === credentials.username && link.password === credentials.password;
    return known ? null : connectionRefused(link.url, 5, 'not authorised');
  };

  const transport: MqttTransport = (link, events) => {
    let over = false;
    const kept = link.clean ? undefined : sessions.get(link.clientId);
    const client: Client = {
      options: link,
      events,
      session: kept ?? { subscriptions: new Map(), queue: [], inflight: [], packetId: 0, client: null },
      isHeld: false,
      lose() {
        if (over) return;
        over = true;
        leave(client);
        const { will } = link;
        if (will !== undefined) publish(will.topic, will.payload, { qos: will.qos, retain: will.retain });
        events.closed(connectionLost(link.url, 'it was closed'));
      },
    };
    clock.setTimeout(() => {
      if (over || state === 'frozen') return;
      const error = refusal(link);
      if (error === null) {
        admit(client);
        return;
      }
      over = true;
      events.closed(error);
    }, latencyMs);
    return linkOf(client, () => {
      over = true;
      leave(client);
    });
  };

  const linkOf = (client: Client, end: () => void): MqttLink => ({
    async subscribe(subscriptions) {
      await clock.sleep(2 * latencyMs);
      if (!clients.has(client)) throw connectionLost(client.options.url, 'it was closed');
      // A broker that hangs grants nothing: the one who waits has a timeout for that.
      if (state === 'frozen') return new Promise<never>(() => {});
      subscribe(client, subscriptions);
      return [];
    },
    async unsubscribe(filters) {
      for (const filter of filters) client.session.subscriptions.delete(filter);
    },
    acknowledge(acks) {
      if (!clients.has(client)) return;
      const { session, options: link } = client;
      const acknowledged = new Set(acks.map(({ packetId }) => packetId));
      session.inflight = session.inflight.filter(({ packetId }) => !acknowledged.has(packetId));
      // The release of a QoS 2 message follows at once.
      for (const packetId of acknowledged) link.session.takenIds.delete(packetId);
      soon(client);
    },
    resume() {
      if (!client.isHeld) return;
      client.isHeld = false;
      soon(client);
    },
    async close() {
      end();
    },
  });

  const loseAll = () => {
    for (const client of [...clients]) client.lose();
  };
  return {
    transport,
    publish,
    cut: loseAll,
    down() {
      state = 'down';
      loseAll();
    },
    up() {
      state = 'up';
      for (const client of clients) soon(client);
    },
    freeze() {
      state = 'frozen';
    },
    get connections() {
      return clients.size;
    },
    get thrownAway() {
      return thrownAway;
    },
    session(clientId) {
      const session = sessions.get(clientId);
      if (session === undefined) return null;
      const queued = session.queue.length + session.inflight.length;
      return { filters: [...session.subscriptions.keys()], queued };
    },
  };
}

function nextPacketId(session: Session): number {
  session.packetId = (session.packetId % PACKET_ID_MAX) + 1;
  return session.packetId;
}

/** As the real transport hands a message in. */
function asTaken(message: MqttMessage, { payloadBytesMax: bytesMax }: MqttLinkOptions): MqttMessage {
  const { payload } = message;
  return payload.length > bytesMax
    ? tooLargeMessage(message, payload, { bytes: payload.length, bytesMax })
    : message;
}

function withQos(message: MqttMessage, granted: Qos): MqttMessage {
  return { ...message, qos: Math.min(message.qos, granted) as Qos };
}
