/** Messages that cannot be taken: larger than allowed, or with a topic or properties that are malformed. Each
 *  is told apart from a link that is broken, because the end of its frame is known: it is passed on with its
 *  reason and its first bytes, so that it becomes a dead letter, is acknowledged and never comes again. */

import { HeadgateError } from '../../../src/domain/errors.ts';
import { printable } from '../../../src/domain/printable-text.ts';
import type { MqttMessage, MqttProtocolVersion, Qos } from '../../protocols/mqtt/transport.ts';

/** Bytes of the payload that are kept of a message that is too large. */
export const KEPT_BYTES_MAX = 1_024;
/** Topic and packet id at their longest, and what is kept of the payload. */
export const PREFIX_BYTES_MAX = 2 + 65_535 + 2 + KEPT_BYTES_MAX;

const TOPIC_CHARS_SHOWN = 200;

/** Identity of a message that is skipped. */
export interface MessageHead {
  readonly topic: string;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly dup: boolean;
}

/** A message of more than `bytesMax` bytes. `kept` are the first ones; they are copied. */
export function tooLargeMessage(
  head: MessageHead,
  kept: Uint8Array,
  { bytes, bytesMax }: { readonly bytes: number; readonly bytesMax: number },
): MqttMessage {
  const { topic } = head;
  const payload = Uint8Array.from(kept.subarray(0, KEPT_BYTES_MAX));
  const what = `the message to ${shownTopic(topic)} has ${bytes} bytes`;
  const problem = `${what}; payloadBytesMax allows ${bytesMax}`;
  const details = { topic, bytes, bytesMax, keptBytes: payload.length };
  const rejection = new HeadgateError('HG_READ_TOO_LARGE', problem, { remedy: 'drop', details });
  return { ...head, payload, rejection };
}

/** A message whose topic or properties are malformed. It belongs to no topic. */
export function malformedMessage(head: MessageHead, payload: Uint8Array, problem: string): MqttMessage {
  const bytesMax = KEPT_BYTES_MAX;
  const details = { topic: head.topic, bytes: payload.length, keptBytes: Math.min(payload.length, bytesMax) };
  const rejection = new HeadgateError('HG_DECODE_FAILED', `${problem}: ${shownTopic(head.topic)}`, {
    details,
  });
  return { ...head, topic: '', payload: Uint8Array.from(payload.subarray(0, bytesMax)), rejection };
}

function shownTopic(topic: string): string {
  const short = topic.length > TOPIC_CHARS_SHOWN ? `${topic.slice(0, TOPIC_CHARS_SHOWN)}…` : topic;
  return `"${printable(short)}"`;
}

/** Where the properties of a message end (MQTT 5.0, 2.2.2), or null where `bytes` do not reach that far. */
export function propertiesEnd(bytes: Buffer, at: number, version: MqttProtocolVersion): number | null {
  if (version !== 5) return at;
  let length = 0;
  for (let index = 0; index < 4; index++) {
    const byte = bytes[at + index];
    if (byte === undefined) return null;
    length += (byte & 0x7f) * 128 ** index;
    if (byte < 0x80) return at + index + 1 + length;
  }
  return null;
}
