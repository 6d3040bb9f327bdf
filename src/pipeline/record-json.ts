/** Records' data as JSON text, for the log and for dead letters. */

import { HeadgateError, messageOf } from '../domain/errors.ts';

/** The data as JSON. Bytes become `{ "base64": "…" }`; a value JSON has no word for at all is `null`.
 *  @throws HeadgateError HG_RECORD_UNSTORABLE for a circular structure, a bigint, or depth beyond the stack.
 *  */
export function dataAsJson(data: unknown): string {
  try {
    const text = hasBytes(data) ? JSON.stringify(withoutBytes(data)) : JSON.stringify(data);
    return text ?? 'null';
  } catch (error) {
    throw new HeadgateError(
      'HG_RECORD_UNSTORABLE',
      `its data cannot be written as JSON: ${messageOf(error)}`,
    );
  }
}

/** Any payload as text for a dead letter. Never throws. */
export function payloadAsText(payload: unknown): string {
  if (typeof payload === 'string') return payload;
  if (payload instanceof Uint8Array) return bytesAsText(payload);
  try {
    return dataAsJson(payload);
  } catch {
    return messageOf(payload);
  }
}

/** A record's data as text that gives the same data back: bytes and frames as such, everything else as JSON
 *  has it.
 *  @throws HeadgateError HG_RECORD_UNSTORABLE */
export function spillText(data: unknown): string {
  if (data instanceof Uint8Array) return `b${base64(data)}`;
  if (isFrames(data)) return `f${JSON.stringify(data.map(base64))}`;
  return `j${dataAsJson(data)}`;
}

/** What {@link spillText} was made of. */
export function spilledData(text: string): unknown {
  const content = text.slice(1);
  if (text.startsWith('b')) return bytesOf(content);
  const parsed: unknown = JSON.parse(content);
  return text.startsWith('f') ? (parsed as string[]).map(bytesOf) : parsed;
}

function isFrames(data: unknown): data is Uint8Array[] {
  return Array.isArray(data) && data.length > 0 && data.every((part) => part instanceof Uint8Array);
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

export function hasBytes(data: unknown): boolean {
  return (
    data instanceof Uint8Array || (Array.isArray(data) && data.some((part) => part instanceof Uint8Array))
  );
}

function withoutBytes(data: unknown): unknown {
  if (data instanceof Uint8Array) return { base64: base64(data) };
  return Array.isArray(data) ? data.map(withoutBytes) : data;
}

/** Data that was written by {@link dataAsJson} and had bytes in it, with its bytes. */
export function withBytes(data: unknown): unknown {
  if (Array.isArray(data)) return data.map(withBytes);
  if (typeof data !== 'object' || data === null || Object.keys(data).length !== 1) return data;
  const text = (data as { base64?: unknown }).base64;
  return typeof text === 'string' ? bytesOf(text) : data;
}
