/** Messages out of mqtt.js’s packets. */

import type { IPublishPacket } from 'mqtt';
import type { MqttMessage, MqttMessageProperties } from './mqtt-transport.ts';

export function messageOfPacket(packet: IPublishPacket): MqttMessage {
  const { topic, payload, qos, retain, dup } = packet;
  const properties = packet.properties === undefined ? undefined : propertiesOf(packet.properties);
  return {
    topic,
    // A copy: the payload is a piece of the buffer its chunk came in, and a plain array of bytes is what
    // sources give.
    payload: typeof payload === 'string' ? new TextEncoder().encode(payload) : new Uint8Array(payload),
    qos,
    retain,
    dup,
    ...(properties === undefined ? {} : { properties }),
  };
}

function propertiesOf(packet: NonNullable<IPublishPacket['properties']>): MqttMessageProperties | undefined {
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
