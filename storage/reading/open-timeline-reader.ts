/** Opens a database for reading: one that an engine is writing, one that was closed, one that a crash left
 *  behind.
 *
 *  The connection cannot write. It still needs a folder that can be written, since SQLite keeps the shared
 *  memory of its log there. Each call reads one consistent state of the file and holds it no longer than
 *  the call. */

import type Database from 'better-sqlite3';
import { HeadgateError } from '../../src/domain/errors.ts';
import { nearestNames } from '../../src/domain/nearest-names.ts';
import { lagReader } from '../tables/log-reader.ts';
import { existingFile, openReadOnly } from '../file/readable-database.ts';
import { schemaVersion } from '../file/schema.ts';
import { seqAtTime, type SeqAtTime } from './seq-at-time.ts';
import { guardStorage } from '../file/storage-error.ts';
import {
  ACTORS_SQL,
  LAST_ROW_SQL,
  LAST_STATE_ROW_SQL,
  alertsQuery,
  candidates,
  causesQuery,
  checkFilter,
  checkTime,
  countQuery,
  displayedActor,
  readsBackwards,
  statesQuery,
  timelineQuery,
  type Query,
  type SeqRange,
  type Sought,
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
      return inOneState(() => readPage(db, times, filter, filter, timelineQuery));
    },
    alerts: (filter = {}) => {
      checkFilter(filter);
      return inOneState(() => readPage(db, times, filter, { ...filter, kind: 'alert' }, alertsQuery));
    },
    sources: () => inOneState(() => rowsOf(db, SOURCES_QUERY)),
    sinks: () => inOneState(() => readSinks(db)),
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

const SINKS_QUERY: Query = {
  sql: `SELECT sinks.*, reads, seq AS cursor FROM sinks LEFT JOIN sink_cursors USING (tenant, sink_id)
    ORDER BY tenant, sink_id`,
  parameters: [],
};

function readSinks(db: Database.Database): Row[] {
  // A file of the first version, which no engine has opened since, knows of no sinks.
  if (schemaVersion(db) < 2) return [];
  const lagOf = lagReader(db);
  return rowsOf(db, SINKS_QUERY).map((row) => {
    const { reads, cursor } = row as { reads: 'records' | 'alerts' | null; cursor: number };
    return { ...row, lag_records: reads === null ? null : lagOf(reads, cursor).rows };
  });
}

function readPage(
  db: Database.Database,
  times: SeqAtTime,
  filter: TimelineFilter,
  /** What it comes to: alerts are of one kind. */
  whole: TimelineFilter,
  query: (filter: TimelineFilter, range: SeqRange | null, sought: Sought | null) => Query,
): Row[] {
  const { sinceMs, untilMs } = filter;
  const backwards = readsBackwards(filter);
  const rows: Row[] = [];
  for (const range of rangesOf(times, sinceMs, untilMs, backwards)) {
    const limit = filter.limit === undefined ? {} : { limit: filter.limit - rows.length };
    if (limit.limit !== undefined && limit.limit <= 0) break;
    for (const row of rowsOf(db, query({ ...filter, ...limit }, range, fewestRows(db, whole, range)))) {
      rows.push(row);
    }
  }
  return backwards ? rows.reverse() : rows;
}

/** Where the rows are, in the order in which they are read; null: anywhere. */
function rangesOf(
  times: SeqAtTime,
  sinceMs: number | undefined,
  untilMs: number | undefined,
  backwards: boolean,
): readonly (SeqRange | null)[] {
  if (sinceMs === undefined && untilMs === undefined) return [null];
  const ranges = times.seqRanges(sinceMs ?? Number.NEGATIVE_INFINITY, untilMs ?? Number.POSITIVE_INFINITY);
  return backwards ? ranges.toReversed() : ranges;
}

/** Entries of an index that are counted: a walk of about a millisecond. An index with no more of them is
 *  worth taking, whatever the page wants of its rows. */
const COUNTED_ROWS_MAX = 10_000;

/** The index that leads to the fewest rows. A busy actor may have a million rows and three alerts among them,
 *  a kind millions of rows and three of one actor. */
function fewestRows(db: Database.Database, filter: TimelineFilter, range: SeqRange | null): Sought | null {
  const [likeliest = null, ...others] = candidates(filter, { hasEventIndex: schemaVersion(db) >= 3 });
  if (likeliest === null || others.length === 0) return likeliest;
  const count = (sought: Sought) =>
    rowsOf(db, countQuery(filter, range, sought, COUNTED_ROWS_MAX))[0]?.['n'] as number;
  let best = { sought: likeliest, rows: count(likeliest) };
  for (const sought of others) {
    const rows = count(sought);
    if (rows < best.rows) best = { sought, rows };
  }
  return best.sought;
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
