/** The payload of a dead letter: written so that a person can read it, and so that a retry gets back what it
 *  was. What cannot be kept whole is kept as far as it goes, and is marked. */

import { LIMITS } from '../domain/limits.ts';
import type { DeadLetter, LetterOrigin } from '../domain/timeline.ts';
import { readJson, writeJson } from '../domain/json-text.ts';
import { bytesAsText, bytesOfText, hasBytes, payloadAsText, withBytes } from './record-json.ts';

export type LetterPayload = Pick<DeadLetter, 'payload' | 'isTruncated'> & Pick<LetterOrigin, 'form'>;

/** Text or bytes as they came over the wire. */
export function wirePayload(payload: string | Uint8Array): LetterPayload {
  return cut(bytesAsText(typeof payload === 'string' ? new TextEncoder().encode(payload) : payload));
}

/** The data of a record. */
export function dataPayload(data: unknown): LetterPayload {
  if (typeof data === 'string') return { ...cut(data), form: 'text' };
  try {
    return { ...cut(writeJson(data)), ...(hasBytes(data) ? { form: 'frames' as const } : {}) };
  } catch {
    return { ...cut(payloadAsText(data)), isTruncated: true };
  }
}

export function wireOfPayload(payload: string): Uint8Array {
  return bytesOfText(payload);
}

export function dataOfPayload(payload: string, form: LetterOrigin['form']): unknown {
  if (form === 'text') return payload;
  const data = readJson(payload);
  return form === 'frames' ? withBytes(data) : data;
}

function cut(text: string): LetterPayload {
  const charsMax = LIMITS.deadLetterPayloadCharsMax;
  const isTruncated = text.length > charsMax;
  return { payload: isTruncated ? text.slice(0, charsMax) : text, isTruncated };
}
