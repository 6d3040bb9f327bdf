/** Topics out of the bytes of messages. A device says the same few topics again and again: those seen before
 *  are found by their bytes, which costs less than making a string, and every message of a topic bears the
 *  same string, whose hash is known already where it is looked up. */

import { isUtf8 } from 'node:buffer';
import { MalformedMessage } from './frame-error.ts';

export type TopicReader = (bytes: Buffer, start: number, end: number) => string;

/** Topics kept, and the longest of them: a kept one is compared byte by byte. */
const SLOTS = 1_024;
const KEPT_BYTES_MAX = 128;

interface Kept {
  readonly bytes: Uint8Array;
  readonly topic: string;
}

/** The returned function throws {@link MalformedMessage}. */
export function topicReader(): TopicReader {
  const slots = new Array<Kept | undefined>(SLOTS).fill(undefined);
  return (bytes, start, end) => {
    const length = end - start;
    if (length > KEPT_BYTES_MAX) return topicOf(bytes, start, end);
    // FNV-1a (Fowler, Noll, Vo), folded to the number of slots.
    let hash = 0x811c9dc5;
    for (let at = start; at < end; at++) hash = Math.imul(hash ^ (bytes[at] as number), 0x01000193);
    const slot = (hash ^ (hash >>> 16)) & (SLOTS - 1);
    const kept = slots[slot];
    if (kept !== undefined && kept.bytes.length === length && isAt(kept.bytes, bytes, start)) {
      return kept.topic;
    }
    const topic = topicOf(bytes, start, end);
    // A copy: a view would keep its whole chunk alive.
    slots[slot] = { bytes: Uint8Array.from(bytes.subarray(start, end)), topic };
    return topic;
  };
}

function isAt(wanted: Uint8Array, bytes: Buffer, start: number): boolean {
  for (let index = 0; index < wanted.length; index++) {
    if (wanted[index] !== bytes[start + index]) return false;
  }
  return true;
}

function topicOf(bytes: Buffer, start: number, end: number): string {
  const topic = bytes.toString('utf8', start, end);
  // What is no UTF-8 was replaced by this character; a topic may hold it in its own right.
  if (topic.includes('\uFFFD') && !isUtf8(bytes.subarray(start, end))) {
    throw new MalformedMessage('a topic is not valid UTF-8');
  }
  if (topic.includes('\0')) throw new MalformedMessage('a topic contains the character NUL');
  return topic;
}
