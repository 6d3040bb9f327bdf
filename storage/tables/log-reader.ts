/** Reads the logs in order, a page at a time, for those that follow them by a cursor: sinks, and outlets
 *  whose records wait on disk. Every record is held against its checksum. */

import type Database from 'better-sqlite3';
import { readJson } from '../../src/domain/json-text.ts';
import type { RecordKeys } from '../../src/domain/record-keys.ts';
import type { RecordRow } from '../../src/domain/record-row.ts';
import type { OutboundRecord } from '../../src/domain/sink.ts';
import { recordChecksum } from './checksum.ts';
import type { LogPage, LogQuery, StoredSpillRow } from '../event-store.ts';
import { lastSeqReader } from './recovered-state.ts';

export interface LogReader {
  records(query: LogQuery): LogPage<OutboundRecord>;
  alerts(query: LogQuery): LogPage<OutboundRecord>;
  spilled(query: LogQuery & { readonly tenant: string; readonly sourceId: string }): LogPage<StoredSpillRow>;
  readonly lagOf: LagReader;
}

export function createLogReader(db: Database.Database, keys: RecordKeys): LogReader {
  const records = db.prepare(`SELECT ${RECORD_FIELDS} FROM records WHERE seq > ? ORDER BY seq LIMIT ?`);
  const spilled = db.prepare(
    `SELECT ${RECORD_FIELDS}, cursor FROM spill
     WHERE tenant = ? AND source_id = ? AND seq > ? ORDER BY seq LIMIT ?`,
  );
  const alerts = db.prepare(
    `SELECT seq, tenant, actor, incarnation, at_ms AS atMs, data FROM timeline
     WHERE kind = 'alert' AND seq > ? ORDER BY seq LIMIT ?`,
  );
  const lastRecordSeq = lastSeqReader(db, 'records');
  const lastSpillSeq = lastSeqReader(db, 'spill');
  const lastTimelineSeq = lastSeqReader(db, 'timeline');
  const outboundRecord = (row: StoredRecordRow): OutboundRecord => ({
    seq: row.seq,
    key: keys.record(row.seq),
    tenant: row.tenant,
    sourceId: row.sourceId,
    incarnation: row.incarnation,
    sourceSeq: row.sourceSeq,
    atMs: row.atMs,
    data: readJson(row.data),
    contentType: row.contentType ?? undefined,
    dedupKey: row.dedupKey ?? undefined,
  });
  const outboundAlert = (row: AlertRow): OutboundRecord => ({
    seq: row.seq,
    key: keys.alert(row.seq),
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
        lastRecordSeq(),
        isSound,
        outboundRecord,
      ),
    spilled: (query) =>
      page(
        spilled.iterate(query.tenant, query.sourceId, query.afterSeq, query.rowsMax) as Iterable<
          StoredRecordRow & { readonly cursor: string | null }
        >,
        query,
        lastSpillSeq(),
        isSound,
        spilledRow,
      ),
    alerts: (query) =>
      page(
        alerts.iterate(query.afterSeq, query.rowsMax) as Iterable<AlertRow>,
        query,
        lastTimelineSeq(),
        () => true,
        outboundAlert,
      ),
    lagOf: lagReader(db),
  };
}

function spilledRow(row: StoredRecordRow & { readonly cursor: string | null }): StoredSpillRow {
  const { crc, ...rest } = row;
  void crc;
  return rest;
}

export const RECORD_FIELDS = `seq, tenant, source_id AS sourceId, incarnation, source_seq AS sourceSeq,
  dedup_key AS dedupKey, at_ms AS atMs, data, content_type AS contentType, crc`;

export interface StoredRecordRow extends RecordRow {
  readonly seq: number;
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

/** Gathers rows until the bytes are used up; the first row comes along whatever its size. A page that comes
 *  to the end of the log covers all numbers given out, used or not: whoever follows the log is then up to
 *  date. */
function page<Row extends { readonly seq: number; readonly data: string }, Read>(
  rows: Iterable<Row>,
  { afterSeq, rowsMax, bytesMax }: LogQuery,
  logSeq: number,
  sound: (row: Row) => boolean,
  read: (row: Row) => Read,
): LogPage<Read> {
  const found: Read[] = [];
  const damaged: number[] = [];
  let lastSeq = afterSeq;
  let bytes = 0;
  for (const row of rows) {
    bytes += row.data.length;
    if (bytes > bytesMax && lastSeq > afterSeq) return { rows: found, lastSeq, damaged };
    lastSeq = row.seq;
    if (sound(row)) found.push(read(row));
    else damaged.push(row.seq);
  }
  const isAtEnd = found.length + damaged.length < rowsMax;
  return { rows: found, lastSeq: isAtEnd ? Math.max(lastSeq, logSeq) : lastSeq, damaged };
}

interface Lag {
  readonly rows: number;
  readonly oldestAtMs: number | null;
}

type LagReader = (log: 'records' | 'alerts', afterSeq: number) => Lag;

/** How far who has come to a place is behind the end of a log. */
export function lagReader(db: Database.Database): LagReader {
  const [recordLag, alertLag] = [recordLagReader(db), alertLagReader(db)];
  return (log, afterSeq) => (log === 'records' ? recordLag : alertLag)(afterSeq);
}

/** Two seeks, however many records there are: told by their numbers, so that numbers without a row (those of
 *  records that were passed over as known already, or lost) count as well. */
function recordLagReader(db: Database.Database): (afterSeq: number) => Lag {
  const last = db.prepare('SELECT seq FROM records ORDER BY seq DESC LIMIT 1').pluck();
  const first = db.prepare('SELECT seq, at_ms AS atMs FROM records WHERE seq > ? ORDER BY seq LIMIT 1');
  return (afterSeq) => {
    const oldest = first.get(afterSeq) as { seq: number; atMs: number } | undefined;
    if (oldest === undefined) return { rows: 0, oldestAtMs: null };
    return { rows: (last.get() as number) - oldest.seq + 1, oldestAtMs: oldest.atMs };
  };
}

/** Of alerts there are few. */
function alertLagReader(db: Database.Database): (afterSeq: number) => Lag {
  const lag = db.prepare("SELECT count(*), min(seq) FROM timeline WHERE kind = 'alert' AND seq > ?").raw();
  const time = db.prepare('SELECT at_ms FROM timeline WHERE seq = ?').pluck();
  return (afterSeq) => {
    const [rows, oldestSeq] = lag.get(afterSeq) as [number, number | null];
    return { rows, oldestAtMs: oldestSeq === null ? null : (time.get(oldestSeq) as number) };
  };
}
