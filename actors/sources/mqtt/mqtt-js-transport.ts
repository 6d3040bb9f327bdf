/** The real transport: one mqtt.js client per link, never used again after the link is gone.
 *
 *  mqtt.js speaks for the session: CONNECT, subscriptions, pings, PUBCOMP, good-bye. Messages do not reach
 *  it. The stream it is given (mqtt-tap.ts) takes them out and acknowledges them when they are stored, in
 *  bulk, several times as fast, and through nothing but the public stream builder of mqtt.js. What else
 *  mqtt.js is kept from: reconnecting (the engine supervises), its own keepalive (mqtt-keepalive.ts says
 *  why), its own connect timeout (the clock is the engine’s). */

import { MqttClient, type IConnackPacket } from 'mqtt';
import type { Clock } from '../../../src/domain/clock.ts';
import { messageOf } from '../../../src/domain/errors.ts';
import { comesInTime } from '../runtime/in-time.ts';
import { clientOptions } from '../../protocols/mqtt/client-options.ts';
import {
  closedBeforeAnswer,
  closedByPeer,
  connectionFailed,
  connectionLost,
  connectionRefused,
  subscriptionImpossible,
  subscriptionRefused,
} from '../../protocols/mqtt/errors.ts';
import {
  brokerWords,
  connectDifferences,
  subscribeDifferences,
  unavailable,
} from '../../protocols/mqtt/grants.ts';
import { openInbound } from './inbound.ts';
import { startKeepalive, type Keepalive } from '../../protocols/mqtt/keepalive.ts';
import type { PublishDemux } from './publish-demux.ts';
import type {
  MqttLink,
  MqttLinkEvents,
  MqttLinkOptions,
  MqttSubscription,
  OwedAck,
} from '../../protocols/mqtt/transport.ts';

/** How long a good-bye may take before the connection is cut. */
const CLOSE_MS_MAX = 1_000;

type Phase = 'opening' | 'open' | 'closing' | 'gone';

/** Opens a link through mqtt.js; see {@link MqttTransport}. */
export function mqttJsTransport(options: MqttLinkOptions, events: MqttLinkEvents, clock: Clock): MqttLink {
  const { url } = options;
  let phase: Phase = 'opening';
  let keepalive: Keepalive | null = null;
  let isHeld = false;
  let tap: PublishDemux | null = null;
  /** Why the link will go, if it is known before it goes: mqtt.js’s close bears no reason. */
  let reason: Error | null = null;
  const gone = Promise.withResolvers<void>();
  let connack: IConnackPacket | null = null;
  /** The broker's reason for refusing the connection. */
  let words = '';

  const end = (error: Error): void => {
    const before = phase;
    phase = 'gone';
    keepalive?.stop();
    tap?.destroy();
    gone.resolve();
    if (before === 'opening' || before === 'open') events.closed(error);
  };
  const fail = (error: Error): void => {
    reason ??= error;
    end(reason);
  };

  const openTap = (): PublishDemux =>
    openInbound(options, {
      isClosing: () => phase === 'closing' || phase === 'gone',
      message: (message, packetId) => events.message(message, packetId),
      alive: () => keepalive?.alive(),
      held(held) {
        isHeld = held;
      },
      refused: fail,
      failed: (error) => fail(explain(error, phase, url, { nowMs: clock.wallMs(), words })),
      refusal(properties) {
        words = brokerWords(properties);
      },
    });
  const client = new MqttClient(() => (tap = openTap()), clientOptions(options));

  client.on('connect', (packet) => {
    if (phase !== 'opening') return;
    phase = 'open';
    const keepaliveMs = (packet.properties?.serverKeepAlive || options.keepaliveSeconds) * 1000;
    keepalive = startKeepalive(clock, keepaliveMs, () => isHeld, {
      ping: () => client.sendPing(),
      dead: () => fail(connectionLost(url, `it gave no sign of life for ${keepaliveMs * 1.5} ms`)),
    });
    connack = packet;
    events.opened({ present: packet.sessionPresent, differences: connectDifferences(options, packet) });
  });
  client.on('disconnect', ({ reasonCode, properties }) => {
    const words = `${disconnectReason(reasonCode)}${brokerWords(properties)}`;
    reason ??= connectionLost(url, `the broker closed it: ${words}`, undefined, reasonCode);
  });
  client.on('error', (error) => fail(explain(error, phase, url, { nowMs: clock.wallMs(), words })));
  client.on('close', () => {
    end(reason ?? (phase === 'opening' ? closedBeforeAnswer(url) : closedByPeer(url)));
  });

  // After the caller has its link in hand.
  queueMicrotask(() => {
    if (phase !== 'opening') return;
    try {
      client.connect();
    } catch (error) {
      fail(connectionFailed(url, error, clock.wallMs()));
    }
  });
  return {
    subscribe: (subscriptions) => subscribe(client, options, subscriptions, connack),
    async unsubscribe(filters) {
      if (phase === 'open') await client.unsubscribeAsync([...filters]);
    },
    acknowledge(acks) {
      if (phase === 'opening' || phase === 'open') tap?.write(ackBytes(acks));
    },
    resume: () => tap?.goOn(),
    async close() {
      if (phase === 'gone') return;
      const connected = phase === 'open';
      phase = 'closing';
      keepalive?.stop();
      tap?.goOn();
      if (connected) {
        client.end(false);
        // mqtt.js may never come to its end: a pending subscription, a peer that does not close.
        await comesInTime(clock, CLOSE_MS_MAX, gone.promise);
      }
      end(connectionLost(url, 'closed'));
    },
  };
}

/** PUBACK and PUBREC as 3.1.1 and 5 both have them: without reason code they mean success. */
function ackBytes(acks: readonly OwedAck[]): Buffer {
  const bytes = Buffer.allocUnsafe(acks.length * 4);
  let at = 0;
  for (const { packetId, qos } of acks) {
    bytes[at] = qos === 1 ? 0x40 : 0x50;
    bytes[at + 1] = 2;
    bytes[at + 2] = packetId >> 8;
    bytes[at + 3] = packetId & 0xff;
    at += 4;
  }
  return bytes;
}

async function subscribe(
  client: MqttClient,
  options: MqttLinkOptions,
  subscriptions: readonly MqttSubscription[],
  connack: IConnackPacket | null,
): Promise<readonly string[]> {
  const { url, clean, protocolVersion } = options;
  const missing = connack === null ? null : unavailable(subscriptions, connack);
  if (missing !== null) throw subscriptionImpossible(url, missing);
  // Retained messages come with the first subscription of a session, not again with each connection; 3.1.1
  // cannot ask.
  const rh = protocolVersion === 5 && !clean ? 1 : 0;
  const groups = Map.groupBy(subscriptions, ({ qos }) => qos);
  const differences = await Promise.all(
    [...groups].map(async ([qos, group]) => {
      const filters = group.map(({ filter }) => filter);
      try {
        const granted = await client.subscribeAsync(filters, { qos, rh });
        return subscribeDifferences(
          group,
          granted.map(({ qos: given }) => given),
        );
      } catch (error) {
        throw subscribeError(error, url, filters);
      }
    }),
  );
  return differences.flat();
}

/** mqtt.js tells of a refusal by the broker’s packet, its codes in the order of the filters. */
function subscribeError(error: unknown, url: URL, filters: readonly string[]): Error {
  const granted = (error as { packet?: { granted?: readonly number[] } }).packet?.granted ?? [];
  const index = granted.findIndex((code) => code >= 128);
  const filter = filters[index];
  if (filter === undefined) return connectionLost(url, `subscribing failed: ${messageOf(error)}`, error);
  return subscriptionRefused(url, filter, granted[index] ?? 128);
}

function explain(
  error: Error & { code?: unknown },
  phase: Phase,
  url: URL,
  { nowMs, words }: { readonly nowMs: number; readonly words: string },
): Error {
  if (phase !== 'opening') return connectionLost(url, messageOf(error) || String(error.code), error);
  if (typeof error.code === 'number') return connectionRefused(url, error.code, messageOf(error), words);
  return connectionFailed(url, error, nowMs);
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
