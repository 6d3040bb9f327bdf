/** Records as the text that sinks send and write. */

import { errorFacts, HeadgateError } from '../../src/domain/errors.ts';
import { writeJson } from '../../src/domain/json-text.ts';
import type { OutboundRecord, Rejection } from '../../src/domain/sink.ts';

/** What goes out of a record. `data`: its data alone. `record`: its key, its place and times as well. */
export type Envelope = 'record' | 'data';

/** One record as JSON, without a line break. Fields in this order: key, seq, tenant, sourceId, incarnation,
 *  sourceSeq, atMs, contentType and dedupKey where there are any, data.
 *  @throws HeadgateError HG_RECORD_UNSTORABLE */
export function recordAsJson(record: OutboundRecord, envelope: Envelope): string {
  const data = writeJson(record.data);
  if (envelope === 'data') return data;
  const { key, seq, tenant, sourceId, incarnation, sourceSeq, atMs, contentType, dedupKey } = record;
  const head = { key, seq, tenant, sourceId, incarnation, sourceSeq, atMs, contentType, dedupKey };
  return `${JSON.stringify(head).slice(0, -1)},"data":${data}}`;
}

/** The far end refused the record. */
export function refusal(index: number, error: unknown): Rejection {
  return { index, error: errorFacts(error, 'HG_SINK_REFUSED') };
}

/** The record cannot be sent. */
export function unsendable(index: number, error: unknown): Rejection {
  return { ...refusal(index, error), by: 'sink' };
}

/** Makes something of each record. A record at which `make` throws a refusal becomes a rejection; any other
 *  error goes on. */
export function makeEach<Made>(
  batch: readonly OutboundRecord[],
  make: (record: OutboundRecord) => Made,
): { made: { index: number; value: Made }[]; rejections: Rejection[] } {
  const made: { index: number; value: Made }[] = [];
  const rejections: Rejection[] = [];
  for (const [index, record] of batch.entries()) {
    try {
      made.push({ index, value: make(record) });
    } catch (error) {
      if (!(error instanceof HeadgateError) || error.remedy !== 'drop') throw error;
      rejections.push(unsendable(index, error));
    }
  }
  return { made, rejections };
}
