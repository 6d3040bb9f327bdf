/** The real transport: one mqtt.js client per link, never used again after the link is gone.
 *
 *  What mqtt.js is kept from: reconnecting (the engine supervises), its own keepalive (mqtt-keepalive.ts says
 *  why), its own connect timeout (the clock is the engine’s), and acknowledging before a message was taken.
 *  Handlers are set before the connection is opened, so that what a kept session sends first is not lost. */

import type { Socket } from 'node:net';
import mqtt, { type IPublishPacket, type MqttClient, type Packet } from 'mqtt';
import type { Clock } from '../../src/domain/clock.ts';
import { messageOf } from '../../src/domain/errors.ts';
import { clientOptions, packetBytesMax } from './mqtt-client-options.ts';
import {
  answeredWrongly,
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

  const inbound = createInbound({
    phase: () => phase,
    message: (message, done) => events.message(message, done),
    held: (held) => keepalive?.hold(held),
    cut: () => cutWhenFlushed(client),
  });
  const client = mqtt.connect({
    ...clientOptions(options),
    incomingStore: qos2Store(options.session, (packet, done) => inbound.receive(packet, done)),
  });
  client.handleMessage = (packet, acknowledge) => {
    // A QoS 2 message was taken when it came; this is its release.
    if (packet.qos === 2) acknowledge();
    else inbound.receive(packet, (outcome) => acknowledge(outcome === 'taken' ? undefined : UNACKNOWLEDGED));
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

  let accepted = false;
  client.on('packetreceive', (packet: Packet) => {
    // mqtt.js takes packets in any order. Its event of the connection comes late: messages may come before
    // it.
    if (packet.cmd === 'connack') accepted = true;
    else if (!accepted && packet.cmd !== 'auth') fail(answeredWrongly(url, packet.cmd));
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
  client.on('disconnect', ({ reasonCode, properties }) => {
    reason ??= connectionLost(
      url,
      `the broker closed it: ${properties?.reasonString ?? disconnectReason(reasonCode)}`,
    );
  });
  client.on('error', (error) => fail(explain(error, phase, url)));
  client.on('close', () => {
    end(reason ?? (phase === 'opening' ? closedBeforeAnswer(url) : connectionLost(url, 'it was closed')));
  });

  // After the caller has its link in hand.
  queueMicrotask(() => {
    if (phase === 'opening') open(client, options, { fail, alive: () => keepalive?.alive() });
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
      keepalive?.stop();
      if (connected) {
        // A message in hand is settled first: acknowledged after the good-bye it would come again.
        await atMost(CLOSE_MS_MAX, clock, inbound.settled());
        client.end(false);
        await atMost(CLOSE_MS_MAX, clock, gone.promise);
      }
      end(connectionLost(url, 'closed'));
    },
  };
}

interface Inbound {
  receive(packet: IPublishPacket, done: (outcome: MessageOutcome) => void): void;
  /** Resolves when no message is with its receiver. */
  settled(): Promise<void>;
}

interface InboundOptions {
  readonly phase: () => Phase;
  readonly message: MqttLinkEvents['message'];
  readonly held: (held: boolean) => void;
  readonly cut: () => void;
}

/** Passes messages on, one at a time, and their acknowledgements back. */
function createInbound({ phase, message, held, cut }: InboundOptions): Inbound {
  let handling = false;
  let onSettled: (() => void) | null = null;
  const leave = (packet: IPublishPacket, done: (outcome: MessageOutcome) => void) => {
    // mqtt.js reads no further after a QoS 2 message it may not acknowledge: the broker’s good-bye would not
    // be seen.
    if (packet.qos === 2) cut();
    done('left');
  };
  return {
    receive(packet, done) {
      const now = phase();
      if (now === 'closing' || now === 'gone') {
        leave(packet, done);
        return;
      }
      handling = true;
      held(true);
      message(messageOfPacket(packet), (outcome) => {
        handling = false;
        held(false);
        onSettled?.();
        // An acknowledgement never goes out over another connection than its message came in: ids are used
        // again.
        if (phase() === 'gone') return;
        if (outcome === 'left') leave(packet, done);
        else done(outcome);
      });
    },
    settled: () =>
      new Promise((resolve) => {
        if (!handling) resolve();
        onSettled = resolve;
      }),
  };
}

/** Connects, and watches the bytes that come in. */
function open(
  client: MqttClient,
  options: MqttLinkOptions,
  on: { fail: (error: Error) => void; alive: () => void },
): void {
  const { url, payloadBytesMax } = options;
  try {
    client.connect();
  } catch (error) {
    on.fail(connectionFailed(url, error));
    return;
  }
  // Acknowledgements are small and the broker waits for them.
  (client.stream as Partial<Socket>).setNoDelay?.();
  const frames = frameWatch(packetBytesMax(payloadBytesMax));
  client.stream.on('data', (bytes: Uint8Array) => {
    on.alive();
    const tooLarge = frames.push(bytes);
    if (tooLarge !== null) on.fail(messageTooLarge(url, tooLarge, payloadBytesMax));
  });
}

/** Ends the connection as soon as what was said is on its way. */
function cutWhenFlushed({ stream }: MqttClient): void {
  if (stream.writableFinished) stream.destroy();
  else stream.once('finish', () => stream.destroy());
}

/** Waits, but not for ever: mqtt.js may never come to its end (a pending subscription, a peer that does not
 *  close). */
async function atMost(ms: number, clock: Clock, event: Promise<void>): Promise<void> {
  const over = new AbortController();
  await Promise.race([event, clock.sleep(ms, over.signal)]);
  over.abort();
}

async function subscribe(
  client: MqttClient,
  options: MqttLinkOptions,
  subscriptions: readonly MqttSubscription[],
): Promise<void> {
  const { url, clean, protocolVersion } = options;
  // Retained messages come with the first subscription of a session, not again with each connection; 3.1.1
  // cannot ask.
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
