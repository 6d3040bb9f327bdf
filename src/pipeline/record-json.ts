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

/** UTF-8 as itself, anything else as base64 with a prefix. */
function bytesAsText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return `base64:${Buffer.from(bytes).toString('base64')}`;
  }
}

function hasBytes(data: unknown): boolean {
  return (
    data instanceof Uint8Array || (Array.isArray(data) && data.some((part) => part instanceof Uint8Array))
  );
}

function withoutBytes(data: unknown): unknown {
  if (data instanceof Uint8Array) return { base64: Buffer.from(data).toString('base64') };
  return Array.isArray(data) ? data.map(withoutBytes) : data;
}
