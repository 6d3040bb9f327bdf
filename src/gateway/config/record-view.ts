/** Records as expressions see them. */

import type { IngestRecord } from '../../domain/record.ts';
import type { OutboundRecord } from '../../domain/sink.ts';

/** The record of an expression of a stage. */
export function stageView(record: IngestRecord): Record<string, unknown> {
  const { sourceId: id, tenant, data, atMs, seq, incarnation, key, contentType } = record;
  const view: Record<string, unknown> = { id, tenant, data, atMs, seq, incarnation };
  if (key !== undefined) view['key'] = key;
  if (contentType !== undefined) view['contentType'] = contentType;
  return view;
}

/** The record of the `dedupKey` of a source. */
export function arrivingView(
  id: string,
  data: unknown,
  { atMs, contentType }: { readonly atMs?: number; readonly contentType?: string },
): Record<string, unknown> {
  return withoutUndefined({ id, data, atMs, contentType });
}

/** The record of an expression of a sink. */
export function outboundView(record: OutboundRecord): Record<string, unknown> {
  const {
    sourceId: id,
    tenant,
    data,
    atMs,
    seq,
    sourceSeq,
    incarnation,
    key,
    dedupKey,
    contentType,
  } = record;
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
