/** Reads the logs in order, a page at a time, for those that follow them by a cursor: sinks, and outlets whose
 *  records wait on disk. Every record is held against its checksum. */

import type Database from 'better-sqlite3';
import type { OutboundRecord } from '../src/domain/sink.ts';
import { recordChecksum } from './checksum.ts';
import type { LogPage, LogQuery, StoredSpillRow } from './event-store.ts';

export interface LogReader {
  records(query: LogQuery): LogPage<OutboundRecord>;
  alerts(query: LogQuery): LogPage<OutboundRecord>;
  spilled(query: LogQuery & { readonly tenant: string; readonly sourceId: string }): LogPage<StoredSpillRow>;
  lagOf(log: 'records' | 'alerts', afterSeq: number): { rows: number; oldestAtMs: number | null };
}

/** `identity` is what keys towards the outside begin with: `gatewayId:dbUuid`. */
export function createLogReader(db: Database.Database, identity: string): LogReader {
  const records = db.prepare(`SELECT ${RECORD_FIELDS} FROM records WHERE seq > ? ORDER BY seq LIMIT ?`);
  const spilled = db.prepare(
    `SELECT ${RECORD_FIELDS}, cursor FROM spill
     WHERE tenant = ? AND source_id = ? AND seq > ? ORDER BY seq LIMIT ?`,
  );
  const alerts = db.prepare(
    `SELECT seq, tenant, actor, incarnation, at_ms AS atMs, data FROM timeline
     WHERE kind = 'alert' AND seq > ? ORDER BY seq LIMIT ?`,
  );
  const recordLag = lagReader(db, 'records', '1');
  const alertLag = lagReader(db, 'timeline', "kind = 'alert'");
  const outboundRecord = (row: StoredRecordRow): OutboundRecord => ({
    seq: row.seq,
    key: `${identity}:${row.seq}`,
    tenant: row.tenant,
    sourceId: row.sourceId,
    incarnation: row.incarnation,
    sourceSeq: row.sourceSeq,
    atMs: row.atMs,
    data: JSON.parse(row.data),
    contentType: row.contentType ?? undefined,
    dedupKey: row.dedupKey ?? undefined,
  });
  const outboundAlert = (row: AlertRow): OutboundRecord => ({
    seq: row.seq,
    key: `${identity}:t${row.seq}`,
    tenant: row.tenant,
    sourceId: row.actor,
    incarnation: row.incarnation ?? 0,
    sourceSeq: row.seq,
    atMs: row.atMs,
    data: JSON.parse(row.data),
    contentType: undefined,
    dedupKey: undefined,
  });
  return {
    records: (query) =>
      page(
        records.iterate(query.afterSeq, query.rowsMax) as Iterable<StoredRecordRow>,
        query,
        isSound,
        outboundRecord,
      ),
    spilled: (query) =>
      page(
        spilled.iterate(query.tenant, query.sourceId, query.afterSeq, query.rowsMax) as Iterable<
          StoredRecordRow & { readonly cursor: string | null }
        >,
        query,
        isSound,
        spilledRow,
      ),
    alerts: (query) =>
      page(
        alerts.iterate(query.afterSeq, query.rowsMax) as Iterable<AlertRow>,
        query,
        () => true,
        outboundAlert,
      ),
    lagOf: (log, afterSeq) => (log === 'records' ? recordLag : alertLag)(afterSeq),
  };
}

function spilledRow(row: StoredRecordRow & { readonly cursor: string | null }): StoredSpillRow {
  const { crc, ...rest } = row;
  void crc;
  return rest;
}

const RECORD_FIELDS = `seq, tenant, source_id AS sourceId, incarnation, source_seq AS sourceSeq,
  dedup_key AS dedupKey, at_ms AS atMs, data, content_type AS contentType, crc`;

interface StoredRecordRow {
  readonly seq: number;
  readonly tenant: string;
  readonly sourceId: string;
  readonly incarnation: number;
  readonly sourceSeq: number;
  readonly dedupKey: string | null;
  readonly atMs: number;
  readonly data: string;
  readonly contentType: string | null;
  /** Null for rows of a version that wrote none. */
  readonly crc: number | null;
}

interface AlertRow {
  readonly seq: number;
  readonly tenant: string;
  readonly actor: string;
  readonly incarnation: number | null;
  readonly atMs: number;
  readonly data: string;
}

export function isSound(row: StoredRecordRow): boolean {
  return row.crc === null || row.crc === recordChecksum(row);
}

/** Gathers rows until the bytes are used up; the first row comes along whatever its size. */
function page<Row extends { readonly seq: number; readonly data: string }, Read>(
  rows: Iterable<Row>,
  { afterSeq, bytesMax }: LogQuery,
  sound: (row: Row) => boolean,
  read: (row: Row) => Read,
): LogPage<Read> {
  const found: Read[] = [];
  const damaged: number[] = [];
  let lastSeq = afterSeq;
  let bytes = 0;
  for (const row of rows) {
    bytes += row.data.length;
    if (bytes > bytesMax && lastSeq > afterSeq) break;
    lastSeq = row.seq;
    if (sound(row)) found.push(read(row));
    else damaged.push(row.seq);
  }
  return { rows: found, lastSeq, damaged };
}

/** Rows after a place, and the time of the first of them. Numbers leave no gaps but where rows are deleted,
 *  which only happens to the oldest; of alerts there are few. */
function lagReader(
  db: Database.Database,
  table: string,
  condition: string,
): (afterSeq: number) => { rows: number; oldestAtMs: number | null } {
  const count =
    table === 'records'
      ? db.prepare('SELECT coalesce(max(seq) - max(?, min(seq) - 1), 0) FROM records').pluck()
      : db.prepare(`SELECT count(*) FROM ${table} WHERE ${condition} AND seq > ?`).pluck();
  const oldest = db
    .prepare(`SELECT at_ms FROM ${table} WHERE ${condition} AND seq > ? ORDER BY seq LIMIT 1`)
    .pluck();
  return (afterSeq) => ({
    rows: Math.max(0, count.get(afterSeq) as number),
    oldestAtMs: (oldest.get(afterSeq) as number | undefined) ?? null,
  });
}
