/** The real transport: one mqtt.js client per link, never used again after the link is gone.
 *
 *  What mqtt.js is kept from: reconnecting (the engine supervises), its own keepalive (mqtt-keepalive.ts says why), its
 *  own connect timeout (the clock is the engine’s), and acknowledging before a message was taken. Handlers are set before
 *  the connection is opened, so that what a kept session sends first is not lost. */

import mqtt, { type IClientOptions, type IPublishPacket, type MqttClient, type Packet } from 'mqtt';
import type { Clock } from '../../src/domain/clock.ts';
import { messageOf } from '../../src/domain/errors.ts';
import {
  closedBeforeAnswer,
  connectionFailed,
  connectionLost,
  connectionRefused,
  messageTooLarge,
  subscriptionRefused,
} from './mqtt-errors.ts';
import { frameWatch } from './mqtt-frames.ts';
import { startKeepalive, type Keepalive } from './mqtt-keepalive.ts';
import { messageOfPacket } from './mqtt-packets.ts';
import { qos2Store } from './mqtt-qos2-store.ts';
import type {
  MessageOutcome,
  MqttLink,
  MqttLinkEvents,
  MqttLinkOptions,
  MqttSubscription,
} from './mqtt-transport.ts';

/** How long a good-bye may take before the connection is cut. */
const CLOSE_MS_MAX = 1_000;
/** Room for topic, properties and header beside the payload of a packet. */
const FRAME_OVERHEAD_BYTES = 128 * 1024;
/** Longest delay a timer takes: mqtt.js’s own timeout is never to fire. */
const NEVER_MS = 2 ** 31 - 1;

/** Tells mqtt.js to go on without an acknowledgement. */
const UNACKNOWLEDGED = new Error('not taken');

type Phase = 'opening' | 'open' | 'closing' | 'gone';

/** Opens a link through mqtt.js; see {@link MqttTransport}. */
export function mqttJsTransport(options: MqttLinkOptions, events: MqttLinkEvents, clock: Clock): MqttLink {
  const { url } = options;
  let phase: Phase = 'opening';
  let keepalive: Keepalive | null = null;
  /** Why the link will go, if it is known before it goes: mqtt.js’s close bears no reason. */
  let reason: Error | null = null;
  const gone = Promise.withResolvers<void>();

  /** A message is with its receiver. */
  let handling = false;
  let onHandled: (() => void) | null = null;

  const receive = (packet: IPublishPacket, done: (outcome: MessageOutcome) => void): void => {
    if (phase === 'closing' || phase === 'gone') {
      if (packet.qos === 2) cutWhenFlushed();
      done('left');
      return;
    }
    handling = true;
    keepalive?.hold(true);
    events.message(messageOfPacket(packet), (outcome) => {
      handling = false;
      keepalive?.hold(false);
      onHandled?.();
      if (outcome === 'left' && packet.qos === 2) cutWhenFlushed();
      // An acknowledgement never goes out over another connection than its message came in: the ids are used again.
      if (phase !== 'gone') done(outcome);
    });
  };
  /** mqtt.js reads no further after a QoS 2 message it may not acknowledge, so the broker’s good-bye would not be seen. */
  const cutWhenFlushed = (): void => {
    if (client.stream.writableFinished) client.stream.destroy();
    else client.stream.once('finish', () => client.stream.destroy());
  };

  const store = qos2Store(options.session, receive);
  const client = mqtt.connect({ ...clientOptions(options), incomingStore: store });
  client.handleMessage = (packet, acknowledge) => {
    // A QoS 2 message was taken when it came; this is its release.
    if (packet.qos === 2) acknowledge();
    else receive(packet, (outcome) => acknowledge(outcome === 'taken' ? undefined : UNACKNOWLEDGED));
  };

  const end = (error: Error): void => {
    const before = phase;
    phase = 'gone';
    keepalive?.stop();
    client.stream?.destroy();
    gone.resolve();
    if (before === 'opening' || before === 'open') events.closed(error);
  };
  const fail = (error: Error): void => {
    reason ??= error;
    end(reason);
  };

  client.on('packetreceive', (packet: Packet) => {
    keepalive?.alive();
    if (packet.cmd === 'connack' && !packet.sessionPresent) options.session.takenIds.clear();
  });
  client.on('connect', (packet) => {
    if (phase !== 'opening') return;
    phase = 'open';
    const keepaliveMs = (packet.properties?.serverKeepAlive || options.keepaliveSeconds) * 1000;
    keepalive = startKeepalive(clock, keepaliveMs, {
      ping: () => client.sendPing(),
      dead: () => fail(connectionLost(url, `it gave no sign of life for ${keepaliveMs * 1.5} ms`)),
    });
    events.opened({ present: packet.sessionPresent });
  });
  client.on('disconnect', (packet) => {
    reason ??= connectionLost(
      url,
      `the broker closed it: ${packet.properties?.reasonString ?? disconnectReason(packet.reasonCode)}`,
    );
  });
  client.on('error', (error) => fail(explain(error, phase, url)));
  client.on('close', () => {
    end(reason ?? (phase === 'opening' ? closedBeforeAnswer(url) : connectionLost(url, 'it was closed')));
  });

  const open = (): void => {
    client.connect();
    const frames = frameWatch(options.payloadBytesMax + FRAME_OVERHEAD_BYTES);
    client.stream.on('data', (bytes: Uint8Array) => {
      keepalive?.alive();
      const tooLarge = frames.push(bytes);
      if (tooLarge !== null) fail(messageTooLarge(url, tooLarge, options.payloadBytesMax));
    });
  };
  // After the caller has its link in hand.
  queueMicrotask(() => {
    if (phase !== 'opening') return;
    try {
      open();
    } catch (error) {
      fail(connectionFailed(url, error));
    }
  });

  return {
    subscribe: (subscriptions) => subscribe(client, options, subscriptions),
    async unsubscribe(filters) {
      if (phase === 'open') await client.unsubscribeAsync([...filters]);
    },
    async close() {
      if (phase === 'gone') return;
      const connected = phase === 'open';
      phase = 'closing';
      if (connected) {
        // A message in hand is settled first: acknowledged after the good-bye it would come again.
        if (handling)
          await atMost(CLOSE_MS_MAX, clock, new Promise<void>((resolve) => (onHandled = resolve)));
        client.end(false);
        await atMost(CLOSE_MS_MAX, clock, gone.promise);
      }
      end(connectionLost(url, 'closed'));
    },
  };
}

/** Waits, but not for ever: mqtt.js may never come to its end (a pending subscription, a peer that does not close). */
async function atMost(ms: number, clock: Clock, event: Promise<void>): Promise<void> {
  const over = new AbortController();
  await Promise.race([event, clock.sleep(ms, over.signal)]);
  over.abort();
}

function clientOptions(options: MqttLinkOptions): IClientOptions {
  const { url, tls, protocolVersion } = options;
  const isWebSocket = url.protocol.startsWith('ws');
  // An IPv6 address stands in brackets within a URL only.
  const host = isWebSocket ? url.hostname : url.hostname.replace(/^\[|\]$/g, '');
  return {
    protocol: url.protocol.slice(0, -1) as 'mqtt' | 'mqtts' | 'ws' | 'wss',
    host,
    hostname: host,
    ...(url.port === '' ? {} : { port: Number(url.port) }),
    ...(isWebSocket ? { path: `${url.pathname}${url.search}` } : {}),
    ...(tls === undefined ? {} : (tls as IClientOptions)),
    ...(options.username === undefined ? {} : { username: options.username }),
    ...(options.password === undefined ? {} : { password: options.password }),
    ...(options.will === undefined ? {} : { will: willOf(options.will) }),
    protocolVersion,
    clientId: options.clientId,
    clean: options.clean,
    keepalive: options.keepaliveSeconds,
    ...(protocolVersion === 5 ? { properties: connectProperties(options) } : {}),
    manualConnect: true,
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    connectTimeout: NEVER_MS,
    timerVariant: { set: () => 1, clear() {} },
  };
}

function willOf(will: NonNullable<MqttLinkOptions['will']>): NonNullable<IClientOptions['will']> {
  const { topic, payload, qos, retain } = will;
  return { topic, payload: typeof payload === 'string' ? payload : Buffer.from(payload), qos, retain };
}

function connectProperties(options: MqttLinkOptions): NonNullable<IClientOptions['properties']> {
  const { sessionExpirySeconds, receiveMaximum, payloadBytesMax } = options;
  return {
    sessionExpiryInterval: sessionExpirySeconds,
    maximumPacketSize: payloadBytesMax + FRAME_OVERHEAD_BYTES,
    ...(receiveMaximum === undefined ? {} : { receiveMaximum }),
  };
}

async function subscribe(
  client: MqttClient,
  options: MqttLinkOptions,
  subscriptions: readonly MqttSubscription[],
): Promise<void> {
  const { url, clean, protocolVersion } = options;
  // Retained messages come with the first subscription of a session, not again with each connection; 3.1.1 cannot ask.
  const rh = protocolVersion === 5 && !clean ? 1 : 0;
  const groups = Map.groupBy(subscriptions, ({ qos }) => qos);
  await Promise.all(
    [...groups].map(async ([qos, group]) => {
      const filters = group.map(({ filter }) => filter);
      try {
        await client.subscribeAsync(filters, { qos, rh });
      } catch (error) {
        throw subscribeError(error, url, filters);
      }
    }),
  );
}

/** mqtt.js tells of a refusal by the broker’s packet, its codes in the order of the filters. */
function subscribeError(error: unknown, url: URL, filters: readonly string[]): Error {
  const granted = (error as { packet?: { granted?: readonly number[] } }).packet?.granted ?? [];
  const index = granted.findIndex((code) => code >= 128);
  const filter = filters[index];
  if (filter === undefined) return connectionLost(url, `subscribing failed: ${messageOf(error)}`, error);
  return subscriptionRefused(url, filter, granted[index] ?? 128);
}

function explain(error: Error & { code?: unknown }, phase: Phase, url: URL): Error {
  if (phase !== 'opening') return connectionLost(url, messageOf(error) || String(error.code), error);
  if (typeof error.code === 'number') return connectionRefused(url, error.code, messageOf(error));
  return connectionFailed(url, error);
}

const DISCONNECT_REASONS: Readonly<Record<number, string>> = {
  139: 'it is shutting down',
  141: 'it missed this client’s keepalive',
  142: 'another client took over this client id; give each its own clientId',
  149: 'a packet was too large',
  150: 'the message rate was too high',
  151: 'a quota is exceeded',
  152: 'by its administrator',
};

function disconnectReason(reasonCode = 0): string {
  return DISCONNECT_REASONS[reasonCode] ?? `reason code ${reasonCode}`;
}
