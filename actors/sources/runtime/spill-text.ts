/** Records' data as text for the spill: what is read back is the same value. */

import { deserialize, serialize } from 'node:v8';
import { HeadgateError, messageOf } from '../../../src/domain/errors.ts';
import { isNativeJson } from '../../../src/domain/json-text.ts';
import { isCloneable } from './cloneable.ts';

/** A record's data as text that gives the same data back, of whatever kind it is: bytes and frames as
 *  such, what JSON says without a change as JSON, anything else as V8 writes it for a clone.
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

/** The inverse of {@link spillText}. */
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
