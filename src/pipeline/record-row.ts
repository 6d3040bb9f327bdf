/** A record as a row of the log, and of the spill. */

import type { IngestRecord } from '../domain/record.ts';
import type { RecordRow } from '../domain/timeline.ts';

/** `data`: the record's, as text. */
export function recordRow(record: IngestRecord, data: string): RecordRow {
  return {
    tenant: record.tenant,
    sourceId: record.sourceId,
    incarnation: record.incarnation,
    sourceSeq: record.seq,
    dedupKey: record.key ?? null,
    atMs: record.atMs,
    data,
    contentType: record.contentType ?? null,
  };
}
