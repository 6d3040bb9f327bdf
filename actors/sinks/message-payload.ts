/** What a message of a broker bears of a record: the options that sinks for brokers have in common. */

import { z } from 'zod';
import { HeadgateError } from '../../src/domain/errors.ts';
import type { OutboundRecord } from '../../src/domain/sink.ts';
import { recordAsJson } from './outbound-text.ts';

export const payloadShape = {
  format: z
    .enum(['json', 'text', 'bytes'])
    .default('json')
    .describe('`text` and `bytes` send the data as it is, which must be just that.'),
  envelope: z
    .enum(['record', 'data'])
    .optional()
    .describe(
      'With `json`: the data alone, or key, place and times of the record as well. Default:' + ' data.',
    ),
};

interface PayloadOptions {
  readonly format: 'json' | 'text' | 'bytes';
  readonly envelope?: 'record' | 'data' | undefined;
}

export function checkPayload({ format, envelope }: PayloadOptions, context: z.RefinementCtx): void {
  if (envelope === undefined || format === 'json') return;
  context.addIssue({ code: 'custom', path: ['envelope'], message: 'goes with format "json" only' });
}

/** What a message bears. @throws HeadgateError HG_SINK_REFUSED, HG_RECORD_UNSTORABLE */
export function payloadOf(
  record: OutboundRecord,
  { format, envelope = 'data' }: PayloadOptions,
): string | Uint8Array {
  const { data } = record;
  if (format === 'json') return recordAsJson(record, envelope);
  if (format === 'text') {
    if (typeof data === 'string' && data.isWellFormed()) return data;
    if (typeof data === 'string') {
      // As UTF-8 it would be other text.
      throw new HeadgateError('HG_SINK_REFUSED', 'its text holds half a surrogate pair; set format: "json"');
    }
    if (typeof data === 'number' || typeof data === 'bigint' || typeof data === 'boolean')
      return String(data);
    throw new HeadgateError('HG_SINK_REFUSED', 'its data is no text; set format: "json", or transform it');
  }
  const bytes = bytesOf(data);
  if (bytes !== null) return bytes;
  throw new HeadgateError('HG_SINK_REFUSED', 'its data is not bytes; set format: "json", or transform it');
}

/** Bytes, as they are or as the log keeps them. */
function bytesOf(data: unknown): Uint8Array | null {
  if (data instanceof Uint8Array) return data;
  const base64 = (data as { base64?: unknown } | null | undefined)?.base64;
  return typeof base64 === 'string' ? Buffer.from(base64, 'base64') : null;
}
