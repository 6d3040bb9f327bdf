/** Takes the messages out of a stream of MQTT bytes in bulk (MQTT 3.1.1 and 5.0, section 2 and 3.3), and
 *  passes every other packet on as it is.
 *
 *  A parser that makes an object of each packet and a queue of the objects reaches a third of this. What
 *  holds: a message larger than allowed is read over, and of its bytes no more than a prefix is held; any
 *  other packet that is too large is refused by its header, before anything buffers it; a message that is
 *  malformed within its frame is passed on as rejected; other bytes that are no MQTT are refused with a
 *  {@link FrameError}, never guessed at; however the bytes are cut, the same comes out. */

import type { MqttMessage, MqttProtocolVersion, Qos } from '../../protocols/mqtt/transport.ts';
import { publishProperties } from './properties.ts';
import { FrameError, MalformedMessage } from './frame-error.ts';
import {
  malformedMessage,
  PREFIX_BYTES_MAX,
  propertiesEnd,
  tooLargeMessage,
  type MessageHead,
} from './rejected-message.ts';
import { topicReader, type TopicReader } from './topic-reader.ts';

export const PACKET_TYPE = { connack: 2, publish: 3, pubrel: 6, auth: 15 } as const;

export interface FrameReaderOptions {
  readonly protocolVersion: MqttProtocolVersion;
  readonly frameBytesMax: number;
  /** A message with more payload is rejected. Default: as many as fit `frameBytesMax`. */
  readonly payloadBytesMax?: number;
  /** One message; gives whether the next packet may come now. `packetId` is 0 for QoS 0. A message that
   *  cannot be taken comes with its `rejection`. */
  readonly message: (message: MqttMessage, packetId: number) => boolean;
  /** Any other packet, whole; its body begins at `bodyAt`. */
  readonly other: (type: number, frame: Buffer, bodyAt: number) => void;
}

export interface FrameReader {
  /** Takes the next bytes; they must not change afterwards. @throws FrameError */
  push(bytes: Buffer): void;
  /** Goes on after a `message` that said no. @throws FrameError */
  resume(): void;
  /** A `message` said no, and what came since waits here. */
  readonly isHeld: boolean;
}

const LENGTH_BYTES_MAX = 4;

/** What the first bytes of a frame say. `endAt` is 0 while they do not say enough. */
interface Header {
  bodyAt: number;
  endAt: number;
}

/** A message that is being read over. */
interface Skipped {
  readonly message: MqttMessage;
  readonly packetId: number;
  remainingBytes: number;
}

export function frameReader(options: FrameReaderOptions): FrameReader {
  const { frameBytesMax, other } = options;
  const header: Header = { bodyAt: 0, endAt: 0 };
  const readTopic = topicReader();
  /** The beginning of a frame whose end has not come, in pieces. */
  let parts: Buffer[] = [];
  let partsBytes = 0;
  /** Bytes that are needed to go on with it. */
  let neededBytes = 0;
  let isHeld = false;
  let waiting: Buffer[] = [];
  let skipped: Skipped | null = null;

  /** Reads over what has come of a message that is too large. Returns where reading goes on. */
  const skip = (over: Skipped, bytes: Buffer, at: number): number => {
    const length = Math.min(over.remainingBytes, bytes.length - at);
    over.remainingBytes -= length;
    if (over.remainingBytes === 0) {
      skipped = null;
      isHeld = !options.message(over.message, over.packetId);
    }
    return at + length;
  };

  const keep = (rest: Buffer, needed: number): void => {
    parts = [rest];
    partsBytes = rest.length;
    neededBytes = needed;
  };

  const read = (bytes: Buffer): void => {
    let at = 0;
    while (at < bytes.length) {
      if (isHeld) {
        waiting.push(bytes.subarray(at));
        return;
      }
      if (skipped !== null) {
        at = skip(skipped, bytes, at);
        continue;
      }
      readHeader(bytes, at, header);
      const { bodyAt, endAt } = header;
      if (endAt === 0) {
        keep(bytes.subarray(at), bytes.length - at + 1);
        return;
      }
      const first = bytes[at] as number;
      if (endAt - bodyAt > frameBytesMax) {
        if (first >> 4 !== PACKET_TYPE.publish) throw new FrameError('a packet is too large', endAt - bodyAt);
        const prefixEnd = Math.min(endAt, bodyAt + PREFIX_BYTES_MAX);
        if (prefixEnd > bytes.length) {
          keep(bytes.subarray(at), prefixEnd - at);
          return;
        }
        skipped = readPrefix(options, bytes, at, header, prefixEnd);
        // At least one byte is left to read over, whatever the limit, so that the message comes at its end.
        at = prefixEnd === endAt ? prefixEnd - 1 : prefixEnd;
        skipped.remainingBytes = endAt - at;
        continue;
      }
      if (endAt > bytes.length) {
        keep(bytes.subarray(at), endAt - at);
        return;
      }
      if (first >> 4 === PACKET_TYPE.publish) isHeld = !readMessage(options, readTopic, bytes, at, header);
      else other(first >> 4, bytes.subarray(at, endAt), bodyAt - at);
      at = endAt;
    }
  };

  const push = (bytes: Buffer): void => {
    if (isHeld) {
      waiting.push(bytes);
      return;
    }
    if (parts.length === 0) {
      read(bytes);
      return;
    }
    parts.push(bytes);
    partsBytes += bytes.length;
    if (partsBytes < neededBytes) return;
    const whole = Buffer.concat(parts, partsBytes);
    parts = [];
    read(whole);
  };

  return {
    push,
    resume() {
      isHeld = false;
      const held = waiting;
      waiting = [];
      for (const bytes of held) push(bytes);
    },
    get isHeld() {
      return isHeld;
    },
  };
}

/** Reads type and length of the frame at `at`. */
function readHeader(bytes: Buffer, at: number, into: Header): void {
  let length = 0;
  let scale = 1;
  for (let index = 1; index <= LENGTH_BYTES_MAX; index++) {
    const byte = bytes[at + index];
    if (byte === undefined) {
      into.endAt = 0;
      return;
    }
    length += (byte & 0x7f) * scale;
    if (byte < 0x80) {
      into.bodyAt = at + index + 1;
      into.endAt = into.bodyAt + length;
      return;
    }
    scale *= 128;
  }
  throw new FrameError('the length of a packet has more than four bytes');
}

/** Where the parts of a message are within its frame. */
interface Layout {
  readonly qos: Qos;
  readonly topicAt: number;
  readonly topicEnd: number;
  /** Behind topic and packet id. */
  readonly restAt: number;
  readonly packetId: number;
}

/** @throws FrameError where the frame is no message, and cannot be acknowledged as one. */
function layoutOf(bytes: Buffer, at: number, { bodyAt, endAt }: Header): Layout {
  const qos = ((bytes[at] as number) >> 1) & 3;
  if (qos === 3) throw new FrameError('a message has QoS 3');
  const topicAt = bodyAt + 2;
  if (topicAt > endAt) throw new FrameError('a message is cut short');
  const topicEnd = topicAt + readUint16(bytes, bodyAt);
  const restAt = qos === 0 ? topicEnd : topicEnd + 2;
  if (restAt > endAt) throw new FrameError('a message is cut short');
  const packetId = qos === 0 ? 0 : readUint16(bytes, topicEnd);
  if (qos > 0 && packetId === 0) throw new FrameError('a message has the packet id 0');
  return { qos: qos as Qos, topicAt, topicEnd, restAt, packetId };
}

/** Reads the message of a whole frame and passes it on; gives whether the next may come. */
function readMessage(
  options: FrameReaderOptions,
  readTopic: TopicReader,
  bytes: Buffer,
  at: number,
  header: Header,
): boolean {
  const layout = layoutOf(bytes, at, header);
  const { endAt } = header;
  const { qos, topicAt, topicEnd, packetId } = layout;
  const flags = bytes[at] as number;
  let payloadAt = layout.restAt;
  let topic: string;
  let properties: MqttMessage['properties'];
  try {
    if (options.protocolVersion === 5) {
      if (payloadAt === endAt) throw new MalformedMessage('a message has no properties');
      // Most messages have none, and then one zero byte says so.
      if (bytes[payloadAt] === 0) {
        payloadAt++;
      } else {
        const read = publishProperties(bytes.subarray(at, endAt));
        if (typeof read === 'string') throw new MalformedMessage(read);
        properties = read.properties;
        payloadAt = endAt - read.payloadBytes;
      }
    }
    topic = readTopic(bytes, topicAt, topicEnd);
    if (topic === '') throw new MalformedMessage('a message has no topic');
  } catch (error) {
    if (!(error instanceof MalformedMessage)) throw error;
    const head = headOf(flags, qos, bytes.toString('utf8', topicAt, topicEnd));
    return options.message(malformedMessage(head, bytes.subarray(payloadAt, endAt), error.message), packetId);
  }
  const payload = bytes.subarray(payloadAt, endAt);
  const { payloadBytesMax: bytesMax = options.frameBytesMax } = options;
  if (payload.length > bytesMax) {
    const sizes = { bytes: payload.length, bytesMax };
    return options.message(tooLargeMessage(headOf(flags, qos, topic), payload, sizes), packetId);
  }
  const message = { topic, payload, qos, retain: (flags & 1) === 1, dup: (flags & 8) === 8 };
  return options.message(properties === undefined ? message : { ...message, properties }, packetId);
}

function headOf(flags: number, qos: Qos, topic: string): MessageHead {
  return { topic, qos, retain: (flags & 1) === 1, dup: (flags & 8) === 8 };
}

/** Makes the rejected message out of the beginning of a frame that is too large. */
function readPrefix(
  options: FrameReaderOptions,
  bytes: Buffer,
  at: number,
  header: Header,
  prefixEnd: number,
): Skipped {
  const { qos, topicAt, topicEnd, restAt, packetId } = layoutOf(bytes, at, header);
  const head = headOf(bytes[at] as number, qos, bytes.toString('utf8', topicAt, topicEnd));
  const payloadAt = propertiesEnd(bytes, restAt, options.protocolVersion) ?? prefixEnd;
  const sizes = {
    bytes: header.endAt - (payloadAt > prefixEnd ? restAt : payloadAt),
    bytesMax: options.payloadBytesMax ?? options.frameBytesMax,
  };
  const kept = bytes.subarray(Math.min(payloadAt, prefixEnd), prefixEnd);
  return { message: tooLargeMessage(head, kept, sizes), packetId, remainingBytes: 0 };
}

function readUint16(bytes: Buffer, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}
