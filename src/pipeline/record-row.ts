/** A record as a row of the log, and of the spill. */

import type { IngestRecord } from '../domain/record.ts';
import type { RecordRow } from '../domain/timeline.ts';

/** A class for the reason that a record is one (`ArrivedRecord`). */
class Row implements RecordRow {
  readonly tenant: string;
  readonly sourceId: string;
  readonly incarnation: number;
  readonly sourceSeq: number;
  readonly dedupKey: string | null;
  readonly atMs: number;
  readonly data: string;
  readonly contentType: string | null;

  constructor(record: IngestRecord, data: string) {
    this.tenant = record.tenant;
    this.sourceId = record.sourceId;
    this.incarnation = record.incarnation;
    this.sourceSeq = record.seq;
    this.dedupKey = record.key ?? null;
    this.atMs = record.atMs;
    this.data = data;
    this.contentType = record.contentType ?? null;
  }
}

/** `data`: the record's, as text. */
export function recordRow(record: IngestRecord, data: string): RecordRow {
  return new Row(record, data);
}
