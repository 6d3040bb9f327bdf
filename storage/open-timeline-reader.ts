/** Opens a database for reading: one that an engine is writing, one that was closed, one that a crash left
 *  behind.
 *
 *  The connection cannot write. It still needs a folder that can be written, since SQLite keeps the shared
 *  memory of its log there. Each call reads one consistent state of the file and holds it no longer than
 *  the call. */

import Database from 'better-sqlite3';
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { HeadgateError } from '../src/domain/errors.ts';
import { isInMemory } from './database-path.ts';
import { BUSY_TIMEOUT_MS, notADatabase, refuseNewer } from './inspect-database.ts';
import { nearestNames } from '../src/domain/nearest-names.ts';
import { APPLICATION_ID, applicationId, schemaVersion } from './schema.ts';
import { seqAtTime, type SeqAtTime } from './seq-at-time.ts';
import { guardStorage, sqliteCode, storageError } from './storage-error.ts';
import {
  ACTORS_SQL,
  LAST_ROW_SQL,
  LAST_STATE_ROW_SQL,
  alertsQuery,
  causesQuery,
  checkFilter,
  checkTime,
  displayedActor,
  readsBackwards,
  statesQuery,
  timelineQuery,
  type Query,
  type SeqRange,
} from './timeline-queries.ts';
import type { Row, TimelineFilter, TimelineReader } from './timeline-reader.ts';

/** @throws HeadgateError HG_STORAGE_NOT_FOUND, _NOT_A_DATABASE, _VERSION, _READONLY, _BUSY or _FAILED. The
 *  methods throw HG_OPTION_INVALID and HG_OPTION_UNKNOWN for a bad filter, `explain` HG_SOURCE_UNKNOWN. */
export function openTimelineReader(path: string): TimelineReader {
  const file = existingFile(path);
  const db = openReadOnly(file);
  const times = seqAtTime(db);
  const inOneState = <Result>(read: () => Result): Result =>
    guardStorage(file, () => db.transaction(read).deferred());
  return {
    timeline: (filter = {}) => {
      checkFilter(filter);
      return inOneState(() => readPage(db, times, filter, timelineQuery));
    },
    alerts: (filter = {}) => {
      checkFilter(filter);
      return inOneState(() => readPage(db, times, filter, alertsQuery));
    },
    sources: () => inOneState(() => rowsOf(db, SOURCES_QUERY)),
    explain: (actor, atMs) => {
      checkTime('atMs', atMs);
      return inOneState(() => explain(db, times, displayedActor(actor), atMs));
    },
    stateAt: (atMs) => {
      checkTime('atMs', atMs);
      return inOneState(() => rowsOf(db, statesQuery(times.lastSeqAt(atMs))));
    },
    close: () => void db.close(),
  };
}

const SOURCES_QUERY: Query = { sql: 'SELECT * FROM sources ORDER BY tenant, source_id', parameters: [] };

/** @throws HeadgateError HG_STORAGE_NOT_FOUND, _NOT_A_DATABASE */
export function existingFile(path: string): string {
  const file = resolve(path.trim());
  const stat = isInMemory(path) ? undefined : statSync(file, { throwIfNoEntry: false });
  if (stat === undefined) {
    const shown = isInMemory(path) ? path : file;
    const message = `${shown}: there is no such file; name the database file of an engine`;
    throw new HeadgateError('HG_STORAGE_NOT_FOUND', message, { details: { file: shown } });
  }
  // A pipe would block the process, and SQLite's word for a folder is that it cannot open it.
  if (!stat.isFile()) throw notADatabase(file, 'unreadable');
  return file;
}

/** @throws HeadgateError HG_STORAGE_NOT_A_DATABASE, _VERSION, _READONLY, _BUSY, _FAILED */
export function openReadOnly(file: string): Database.Database {
  let db: Database.Database | undefined;
  try {
    db = new Database(file, { readonly: true, fileMustExist: true, timeout: BUSY_TIMEOUT_MS });
    db.pragma('trusted_schema = OFF');
    if (applicationId(db) !== APPLICATION_ID) throw notADatabase(file, 'foreign');
    refuseNewer(file, schemaVersion(db));
    return db;
  } catch (error) {
    db?.close();
    throw sqliteCode(error) === 'SQLITE_NOTADB'
      ? notADatabase(file, 'unreadable')
      : storageError(error, file);
  }
}

function readPage(
  db: Database.Database,
  times: SeqAtTime,
  filter: TimelineFilter,
  query: (filter: TimelineFilter, range: SeqRange | null) => Query,
): Row[] {
  const { sinceMs, untilMs } = filter;
  let range: SeqRange | null = null;
  if (sinceMs !== undefined || untilMs !== undefined) {
    range = times.seqRange(sinceMs ?? Number.NEGATIVE_INFINITY, untilMs ?? Number.POSITIVE_INFINITY);
    if (range === null) return [];
  }
  const rows = rowsOf(db, query(filter, range));
  return readsBackwards(filter) ? rows.reverse() : rows;
}

function explain(db: Database.Database, times: SeqAtTime, actor: string, atMs: number | undefined): Row[] {
  const find = (sql: string, seqMax: number) =>
    db.prepare(sql).pluck().get(actor, seqMax) as number | undefined;
  if (find(LAST_ROW_SQL, Number.MAX_SAFE_INTEGER) === undefined) throw unknownActor(db, actor);
  const seqMax = atMs === undefined ? Number.MAX_SAFE_INTEGER : times.lastSeqAt(atMs);
  const seq = find(LAST_STATE_ROW_SQL, seqMax) ?? find(LAST_ROW_SQL, seqMax);
  return seq === undefined ? [] : rowsOf(db, causesQuery(seq));
}

function unknownActor(db: Database.Database, actor: string): HeadgateError {
  const known = db.prepare(ACTORS_SQL).pluck().all() as string[];
  const nearest = nearestNames(actor, known);
  const hint =
    nearest.length > 0
      ? `did you mean ${nearest.map((name) => `"${name}"`).join(' or ')}?`
      : 'no name is near';
  return new HeadgateError('HG_SOURCE_UNKNOWN', `actor "${actor}": has no row in this timeline; ${hint}`, {
    details: { actor, nearest },
  });
}

function rowsOf(db: Database.Database, query: Query): Row[] {
  const rows = db.prepare(query.sql).all(...query.parameters) as Row[];
  for (const row of rows) {
    if (typeof row['data'] === 'string') row['data'] = parsedJson(row['data']);
  }
  return rows;
}

/** What is no JSON, since somebody edited the file, stays text. */
function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
