/** Records as expressions see them. */

import type { IngestRecord } from '../../domain/record.ts';
import type { OutboundRecord } from '../../domain/sink.ts';

/** What an expression of a stage sees. */
export function stageView(record: IngestRecord): Record<string, unknown> {
  const { sourceId: id, tenant, data, atMs, seq, incarnation, key, contentType } = record;
  const view: Record<string, unknown> = { id, tenant, data: readable(data), atMs, seq, incarnation };
  if (key !== undefined) view['key'] = key;
  if (contentType !== undefined) view['contentType'] = contentType;
  return view;
}

/** What the `dedupKey` of a source sees. */
export function arrivingView(
  id: string,
  data: unknown,
  { atMs, contentType }: { readonly atMs?: number; readonly contentType?: string },
): Record<string, unknown> {
  return withoutUndefined({ id, data: readable(data), atMs, contentType });
}

/** What an expression of a sink sees. */
export function outboundView(record: OutboundRecord): Record<string, unknown> {
  const { sourceId: id, tenant, atMs, seq, sourceSeq, incarnation, key, dedupKey, contentType } = record;
  const data = readable(record.data);
  return withoutUndefined({
    id,
    tenant,
    data,
    atMs,
    seq,
    sourceSeq,
    incarnation,
    key,
    dedupKey,
    contentType,
  });
}

/** Removes fields without a value, so that `has` is false for them. */
function withoutUndefined(fields: Record<string, unknown>): Record<string, unknown> {
  for (const name in fields) if (fields[name] === undefined) delete fields[name];
  return fields;
}

/** The data in a form that the expression engine reads: an instance of a class, such as the envelope of an
 *  MQTT message, becomes a plain object. */
function readable(data: unknown): unknown {
  if (typeof data !== 'object' || data === null) return data;
  const prototype = Object.getPrototypeOf(data) as unknown;
  if (prototype === Object.prototype || prototype === null || Array.isArray(data)) return data;
  const isValue = ArrayBuffer.isView(data) || data instanceof Date || data instanceof Map;
  return isValue ? data : { ...data };
}
