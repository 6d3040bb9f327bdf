/** Records' data as text: for the log, for the spill and for dead letters. */

import { inspect } from 'node:util';
import { deserialize, serialize } from 'node:v8';
import { HeadgateError, messageOf } from '../domain/errors.ts';
import { isNativeJson, writeJson } from '../domain/json-text.ts';
import { isCloneable } from './cloneable.ts';

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

/** A record's data as text that gives the same data back, of whatever kind it is: bytes and frames as such, what
 *  JSON says without a change as JSON, anything else as V8 writes it for a clone.
 *  @throws HeadgateError HG_RECORD_UNSTORABLE for what has no faithful copy */
export function spillText(data: unknown): string {
  if (isBytes(data)) return `b${base64(data)}`;
  if (isFrames(data)) return `f${JSON.stringify(data.map(base64))}`;
  try {
    if (isNativeJson(data)) return `j${JSON.stringify(data)}`;
    if (isCloneable(data)) return `v${base64(serialize(data))}`;
  } catch (error) {
    throw unspillable(`: ${messageOf(error)}`);
  }
  throw unspillable('');
}

function unspillable(why: string): HeadgateError {
  const message = `the outlet was full, and its data has no faithful copy on disk${why}; use plain data`;
  return new HeadgateError('HG_RECORD_UNSTORABLE', message);
}

/** What {@link spillText} was made of. */
export function spilledData(text: string): unknown {
  const content = text.slice(1);
  if (text.startsWith('b')) return bytesOf(content);
  if (text.startsWith('v')) return deserialize(Buffer.from(content, 'base64'));
  const parsed: unknown = JSON.parse(content);
  return text.startsWith('f') ? (parsed as string[]).map(bytesOf) : parsed;
}

/** Bytes of the plain kind: a buffer comes back as a buffer. */
function isBytes(data: unknown): data is Uint8Array {
  return data instanceof Uint8Array && Object.getPrototypeOf(data) === Uint8Array.prototype;
}

function isFrames(data: unknown): data is Uint8Array[] {
  return Array.isArray(data) && data.length > 0 && Array.from(data).every(isBytes);
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64'));
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

/** What {@link bytesAsText} was given. */
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
