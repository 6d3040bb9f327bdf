/** The benchmarks of reading what happened, out of a timeline of ten million rows. */

import type { Bench } from './bench.ts';
import { skipped } from './bench.ts';
import { measureInChild } from './child.ts';
import { noRoomFor } from './measurements/history.ts';
import { againstBound } from './result.ts';

const SIZES = { rows: 10_000_000, actors: 1_000, causes: 50 } as const;

const MS_MAX = { 'explain-50-deep': 50, 'timeline-page-filtered': 20, 'state-at-1000-actors': 50 } as const;

type Row = keyof typeof MS_MAX;

/** The file is made once; every run asks about other actors and times. */
const history: Bench = {
  name: 'history',
  rows: Object.keys(MS_MAX),
  async measure(runs) {
    const row = (name: Row, values: number[]) => againstBound(name, 'ms', values, MS_MAX[name]);
    const noRoom = noRoomFor(SIZES.rows);
    if (noRoom !== null) {
      return (Object.keys(MS_MAX) as Row[]).map((name) => skipped(row(name, []), noRoom));
    }
    const { explainMs, pageMs, stateAtMs } = await measureInChild('history', { ...SIZES, runs });
    return [
      row('explain-50-deep', explainMs),
      row('timeline-page-filtered', pageMs),
      row('state-at-1000-actors', stateAtMs),
    ];
  },
};

export const HISTORY_BENCHES: readonly Bench[] = [history];
