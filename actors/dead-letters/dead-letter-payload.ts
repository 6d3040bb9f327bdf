/** The payload of a dead letter: written so that a person can read it, and so that a retry gets back what it
 *  was. What cannot be kept whole is kept as far as it goes, and is marked. */

import { inspect } from 'node:util';
import { messageOf } from '../../src/domain/errors.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import type { DeadLetter, LetterOrigin } from '../../src/domain/timeline.ts';
import { readJson, writeJson } from '../../src/domain/json-text.ts';

export type DeadLetterPayload = Pick<DeadLetter, 'payload' | 'isTruncated'> & Pick<LetterOrigin, 'form'>;

/** Text or bytes as they came over the wire. */
export function wirePayload(payload: string | Uint8Array): DeadLetterPayload {
  return cut(bytesAsText(typeof payload === 'string' ? new TextEncoder().encode(payload) : payload));
}

/** The data of a record. */
export function dataPayload(data: unknown): DeadLetterPayload {
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

function cut(text: string): DeadLetterPayload {
  const charsMax = LIMITS.deadLetterPayloadCharsMax;
  const isTruncated = text.length > charsMax;
  return { payload: isTruncated ? text.slice(0, charsMax) : text, isTruncated };
}

/** Any payload as text for a dead letter. Never throws. */
export function payloadAsText(payload: unknown): string {
  if (typeof payload === 'string') return payload;
  if (payload instanceof Uint8Array) return bytesAsText(payload);
  try {
    return writeJson(payload);
  } catch {
    return inspected(payload);
  }
}

/** For people to read. Calls no code of the value's own. */
function inspected(value: unknown): string {
  try {
    const bounds = { depth: 10, maxArrayLength: 1_000, maxStringLength: 10_000, breakLength: Infinity };
    return inspect(value, { ...bounds, customInspect: false });
  } catch (error) {
    return messageOf(error);
  }
}

/** UTF-8 as itself, anything else as base64 with a prefix; also what could be mistaken for that. */
export function bytesAsText(bytes: Uint8Array): string {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    if (!text.startsWith(BASE64_PREFIX)) return text;
  } catch {
    // No text.
  }
  return BASE64_PREFIX + base64(bytes);
}

/** The inverse of {@link bytesAsText}. */
export function bytesOfText(text: string): Uint8Array {
  const isBase64 = text.startsWith(BASE64_PREFIX);
  return isBase64 ? bytesOf(text.slice(BASE64_PREFIX.length)) : new TextEncoder().encode(text);
}

const BASE64_PREFIX = 'base64:';

/** Whether there are bytes in data that {@link writeJson} has written. */
export function hasBytes(data: unknown): boolean {
  if (data instanceof Uint8Array) return true;
  if (typeof data !== 'object' || data === null || data instanceof Date) return false;
  return Object.values(data).some(hasBytes);
}

/** Data that was written by {@link writeJson} and had bytes in it, with its bytes. */
export function withBytes(data: unknown): unknown {
  if (Array.isArray(data)) return data.map(withBytes);
  if (typeof data !== 'object' || data === null) return data;
  const entries = Object.entries(data);
  const [[name, text] = []] = entries;
  if (entries.length === 1 && name === 'base64' && typeof text === 'string') return bytesOf(text);
  return Object.fromEntries(entries.map(([key, value]) => [key, withBytes(value)]));
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64'));
}
