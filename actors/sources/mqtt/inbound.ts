/** What comes in over one link, in the order of the wire: messages go to their receiver, only after the
 *  broker has accepted the connection and until the link closes; what a session has to remember of other
 *  packets is noted before mqtt.js gets them. */

import mqttPacket, { type IConnackPacket } from 'mqtt-packet';
import { packetBytesMax } from '../../protocols/mqtt/client-options.ts';
import {
  answeredInTls,
  answeredWrongly,
  connectionLost,
  packetTooLarge,
} from '../../protocols/mqtt/errors.ts';
import { FrameError } from './frame-error.ts';
import { PACKET_TYPE } from './frames.ts';
import { PublishDemux, type PublishDemuxOptions } from './publish-demux.ts';
import type { MqttLinkEvents, MqttLinkOptions } from '../../protocols/mqtt/transport.ts';
import { openMqttSocket } from '../../protocols/mqtt/open-socket.ts';

export interface InboundEvents extends Pick<PublishDemuxOptions, 'alive' | 'held' | 'failed'> {
  /** The link says good-bye, or is gone: what still comes is not taken. */
  readonly isClosing: () => boolean;
  readonly message: MqttLinkEvents['message'];
  /** The broker refuses the connection: the properties of its answer, with MQTT 5. */
  readonly refusal: (properties: unknown) => void;
  /** The peer breaks the rules of the protocol. */
  readonly refused: (error: Error) => void;
}

/** Opens the stream to the broker, with a tap on it. @throws what the system says against the address. */
export function openInbound(options: MqttLinkOptions, on: InboundEvents): PublishDemux {
  const { url, session, protocolVersion, payloadBytesMax } = options;
  const frameBytesMax = packetBytesMax(options.payloadBytesMax);
  /** What the broker said to the CONNECT. */
  let answer: 'none' | 'accepted' | 'refused' = 'none';

  return new PublishDemux(openMqttSocket(options, frameBytesMax), {
    ...{ protocolVersion, frameBytesMax, payloadBytesMax, alive: on.alive, held: on.held },
    message(message, packetId) {
      // Thrown away, so that the good-bye behind it is seen.
      if (answer === 'refused' || on.isClosing()) return true;
      if (answer === 'accepted') return on.message(message, packetId);
      on.refused(answeredWrongly(url, 'publish'));
      return false;
    },
    seen(type, frame, bodyAt) {
      if (type === PACKET_TYPE.pubrel) {
        // mqtt.js answers it. Whatever comes under this id from here on is another message.
        if (frame.length >= bodyAt + 2) session.takenIds.delete(frame.readUInt16BE(bodyAt));
      } else if (type === PACKET_TYPE.connack && answer === 'none') {
        answer = frame[bodyAt + 1] === 0 ? 'accepted' : 'refused';
        const isSessionPresent = ((frame[bodyAt] ?? 0) & 1) === 1;
        if (!isSessionPresent) session.takenIds.clear();
        if (answer === 'refused' && protocolVersion === 5) on.refusal(connackProperties(frame));
      } else if (answer === 'none' && frame[0] === TLS_ALERT) {
        on.refused(answeredInTls(url));
      } else if (answer === 'none' && type !== PACKET_TYPE.auth) {
        on.refused(answeredWrongly(url, PACKET_NAMES[type] ?? 'reserved'));
      }
    },
    failed(error) {
      if (error instanceof FrameError) on.refused(brokenFrame(error, options));
      else on.failed(error);
    },
  });
}

function connackProperties(frame: Buffer): unknown {
  const parser = mqttPacket.parser({ protocolVersion: 5 });
  let properties: unknown;
  parser.on('packet', (packet) => {
    properties = (packet as IConnackPacket).properties;
  });
  // mqtt.js reports its own findings.
  parser.on('error', () => {});
  parser.parse(frame);
  return properties;
}

function brokenFrame(error: FrameError, { url, payloadBytesMax }: MqttLinkOptions): Error {
  const { frameBytes, message } = error;
  if (frameBytes !== null) return packetTooLarge(url, frameBytes, payloadBytesMax);
  return connectionLost(url, `what came over it is no MQTT: ${message}`, error);
}

/** The first byte of a server of TLS that does not understand what it is sent. */
const TLS_ALERT = 0x15;

/** By packet type (MQTT 5.0, 2.1.2). */
const PACKET_NAMES = [
  'reserved',
  'connect',
  'connack',
  'publish',
  'puback',
  'pubrec',
  'pubrel',
  'pubcomp',
  'subscribe',
  'suback',
  'unsubscribe',
  'unsuback',
  'pingreq',
  'pingresp',
  'disconnect',
  'auth',
] as const;
