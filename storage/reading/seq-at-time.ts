/** Finding rows by wall time without an index over it.
 *
 *  Rows are in order of `seq`; within a stretch in which the wall clock never went back, so are their
 *  times, and a binary search finds any time with some twenty seeks. A stretch ends where the clock may
 *  have gone back: at a row of kind `clock`, and at a run that began earlier than the one before it ended
 *  (a gateway without a battery starts in 1970).
 *
 *  A time that occurs in several stretches is looked for in the latest of them; a time that occurs in none
 *  (the engine was down) means the end of the stretch that ended last before it. Where the clock went back
 *  within a stretch and no row says so, the answer is one of the rows between which the time was crossed. */

import type Database from 'better-sqlite3';

/** Small steps back that are no row of kind `clock`: how far a range of rows reaches beyond its times, to
 *  be cut exactly by comparing each row's own time. */
const UNTOLD_STEP_MS = 60_000;

interface Point {
  readonly seq: number;
  readonly at_ms: number;
}

interface Stretch {
  readonly first: Point;
  readonly last: Point;
}

export interface SeqAtTime {
  /** The last row at or before `atMs`; 0 if there is none. */
  lastSeqAt(atMs: number): number;
  /** Bounds that enclose every row with a time in [sinceMs, untilMs], and some more; null if there are
   *  none. */
  seqRange(sinceMs: number, untilMs: number): { first: number; last: number } | null;
}

export function seqAtTime(db: Database.Database): SeqAtTime {
  const atOrAfter = db.prepare<[number], Point>(
    'SELECT seq, at_ms FROM timeline WHERE seq >= ? ORDER BY seq LIMIT 1',
  );
  const before = db.prepare<[number], Point>(
    'SELECT seq, at_ms FROM timeline WHERE seq < ? ORDER BY seq DESC LIMIT 1',
  );

  /** The last row of the stretch at or before a time; the stretch must begin at or before it. */
  const lastIn = (stretch: Stretch, atMs: number): number => {
    let low = stretch.first.seq;
    let high = stretch.last.seq;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      const row = atOrAfter.get(middle);
      if (row !== undefined && row.at_ms <= atMs) low = row.seq;
      else high = middle - 1;
    }
    return low;
  };
  const readStretches = (): Stretch[] => {
    const stretches: Stretch[] = [];
    let first = atOrAfter.get(0);
    for (const start of [...stretchStarts(db), Number.MAX_SAFE_INTEGER]) {
      const last = before.get(start);
      if (first === undefined || last === undefined || last.seq < first.seq) continue;
      stretches.push({ first, last });
      first = atOrAfter.get(start);
    }
    return stretches;
  };

  return {
    lastSeqAt(atMs) {
      let nearest: Point | undefined;
      for (const stretch of readStretches().reverse()) {
        if (stretch.first.at_ms > atMs) continue;
        if (stretch.last.at_ms >= atMs) return lastIn(stretch, atMs);
        if (nearest === undefined || stretch.last.at_ms > nearest.at_ms) nearest = stretch.last;
      }
      return nearest?.seq ?? 0;
    },
    seqRange(sinceMs, untilMs) {
      const ranges = readStretches()
        .filter(
          ({ first, last }) =>
            last.at_ms >= sinceMs - UNTOLD_STEP_MS && first.at_ms <= untilMs + UNTOLD_STEP_MS,
        )
        .map((stretch) => {
          const from = sinceMs - UNTOLD_STEP_MS;
          const startsWithin = stretch.first.at_ms >= from;
          return {
            first: startsWithin ? stretch.first.seq : lastIn(stretch, from),
            last: lastIn(stretch, untilMs + UNTOLD_STEP_MS),
          };
        });
      if (ranges.length === 0) return null;
      return { first: Math.min(...ranges.map((r) => r.first)), last: Math.max(...ranges.map((r) => r.last)) };
    },
  };
}

/** Where new stretches begin, in order: rows of kind `clock`, and the first rows of runs that began in the
 *  past. */
function stretchStarts(db: Database.Database): number[] {
  const starts = db
    .prepare("SELECT seq FROM timeline WHERE kind = 'clock' ORDER BY seq")
    .pluck()
    .all() as number[];
  const runs = db.prepare('SELECT run, started_at_ms, ended_at_ms FROM runs ORDER BY run').all() as {
    run: number;
    started_at_ms: number;
    ended_at_ms: number | null;
  }[];
  let previousEndMs = Number.NEGATIVE_INFINITY;
  for (const { run, started_at_ms, ended_at_ms } of runs) {
    if (started_at_ms < previousEndMs) starts.push(firstSeqOfRun(db, run));
    previousEndMs = ended_at_ms ?? started_at_ms;
  }
  return starts.sort((a, b) => a - b);
}

/** Binary search over `seq`: the number of the run rises with it. One past the end if the run left no row. */
function firstSeqOfRun(db: Database.Database, run: number): number {
  const at = db.prepare<[number], { seq: number; run: number }>(
    'SELECT seq, run FROM timeline WHERE seq >= ? ORDER BY seq LIMIT 1',
  );
  let low = 0;
  let high = (db.prepare('SELECT coalesce(max(seq), 0) FROM timeline').pluck().get() as number) + 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const row = at.get(middle);
    if (row === undefined || row.run >= run) high = middle;
    else low = row.seq + 1;
  }
  return low;
}
