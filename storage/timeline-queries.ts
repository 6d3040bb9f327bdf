/** The SQL behind the reader. Every query that names an actor or a kind seeks in an index and never walks
 *  the table: at ten million rows that is milliseconds instead of seconds. */

import { formatAddress, parseAddress } from '../src/domain/address.ts';
import { HeadgateError, type ErrorCode } from '../src/domain/errors.ts';
import { LIMITS } from '../src/domain/limits.ts';
import { TIMELINE_KINDS } from '../src/domain/timeline.ts';
import type { TimelineFilter } from './timeline-reader.ts';

export interface Query {
  readonly sql: string;
  readonly parameters: readonly (string | number)[];
}

/** Bounds of `seq` that enclose the times a filter asks for. */
export interface SeqRange {
  readonly first: number;
  readonly last: number;
}

const TIMELINE_COLUMNS =
  'seq, run, at_ms, mono_ms, tenant, actor, incarnation, kind, event, from_state, to_state, cause, data';
/** The columns of the view `alerts`, read from its table: through the view, the alerts of one actor could
 *  not be sought by the actor. */
const ALERT_COLUMNS = "seq, at_ms, tenant, actor, event, data ->> '$.severity' AS severity, data";

/** Rows of a page, in the order they are read: see {@link readsBackwards}. */
export function timelineQuery(filter: TimelineFilter, range: SeqRange | null): Query {
  return pageQuery(`SELECT ${TIMELINE_COLUMNS} FROM timeline`, filter, range);
}

export function alertsQuery(filter: Omit<TimelineFilter, 'kind'>, range: SeqRange | null): Query {
  return pageQuery(`SELECT ${ALERT_COLUMNS} FROM timeline`, { ...filter, kind: 'alert' }, range);
}

/** Whether a page holds the last rows that fit, which are read from the end. */
export function readsBackwards(filter: TimelineFilter): boolean {
  return filter.limit !== undefined && filter.afterSeq === undefined;
}

function pageQuery(select: string, filter: TimelineFilter, range: SeqRange | null): Query {
  const conditions: string[] = [];
  const parameters: (string | number)[] = [];
  const demand = (condition: string, value: string | number | undefined) => {
    if (value === undefined) return;
    conditions.push(condition);
    parameters.push(value);
  };
  demand('actor = ?', filter.actor === undefined ? undefined : displayedActor(filter.actor));
  // The plus keeps the kind from choosing the index: one actor has fewer rows than one kind.
  demand(filter.actor === undefined ? 'kind = ?' : '+kind = ?', filter.kind);
  demand('seq > ?', filter.afterSeq);
  demand('seq >= ?', range?.first);
  demand('seq <= ?', range?.last);
  demand('at_ms >= ?', filter.sinceMs);
  demand('at_ms <= ?', filter.untilMs);
  const where = conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`;
  const order = readsBackwards(filter) ? ' ORDER BY seq DESC' : ' ORDER BY seq';
  const limit = filter.limit === undefined ? '' : ' LIMIT ?';
  if (filter.limit !== undefined) parameters.push(filter.limit);
  return { sql: select + where + order + limit, parameters };
}

/** Kinds of rows that say which state an actor is in. */
const IS_STATE_ROW = "kind IN ('born', 'transition', 'ended')";

/** The row that says which state an actor was in at a row: found in the index alone. */
export const LAST_STATE_ROW_SQL = `
  SELECT seq FROM timeline INDEXED BY timeline_actor
  WHERE actor = ? AND seq <= ? AND ${IS_STATE_ROW} ORDER BY seq DESC LIMIT 1`;

/** The last row of any kind, for actors that have no states. */
export const LAST_ROW_SQL = `
  SELECT seq FROM timeline INDEXED BY timeline_actor
  WHERE actor = ? AND seq <= ? ORDER BY seq DESC LIMIT 1`;

/** A row and its causes, the first cause first. That a cause comes before its effect is asked again: a file
 *  edited by hand must not lead in a circle. */
export function causesQuery(seq: number, depthMax: number = LIMITS.explainDepthMax): Query {
  const columns = TIMELINE_COLUMNS.split(', ').map((column) => `t.${column}`);
  const sql = `
    WITH RECURSIVE chain (seq, cause, depth) AS (
      SELECT seq, cause, 1 FROM timeline WHERE seq = ?
      UNION ALL
      SELECT t.seq, t.cause, chain.depth + 1 FROM chain JOIN timeline t ON t.seq = chain.cause
      WHERE t.seq < chain.seq AND chain.depth < ?
    )
    SELECT ${columns.join(', ')} FROM chain JOIN timeline t ON t.seq = chain.seq ORDER BY chain.depth DESC`;
  return { sql, parameters: [seq, depthMax] };
}

/** The names of all actors, found by hopping through the index from each to the next: one seek per actor,
 *  however many rows there are. */
const NAMES_SQL = `
  WITH RECURSIVE names (actor) AS (
    SELECT min(actor) FROM timeline
    UNION ALL
    SELECT (SELECT min(actor) FROM timeline WHERE actor > names.actor)
    FROM names WHERE names.actor IS NOT NULL
  )`;

/** Actors whose last state row is not their end. */
export const UNFINISHED_SQL = `${NAMES_SQL}
  SELECT t.tenant, t.actor, t.incarnation, t.to_state AS state
  FROM names CROSS JOIN timeline t ON t.seq = (
    SELECT s.seq FROM timeline s INDEXED BY timeline_actor
    WHERE s.actor = names.actor AND s.${IS_STATE_ROW} ORDER BY s.seq DESC LIMIT 1
  )
  WHERE t.kind <> 'ended' ORDER BY t.seq`;

export const ACTORS_SQL = `${NAMES_SQL} SELECT actor FROM names WHERE actor IS NOT NULL`;

/** The last state row of every actor up to a row. */
export function statesQuery(seqMax: number): Query {
  const sql = `${NAMES_SQL}
    SELECT t.actor, t.tenant, t.to_state AS state, t.at_ms AS since_ms, t.seq, t.incarnation
    FROM names CROSS JOIN timeline t ON t.seq = (
      SELECT s.seq FROM timeline s INDEXED BY timeline_actor
      WHERE s.actor = names.actor AND s.seq <= ? AND s.${IS_STATE_ROW} ORDER BY s.seq DESC LIMIT 1
    )
    ORDER BY t.actor`;
  return { sql, parameters: [seqMax] };
}

/** The name by which rows know an actor: the default tenant is left out. */
export function displayedActor(text: string): string {
  return formatAddress(parseAddress(text));
}

/** @throws HeadgateError HG_OPTION_INVALID or HG_OPTION_UNKNOWN, naming the field. */
export function checkFilter(filter: TimelineFilter): void {
  for (const name of Object.keys(filter)) {
    if (!FILTER_NAMES.includes(name)) {
      throw fieldError('HG_OPTION_UNKNOWN', name, `does not exist; there are ${FILTER_NAMES.join(', ')}`);
    }
  }
  if (filter.kind !== undefined && !TIMELINE_KINDS.includes(filter.kind)) {
    throw fieldError(
      'HG_OPTION_INVALID',
      'kind',
      `is "${filter.kind}"; use one of ${TIMELINE_KINDS.join(', ')}`,
    );
  }
  for (const name of ['afterSeq', 'limit'] as const) {
    const value = filter[name];
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= 0)) {
      throw fieldError('HG_OPTION_INVALID', name, `is ${value}; use a whole number from 0`);
    }
  }
  for (const name of ['sinceMs', 'untilMs'] as const) checkTime(name, filter[name]);
}

const FILTER_NAMES: readonly string[] = ['actor', 'kind', 'sinceMs', 'untilMs', 'afterSeq', 'limit'];

/** @throws HeadgateError HG_OPTION_INVALID for anything but a finite number. */
export function checkTime(name: string, value: number | undefined): void {
  if (value === undefined || Number.isFinite(value)) return;
  throw fieldError('HG_OPTION_INVALID', name, `is ${value}; use epoch milliseconds`);
}

function fieldError(code: ErrorCode, field: string, problem: string): HeadgateError {
  return new HeadgateError(code, `${field}: ${problem}`, { details: { field } });
}
