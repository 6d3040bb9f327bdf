import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import type { TimelineFilter } from '../../storage/reading/timeline-reader.ts';
import {
  ACTORS_SQL,
  LAST_ROW_SQL,
  LAST_STATE_ROW_SQL,
  alertsQuery,
  candidates,
  causesQuery,
  countQuery,
  statesQuery,
  timelineQuery,
  type Query,
} from '../../storage/reading/timeline-queries.ts';
import { migrate } from '../../storage/file/schema.ts';

/** What SQLite would do, a line a step. Steps over what was found so far do not count. */
function planOf(query: Query): string[] {
  const db = new Database(':memory:');
  migrate(db);
  const steps = db.prepare(`EXPLAIN QUERY PLAN ${query.sql}`).all(...query.parameters) as {
    detail: string;
  }[];
  db.close();
  return steps
    .map((step) => step.detail)
    .filter((detail) => !/^(SCAN (names|chain|\(subquery-\d+\))|CO-ROUTINE.*)$/.test(detail));
}

const scans = (plan: string[]) => plan.filter((step) => step.startsWith('SCAN'));
const sorts = (plan: string[]) => plan.filter((step) => step.includes('TEMP B-TREE'));
const RANGE = { first: 10, last: 20 };

/** Everything the pages of the API can be asked for, each part with and without every other. */
const PARTS: readonly Partial<TimelineFilter>[] = [
  { actor: 'plc-7' },
  { kind: 'alert' },
  { event: 'BURST' },
  { sinceMs: 5 },
  { untilMs: 9 },
];
const PAGES: readonly Partial<TimelineFilter>[] = [
  {},
  { limit: 10 },
  { afterSeq: 12, limit: 10 },
  { beforeSeq: 15, limit: 10 },
  { afterSeq: 12, beforeSeq: 15, limit: 10 },
];
const FILTERS = PARTS.reduce<TimelineFilter[]>(
  (filters, part) => filters.flatMap((filter) => [filter, { ...filter, ...part }]),
  [{}],
).flatMap((filter) => PAGES.map((page) => ({ ...filter, ...page })));

/** The plans of a page, one for each index that may be chosen for it. */
function plansOf(filter: TimelineFilter): { pages: string[][]; counts: string[][] } {
  const isTimed = filter.sinceMs !== undefined || filter.untilMs !== undefined;
  const range = isTimed ? RANGE : null;
  const soughts = candidates(filter, { hasEventIndex: true });
  return {
    pages: (soughts.length === 0 ? [null] : soughts).map((sought) =>
      planOf(timelineQuery(filter, range, sought)),
    ),
    counts: soughts.map((sought) => planOf(countQuery(filter, range, sought, 10))),
  };
}

describe('no walk over the table, and no sorting, is in the plan', () => {
  test('of a page, whatever it is asked for', () => {
    expect(FILTERS).toHaveLength(160);
    // All rows there are, in their order: that is a walk, and is asked for.
    const walks = (filter: TimelineFilter) => Object.keys(filter).every((name) => name === 'limit');
    for (const filter of FILTERS) {
      const { pages, counts } = plansOf(filter);
      expect({ filter, sorts: pages.flatMap(sorts) }).toEqual({ filter, sorts: [] });
      if (walks(filter)) continue;
      expect({ filter, scans: [...pages, ...counts].flatMap(scans) }).toEqual({ filter, scans: [] });
      expect(counts.flat().filter((step) => !step.includes('COVERING INDEX'))).toEqual([]);
    }
  });

  test('of a page of alerts', () => {
    for (const { kind: _, ...filter } of FILTERS) {
      const soughts = candidates({ ...filter, kind: 'alert' }, { hasEventIndex: true });
      for (const sought of soughts) {
        const plan = planOf(alertsQuery(filter, RANGE, sought));
        expect({ filter, plan: [...scans(plan), ...sorts(plan)] }).toEqual({ filter, plan: [] });
      }
    }
  });

  const questions: [string, Query][] = [
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
  expect(scans(planOf({ sql: 'SELECT * FROM timeline WHERE run = 1', parameters: [] }))).toHaveLength(1);
});

test('a plan with another order shows the sorting these tests look for', () => {
  const sql = "SELECT * FROM timeline WHERE kind = 'born' ORDER BY at_ms";
  expect(sorts(planOf({ sql, parameters: [] }))).toHaveLength(1);
});

test('both bounds of a page are bounds of the seek', () => {
  const filter = { kind: 'alert', afterSeq: 12, beforeSeq: 15 } as const;
  expect(planOf(timelineQuery(filter, RANGE, 'kind'))).toEqual([
    'SEARCH timeline USING INDEX timeline_kind (kind=? AND seq>? AND seq<?)',
  ]);
});

test('the last state of an actor is found without reading its rows', () => {
  expect(planOf({ sql: LAST_STATE_ROW_SQL, parameters: ['plc-7', 5] }).join()).toContain('COVERING INDEX');
});
