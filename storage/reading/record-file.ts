/** The record log of a database file, page by page, for whoever takes it elsewhere; also while an engine
 *  writes it. Each page reads one state and holds nothing afterwards. Every record is held against its
 *  checksum. */

import type Database from 'better-sqlite3';
import { recordKeys } from '../../src/domain/record-keys.ts';
import { lastSeqReader } from '../tables/recovered-state.ts';
import { readNames } from '../tables/lineage.ts';
import { isSound, RECORD_FIELDS, type StoredRecordRow } from '../tables/log-reader.ts';
import { existingFile, openReadOnly } from '../file/readable-database.ts';
import { schemaVersion } from '../file/schema.ts';
import { guardStorage } from '../file/storage-error.ts';

export interface RecordSelection {
  readonly tenant?: string;
  readonly sourceId?: string;
  /** By the time that a record bears, epoch milliseconds, both included. */
  readonly sinceMs?: number;
  readonly untilMs?: number;
  /** Records with a greater `seq` only. */
  readonly afterSeq?: number;
}

export interface StoredRecord extends StoredRecordRow {
  /** What sinks call it by. */
  readonly key: string;
}

export interface RecordFilePage {
  readonly records: readonly StoredRecord[];
  /** `seq` of records that do not fit their checksum. They are not in `records`. */
  readonly damaged: readonly number[];
}

export interface RecordFile {
  /** The records there are at the call, in order of `seq`. */
  pages(selection: RecordSelection): Generator<RecordFilePage>;
  close(): void;
}

const PAGE_ROWS = 1_000;
const PAGE_CHARS_MAX = 4 * 1024 * 1024;

/** @throws HeadgateError HG_STORAGE_NOT_FOUND, _NOT_A_DATABASE, _VERSION, _READONLY, _BUSY or _FAILED. */
export function openRecordFile(path: string): RecordFile {
  const file = existingFile(path);
  const db = openReadOnly(file);
  return {
    pages: (selection) => pagesOf(db, file, selection),
    close: () => void db.close(),
  };
}

function* pagesOf(
  db: Database.Database,
  file: string,
  selection: RecordSelection,
): Generator<RecordFilePage> {
  const { select, lastSeq, keys } = guardStorage(file, () => ({
    select: db.prepare(`SELECT ${fieldsOf(db)} FROM records WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?`),
    // What comes later is not waited for: an engine may write faster than this reads.
    lastSeq: lastSeqReader(db, 'records')(),
    keys: recordKeys(readNames(db) ?? { gatewayId: '', dbUuid: '', ancestors: [] }),
  }));
  for (let afterSeq = selection.afterSeq ?? 0; afterSeq < lastSeq;) {
    const rows = guardStorage(file, () =>
      upTo(PAGE_CHARS_MAX, select.iterate(afterSeq, lastSeq, PAGE_ROWS) as Iterable<StoredRecordRow>),
    );
    const selected = rows.filter((row) => isSelected(row, selection));
    yield {
      records: selected.filter(isSound).map((row) => ({ ...row, key: keys.record(row.seq) })),
      damaged: selected.filter((row) => !isSound(row)).map(({ seq }) => seq),
    };
    const last = rows.at(-1);
    if (last === undefined) return;
    afterSeq = last.seq;
  }
}

/** The first version has neither checksums nor content types. */
function fieldsOf(db: Database.Database): string {
  if (schemaVersion(db) >= 2) return RECORD_FIELDS;
  return RECORD_FIELDS.replace('content_type', 'NULL').replace('crc', 'NULL AS crc');
}

/** Rows until their data is so large; at least one. */
function upTo(charsMax: number, rows: Iterable<StoredRecordRow>): StoredRecordRow[] {
  const taken: StoredRecordRow[] = [];
  let chars = 0;
  for (const row of rows) {
    taken.push(row);
    chars += row.data.length;
    if (chars >= charsMax) break;
  }
  return taken;
}

function isSelected(row: StoredRecordRow, selection: RecordSelection): boolean {
  const { tenant, sourceId, sinceMs, untilMs } = selection;
  return (
    (tenant === undefined || row.tenant === tenant) &&
    (sourceId === undefined || row.sourceId === sourceId) &&
    (sinceMs === undefined || row.atMs >= sinceMs) &&
    (untilMs === undefined || row.atMs <= untilMs)
  );
}
