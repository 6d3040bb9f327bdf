/** The SQL behind the reader. Every query that names an actor or a kind seeks in an index and never walks
 *  the table: at ten million rows that is milliseconds instead of seconds. */

import { formatAddress, parseAddress } from '../../src/domain/address.ts';
import { HeadgateError, type ErrorCode } from '../../src/domain/errors.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import { TIMELINE_KINDS } from '../../src/domain/timeline.ts';
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

/** The indexes over the timeline, by the column they seek. */
const INDEX_OF = { actor: 'timeline_actor', event: 'timeline_event', kind: 'timeline_kind' } as const;

export type Sought = keyof typeof INDEX_OF;

/** Rows of a page, in the order they are read: see {@link readsBackwards}. `sought`: the column whose index
 *  is used, one of {@link candidates}; null: none, rows are read in order. */
export function timelineQuery(filter: TimelineFilter, range: SeqRange | null, sought: Sought | null): Query {
  return pageQuery(`SELECT ${TIMELINE_COLUMNS} FROM timeline`, filter, range, sought);
}

export function alertsQuery(
  filter: Omit<TimelineFilter, 'kind'>,
  range: SeqRange | null,
  sought: Sought | null,
): Query {
  return pageQuery(`SELECT ${ALERT_COLUMNS} FROM timeline`, { ...filter, kind: 'alert' }, range, sought);
}

/** The columns by which the rows of a page can be sought, the likeliest to have the fewest rows first. An
 *  event says its kind, so that the kind has never fewer. */
export function candidates(filter: TimelineFilter, { hasEventIndex }: { hasEventIndex: boolean }): Sought[] {
  const byEvent = filter.event !== undefined && hasEventIndex;
  return [
    ...(filter.actor === undefined ? [] : ['actor' as const]),
    ...(byEvent ? ['event' as const] : []),
    ...(filter.kind === undefined || byEvent ? [] : ['kind' as const]),
  ];
}

/** How many rows an index has for a filter, up to a number: told from the index alone. */
export function countQuery(
  filter: TimelineFilter,
  range: SeqRange | null,
  sought: Sought,
  rowsMax: number,
): Query {
  const { conditions, parameters } = seqConditions(filter, range);
  const where = [`${sought} = ?`, ...conditions].join(' AND ');
  const from = `timeline INDEXED BY ${INDEX_OF[sought]}`;
  return {
    sql: `SELECT count(*) AS n FROM (SELECT 1 FROM ${from} WHERE ${where} LIMIT ?)`,
    parameters: [valueOf(filter, sought), ...parameters, rowsMax],
  };
}

/** Whether a page holds the last rows that fit, which are read from the end. */
export function readsBackwards(filter: TimelineFilter): boolean {
  return filter.limit !== undefined && filter.afterSeq === undefined;
}

function pageQuery(
  select: string,
  filter: TimelineFilter,
  range: SeqRange | null,
  sought: Sought | null,
): Query {
  const { conditions, parameters } = seqConditions(filter, range);
  const demand = (condition: string, value: string | number | undefined) => {
    if (value === undefined) return;
    conditions.push(condition);
    parameters.push(value);
  };
  for (const column of ['actor', 'event', 'kind'] as const) {
    if (filter[column] !== undefined) demand(`${column} = ?`, valueOf(filter, column));
  }
  demand('at_ms >= ?', filter.sinceMs);
  demand('at_ms <= ?', filter.untilMs);
  const index = sought === null ? ' NOT INDEXED' : ` INDEXED BY ${INDEX_OF[sought]}`;
  const where = conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`;
  const order = readsBackwards(filter) ? ' ORDER BY seq DESC' : ' ORDER BY seq';
  const limit = filter.limit === undefined ? '' : ' LIMIT ?';
  if (filter.limit !== undefined) parameters.push(filter.limit);
  return { sql: select + index + where + order + limit, parameters };
}

function valueOf(filter: TimelineFilter, column: Sought): string {
  return column === 'actor' ? displayedActor(filter.actor as string) : (filter[column] as string);
}

/** One bound on each side: SQLite seeks by one only, and would walk to the others. */
function seqConditions(
  { afterSeq, beforeSeq }: TimelineFilter,
  range: SeqRange | null,
): { conditions: string[]; parameters: (string | number)[] } {
  const first = Math.max((afterSeq ?? -1) + 1, range?.first ?? 0);
  const last = Math.min(
    beforeSeq === undefined ? Number.MAX_SAFE_INTEGER : beforeSeq - 1,
    range?.last ?? Number.MAX_SAFE_INTEGER,
  );
  return {
    conditions: [...(first > 0 ? ['seq >= ?'] : []), ...(last < Number.MAX_SAFE_INTEGER ? ['seq <= ?'] : [])],
    parameters: [...(first > 0 ? [first] : []), ...(last < Number.MAX_SAFE_INTEGER ? [last] : [])],
  };
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
  for (const name of ['afterSeq', 'beforeSeq', 'limit'] as const) {
    const value = filter[name];
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= 0)) {
      throw fieldError('HG_OPTION_INVALID', name, `is ${value}; use a whole number from 0`);
    }
  }
  for (const name of ['actor', 'event'] as const) {
    const value: unknown = filter[name];
    if (value !== undefined && typeof value !== 'string') {
      throw fieldError('HG_OPTION_INVALID', name, 'must be a text');
    }
  }
  for (const name of ['sinceMs', 'untilMs'] as const) checkTime(name, filter[name]);
}

const FILTER_NAMES: readonly string[] = [
  ...['actor', 'kind', 'event', 'sinceMs', 'untilMs'],
  ...['afterSeq', 'beforeSeq', 'limit'],
];

/** @throws HeadgateError HG_OPTION_INVALID for anything but a finite number. */
export function checkTime(name: string, value: number | undefined): void {
  if (value === undefined || Number.isFinite(value)) return;
  throw fieldError('HG_OPTION_INVALID', name, `is ${value}; use epoch milliseconds`);
}

function fieldError(code: ErrorCode, field: string, problem: string): HeadgateError {
  return new HeadgateError(code, `${field}: ${problem}`, { details: { field } });
}
