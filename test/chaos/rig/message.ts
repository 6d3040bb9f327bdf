/** What the publisher sends: a message is a function of its id, so that a stored one can be checked whole. */

import { createHash } from 'node:crypto';

export interface Message {
  readonly id: number;
  /** Of 64 to 256 characters, by the id. */
  readonly text: string;
}

export function messageOf(id: number): Message {
  const digest = createHash('sha256').update(String(id)).digest('hex');
  return { id, text: digest.repeat(1 + (id % 4)) };
}

/** The id in a payload, or null where it is no message of ours. */
export function idOf(payload: string): number | null {
  const id = /^\{"id":(\d+),/.exec(payload)?.[1];
  return id === undefined ? null : Number(id);
}
