/** The properties of a message of MQTT 5 (5.0, 3.3.2.3), read by the parser that mqtt.js has. Messages
 *  without properties do not come here. */

import mqttPacket, { type IPublishPacket, type Packet } from 'mqtt-packet';
import { messageOf } from '../../../src/domain/errors.ts';
import { FrameError } from './frame-error.ts';
import type { MqttMessageProperties } from '../../protocols/mqtt/transport.ts';

interface Properties {
  /** Undefined where none of them is of use to a source. */
  readonly properties: MqttMessageProperties | undefined;
  readonly payloadBytes: number;
}

/** Reads the properties of a whole PUBLISH frame. Gives what is wrong with it where something is.
 *  @throws FrameError where the broker uses what it was not offered, as it will in the next message too. */
export function publishProperties(frame: Buffer): Properties | string {
  const parser = mqttPacket.parser({ protocolVersion: 5 });
  let packet: Packet | null = null;
  let problem: string | null = null;
  parser.on('packet', (read) => {
    packet = read;
  });
  parser.on('error', (error) => {
    problem ??= messageOf(error);
  });
  parser.parse(frame);
  if (problem !== null || packet === null) return problem ?? 'a message is cut short';
  const { payload, properties = {} } = packet as IPublishPacket;
  // What the parser finds cut short it gives as null, or not whole.
  if (!Object.values(properties).every(isWhole)) return 'a property of a message is cut short';
  if (!Object.values(properties).every((value) => isSent(value, frame))) {
    return 'a property of a message is no UTF-8';
  }
  // None was offered in the CONNECT, so a broker may use none [MQTT-3.3.2-9].
  if (properties.topicAlias !== undefined) {
    throw new FrameError('a message has a topic alias, though none was offered');
  }
  return { properties: known(properties), payloadBytes: payload.length };
}

/** Values are text, bytes, numbers and flags, or by the name of a user property lists of texts. */
function isWhole(value: unknown): boolean {
  if (value === null || value === undefined || Number.isNaN(value)) return false;
  if (typeof value !== 'object' || value instanceof Uint8Array) return true;
  return Object.values(value).every(isWhole);
}

/** Whether the texts stand in the frame as they were read: the parser puts a replacement character for
 *  bytes that are no UTF-8. */
function isSent(value: unknown, frame: Buffer): boolean {
  if (typeof value === 'string') return !value.includes('\uFFFD') || frame.includes(value, 'utf8');
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return true;
  return Object.entries(value).every(([name, part]) => isSent(name, frame) && isSent(part, frame));
}

function known(packet: NonNullable<IPublishPacket['properties']>): MqttMessageProperties | undefined {
  const { contentType, responseTopic, correlationData, messageExpiryInterval, userProperties } = packet;
  const properties: MqttMessageProperties = {
    ...(contentType === undefined ? {} : { contentType }),
    ...(responseTopic === undefined ? {} : { responseTopic }),
    ...(correlationData === undefined ? {} : { correlationData: correlationData.toString('base64') }),
    ...(messageExpiryInterval === undefined ? {} : { messageExpirySeconds: messageExpiryInterval }),
    // A list of own properties, so that a name like "__proto__" is a name and nothing else.
    ...(userProperties === undefined
      ? {}
      : { userProperties: Object.fromEntries(Object.entries(userProperties)) }),
  };
  return Object.keys(properties).length === 0 ? undefined : properties;
}
