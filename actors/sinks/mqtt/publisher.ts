/** One connection to a broker that is only published over: an mqtt.js client that never connects again.
 *
 *  What mqtt.js is kept from: reconnecting (the engine supervises), its own keepalive and its own connect
 *  timeout (the clock is the engine’s). Its `end` waits for acknowledgements: what is not acknowledged is
 *  given up first, so that the broker hears a DISCONNECT and publishes no will, also while messages are under
 *  way. The stream beneath is destroyed after a second. */

import { MqttClient, type IClientPublishOptions, type IConnackPacket } from 'mqtt';
import { HeadgateError, messageOf } from '../../../src/domain/errors.ts';
import type { SinkIo } from '../../../src/domain/sink.ts';
import { clientOptions, packetBytesMax } from '../../protocols/mqtt/client-options.ts';
import {
  closedBeforeAnswer,
  connectionFailed,
  connectionLost,
  connectionRefused,
  shownUrl,
} from '../../protocols/mqtt/errors.ts';
import { brokerWords, connectDifferences } from '../../protocols/mqtt/grants.ts';
import { startKeepalive, type Keepalive } from '../../protocols/mqtt/keepalive.ts';
import type { ResolvedConnection } from '../../protocols/mqtt/options.ts';
import { brokerProgress, openMqttSocket } from '../../protocols/mqtt/open-socket.ts';
import { linkLifetime, type LinkLifetime } from '../link-lifetime.ts';

export interface Publication {
  readonly topic: string;
  readonly payload: string | Uint8Array;
  readonly options: IClientPublishOptions;
}

export interface MqttPublisher {
  readonly life: LinkLifetime;
  /** What the broker said it can take. */
  readonly granted: Granted;
  /** Differences between the grant and the request, a sentence each. */
  readonly differences: readonly string[];
  /** Resolves when the broker has acknowledged it (QoS 1), or when it is on its way (QoS 0).
   *  @throws HeadgateError HG_SINK_REFUSED if the broker will never take this message. */
  publish(publication: Publication): Promise<void>;
  /** Never rejects; takes a second at most. */
  close(): Promise<void>;
}

export interface Granted {
  /** Messages that may wait for their acknowledgement. */
  readonly receiveMaximum: number;
  readonly packetBytesMax: number;
  readonly qosMax: number;
  readonly canRetain: boolean;
}

/** Sees why a link ended that stood, and how long it had; gives the error to tell. */
type LinkEnded = (error: HeadgateError, stoodMs: number) => Error;

/** How long a good-bye may take before the connection is cut. */
const CLOSE_MS_MAX = 1_000;
const UNLIMITED = 65_535;
/** MQTT 5: session taken over. */
const TAKEN_OVER = 0x8e;
/** Header, packet id and properties beside topic and payload. */
const PACKET_OVERHEAD_BYTES = 512;

/** @throws HeadgateError HG_LINK_REFUSED, _UNAUTHORISED, _LOST. */
export async function openPublisher(
  io: SinkIo,
  options: ResolvedConnection,
  ended: LinkEnded = (error) => error,
): Promise<MqttPublisher> {
  const { url } = options;
  const { clock } = io;
  const progress = brokerProgress(url, ['CONNACK']);
  io.awaits?.(progress.describe);
  const linkOptions = { ...options, progress, session: { takenIds: new Set<number>() } };
  const client = new MqttClient(
    () => openMqttSocket(linkOptions, packetBytesMax(options.payloadBytesMax)),
    clientOptions(linkOptions),
  );
  const gone = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<IConnackPacket>();
  let keepalive: Keepalive | null = null;
  let stands = false;
  let closing = false;
  let isGone = false;
  const destroy = () => {
    keepalive?.stop();
    client.stream?.destroy();
  };
  const life = linkLifetime(io, shownUrl(url), () => {
    // A run that is given up is left in order: `close` comes next.
    if (!closing && !io.signal.aborted) destroy();
  });

  let openedMonoMs = 0;
  /** The broker ended a link that stood. */
  const lost = (reason: string, details: Readonly<Record<string, unknown>>) => {
    const { code, message, details: known } = connectionLost(url, reason);
    const error = new HeadgateError(code, message, { details: { ...known, ...details } });
    life.end(life.ended === null ? ended(error, clock.monotonicMs() - openedMonoMs) : error);
  };

  client.on('connect', (packet) => {
    stands = true;
    openedMonoMs = clock.monotonicMs();
    const keepaliveMs = (packet.properties?.serverKeepAlive ?? options.keepaliveSeconds) * 1_000;
    keepalive = startKeepalive(clock, keepaliveMs, () => false, {
      ping: () => client.sendPing(),
      dead: () => life.end(connectionLost(url, `it gave no sign of life for ${keepaliveMs * 1.5} ms`)),
    });
    opened.resolve(packet);
  });
  client.on('disconnect', ({ reasonCode, properties }) => {
    const taken =
      reasonCode === TAKEN_OVER ? '; another client took over this client id, give each its own' : '';
    lost(`the broker closed it: reason code ${reasonCode ?? 0}${brokerWords(properties)}${taken}`, {
      reasonCode,
    });
  });
  client.on('error', (error) => life.end(explain(error, stands, url, clock.wallMs())));
  client.on('close', () => {
    isGone = true;
    gone.resolve();
    if (stands) lost('it was closed', { closedByPeer: true });
    else life.end(closedBeforeAnswer(url));
  });

  try {
    if (life.ended !== null) throw life.ended;
    connect(client, url, () => keepalive?.alive(), clock.wallMs());
    const connack = await life.during(opened.promise);
    return {
      life,
      granted: grantedBy(connack),
      differences: connectDifferences(linkOptions, connack),
      publish: (publication) => publish(client, url, publication),
      async close() {
        closing = true;
        life.close();
        keepalive?.stop();
        if (!isGone && !client.stream.destroyed) {
          for (const id of Object.keys(client.outgoing)) client.removeOutgoingMessage(Number(id));
          client.end(false);
          const over = new AbortController();
          await Promise.race([gone.promise, clock.sleep(CLOSE_MS_MAX, over.signal)]);
          over.abort();
        }
        destroy();
      },
    };
  } catch (error) {
    life.close();
    destroy();
    throw error;
  }
}

function connect(client: MqttClient, url: URL, alive: () => void, nowMs: number): void {
  try {
    client.connect();
  } catch (error) {
    throw connectionFailed(url, error, nowMs);
  }
  client.stream.on('data', alive);
}

function grantedBy({ properties }: IConnackPacket): Granted {
  return {
    receiveMaximum: properties?.receiveMaximum ?? UNLIMITED,
    packetBytesMax: properties?.maximumPacketSize ?? Number.POSITIVE_INFINITY,
    qosMax: properties?.maximumQoS ?? 2,
    canRetain: properties?.retainAvailable !== false,
  };
}

/** Whether the broker has announced that it takes no packet of this size. */
export function isTooLarge({ packetBytesMax }: Granted, { topic, payload }: Publication): boolean {
  return Buffer.byteLength(topic) + Buffer.byteLength(payload) + PACKET_OVERHEAD_BYTES > packetBytesMax;
}

const NOT_AUTHORISED = 135;

function publish(client: MqttClient, url: URL, { topic, payload, options }: Publication): Promise<void> {
  return new Promise((resolve, reject) => {
    const bytes = typeof payload === 'string' ? payload : Buffer.from(payload);
    client.publish(topic, bytes, options, (error) => {
      if (error) reject(publishError(error, url, topic));
      else resolve();
    });
  });
}

/** A reason code of 128 and up in a PUBACK is an answer to this one message (MQTT 5.0, 3.4.2.1). Where it is
 *  the answer to every message, the engine takes it for trouble of the link. */
function publishError(error: Error & { code?: unknown }, url: URL, topic: string): HeadgateError {
  const { code } = error;
  if (typeof code !== 'number') return connectionLost(url, messageOf(error), error);
  const details = { url: shownUrl(url), topic, reasonCode: code };
  const what = `the broker ${shownUrl(url)} refused a message to "${topic}" (${messageOf(error)})`;
  if (code !== NOT_AUTHORISED) return new HeadgateError('HG_SINK_REFUSED', what, { details });
  const advice = 'correct username and password, or the broker’s access list';
  return new HeadgateError('HG_LINK_UNAUTHORISED', `${what}; ${advice}`, { details, remedy: 'drop' });
}

function explain(error: Error & { code?: unknown }, stands: boolean, url: URL, nowMs: number): HeadgateError {
  if (stands) return connectionLost(url, messageOf(error), error);
  if (typeof error.code === 'number') return connectionRefused(url, error.code, messageOf(error));
  return connectionFailed(url, error, nowMs);
}
