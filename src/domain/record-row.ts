/** A record as a row of the log, and of the spill. */

import type { IngestRecord } from './record.ts';

/** A class for the reason that a record is one (`ArrivedRecord`). */
class Row {
  readonly tenant: string;
  readonly sourceId: string;
  readonly incarnation: number;
  readonly sourceSeq: number;
  readonly dedupKey: string | null;
  readonly atMs: number;
  /** JSON text. */
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

/** One row of the `records` table before it has its `seq`. */
export type RecordRow = Pick<Row, keyof Row>;

/** `data`: the record's, as text. */
export function recordRow(record: IngestRecord, data: string): RecordRow {
  return new Row(record, data);
}
