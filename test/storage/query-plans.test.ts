import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import type { TimelineFilter } from '../../storage/timeline-reader.ts';
import {
  ACTORS_SQL,
  LAST_ROW_SQL,
  LAST_STATE_ROW_SQL,
  alertsQuery,
  causesQuery,
  statesQuery,
  timelineQuery,
  type Query,
} from '../../storage/timeline-queries.ts';
import { migrate } from '../../storage/schema.ts';

/** What SQLite would do, a line a step. Steps over the names and causes found so far do not count. */
function planOf(query: Query): string[] {
  const db = new Database(':memory:');
  migrate(db);
  const steps = db.prepare(`EXPLAIN QUERY PLAN ${query.sql}`).all(...query.parameters) as {
    detail: string;
  }[];
  db.close();
  return steps.map((step) => step.detail).filter((detail) => !/^SCAN (names|chain)$/.test(detail));
}

const scans = (plan: string[]) => plan.filter((step) => step.startsWith('SCAN'));
const RANGE = { first: 10, last: 20 };

describe('no walk over the table is in the plan', () => {
  const filters: TimelineFilter[] = [
    { actor: 'plc-7' },
    { actor: 'plc-7', limit: 10 },
    { actor: 'plc-7', afterSeq: 5, limit: 10 },
    { kind: 'alert' },
    { kind: 'alert', limit: 10 },
    { kind: 'alert', afterSeq: 5 },
    { actor: 'plc-7', kind: 'transition', limit: 10 },
    { afterSeq: 5 },
  ];
  test.each(filters)('of a page for %o', (filter) => {
    expect(scans(planOf(timelineQuery(filter, null)))).toEqual([]);
    expect(scans(planOf(timelineQuery(filter, RANGE)))).toEqual([]);
    const { kind: _, ...rest } = filter;
    expect(scans(planOf(alertsQuery(rest, null)))).toEqual([]);
  });

  const questions: [string, Query][] = [
    ['a page between two times', timelineQuery({ sinceMs: 1, untilMs: 2 }, RANGE)],
    ['all alerts', alertsQuery({}, null)],
    ['causes', causesQuery(5)],
    ['states', statesQuery(5)],
    ['names of actors', { sql: ACTORS_SQL, parameters: [] }],
    ['the last state of an actor', { sql: LAST_STATE_ROW_SQL, parameters: ['plc-7', 5] }],
    ['the last row of an actor', { sql: LAST_ROW_SQL, parameters: ['plc-7', 5] }],
  ];
  test.each(questions)('of %s', (_, query) => {
    expect(planOf(query)).toContainEqual(expect.stringMatching(/^SEARCH/));
    expect(scans(planOf(query))).toEqual([]);
  });
});

test('a plan without an index shows the walk these tests look for', () => {
  expect(scans(planOf({ sql: "SELECT * FROM timeline WHERE event = 'x'", parameters: [] }))).toHaveLength(1);
});

test('one actor is sought by its name, not among all rows of a kind', () => {
  expect(planOf(alertsQuery({ actor: 'plc-7' }, null)).join()).toContain('timeline_actor');
  expect(planOf(timelineQuery({ actor: 'plc-7', kind: 'alert' }, null)).join()).toContain('timeline_actor');
});

test('the last state of an actor is found without reading its rows', () => {
  expect(planOf({ sql: LAST_STATE_ROW_SQL, parameters: ['plc-7', 5] }).join()).toContain('COVERING INDEX');
});
