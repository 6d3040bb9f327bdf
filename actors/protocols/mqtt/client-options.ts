/** The options of mqtt.js that a link’s options come to. */

import type { IClientOptions } from 'mqtt';
import type { MqttLinkOptions } from './transport.ts';

/** Room for topic, properties and header beside the payload of a packet. */
const PACKET_OVERHEAD_BYTES = 128 * 1024;
/** Longest delay a timer takes: mqtt.js’s own timeout is never to fire. */
const NEVER_MS = 2 ** 31 - 1;

export function packetBytesMax(payloadBytesMax: number): number {
  return payloadBytesMax + PACKET_OVERHEAD_BYTES;
}

/** The options of mqtt.js for a link. How to reach the broker is not among them: the stream is made by
 *  mqtt-wire.ts. */
export function clientOptions(options: MqttLinkOptions): IClientOptions {
  const { protocolVersion } = options;
  return {
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
  const { sessionExpirySeconds, receiveMaximum } = options;
  // No Maximum Packet Size: a broker drops a larger message without a word [MQTT-3.1.2-25], and here it is
  // to become a dead letter.
  return {
    sessionExpiryInterval: sessionExpirySeconds,
    ...(receiveMaximum === undefined ? {} : { receiveMaximum }),
  };
}
