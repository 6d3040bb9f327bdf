/** Segments of the timeline in which the wall clock never went back, found without a look at every row.
 *
 *  A segment begins at a row of kind `clock`, and at a run that began earlier than the one before it
 *  ended (a gateway without a battery starts in 1970). An older version wrote the row about a jump some
 *  seconds late: the rows between the jump and that row are known by the distance of their wall time from
 *  their monotonic time, and belong to the segment that begins there. */

import type Database from 'better-sqlite3';
import { LIMITS } from '../../src/domain/limits.ts';

export interface Point {
  readonly seq: number;
  readonly run: number;
  readonly at_ms: number;
  readonly mono_ms: number;
}

export interface Segment {
  readonly first: Point;
  readonly last: Point;
  /** Wall time up to which the clock is known to have run on, at least that of the last row. */
  readonly endMs: number;
}

interface Known {
  readonly key: string;
  /** All but the last one. */
  readonly closed: readonly Segment[];
  /** The first row of the last one; undefined in an empty timeline. */
  readonly openFirst: Point | undefined;
}

interface Run {
  readonly run: number;
  readonly started_at_ms: number;
  readonly ended_at_ms: number | null;
}

const COLUMNS = 'seq, run, at_ms, mono_ms';

export class ClockSegments {
  readonly #db: Database.Database;
  readonly #atOrAfter: Database.Statement<[number], Point>;
  readonly #before: Database.Statement<[number], Point>;
  readonly #runEnd: Database.Statement<[number], Run>;
  readonly #sample: Database.Statement<[], { run: number; at_ms: number }>;
  /** Rows never change: what was found holds until another segment begins, or the oldest rows go. */
  #known: Known | null = null;

  constructor(db: Database.Database) {
    this.#db = db;
    this.#atOrAfter = db.prepare(`SELECT ${COLUMNS} FROM timeline WHERE seq >= ? ORDER BY seq LIMIT 1`);
    this.#before = db.prepare(`SELECT ${COLUMNS} FROM timeline WHERE seq < ? ORDER BY seq DESC LIMIT 1`);
    this.#runEnd = db.prepare('SELECT run, started_at_ms, ended_at_ms FROM runs WHERE run = ?');
    this.#sample = db.prepare('SELECT run, at_ms FROM health ORDER BY rowid DESC LIMIT 1');
  }

  /** In order of `seq`. Each row of the timeline is in one of them. */
  all(): readonly Segment[] {
    const { closed, openFirst } = this.#find();
    const last = this.#before.get(Number.MAX_SAFE_INTEGER);
    if (openFirst === undefined || last === undefined) return [];
    return [...closed, { first: openFirst, last, endMs: this.#endOf(last, undefined) }];
  }

  /** The last row of a segment at or before a time; the segment must begin at or before it. */
  lastSeqIn({ first, last }: Segment, atMs: number): number {
    return this.#lastThat(first.seq, last.seq, ({ at_ms }) => at_ms <= atMs);
  }

  #find(): Known {
    const key = this.#key();
    if (this.#known?.key === key) return this.#known;
    const closed: Segment[] = [];
    let first = this.#atOrAfter.get(0);
    for (const told of this.#toldStarts()) {
      const start = this.#startOf(told, first);
      const last = start === undefined ? undefined : this.#before.get(start.seq);
      if (first === undefined || start === undefined || last === undefined || last.seq < first.seq) continue;
      closed.push({ first, last, endMs: this.#endOf(last, start) });
      first = start;
    }
    this.#known = { key, closed, openFirst: first };
    return this.#known;
  }

  #key(): string {
    const newest = `SELECT (SELECT max(seq) FROM timeline WHERE kind = 'clock'), (SELECT max(run) FROM runs),
      (SELECT min(seq) FROM timeline), (SELECT run FROM timeline ORDER BY seq DESC LIMIT 1)`;
    return (this.#db.prepare(newest).raw().get() as unknown[]).join();
  }

  /** The row at which a segment begins that is told by the row `told`. */
  #startOf(told: number, first: Point | undefined): Point | undefined {
    const row = this.#atOrAfter.get(told);
    const before = this.#before.get(told);
    if (row === undefined || row.seq !== told || before === undefined || first === undefined) return row;
    const isAlike = (one: Point) =>
      one.run === row.run && Math.abs(offsetOf(one) - offsetOf(row)) <= LIMITS.clockJumpMs;
    if (!isAlike(before) || isAlike(first)) return row;
    const lastOfOld = this.#lastThat(first.seq, before.seq, (one) => !isAlike(one));
    return this.#atOrAfter.get(lastOfOld + 1);
  }

  /** Binary search: the last row from `low` to `high` for which this holds; it holds for the row at `low`. */
  #lastThat(low: number, high: number, holds: (row: Point) => boolean): number {
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      const row = this.#atOrAfter.get(middle);
      if (row !== undefined && row.seq <= high && holds(row)) low = row.seq;
      else high = middle - 1;
    }
    return low;
  }

  /** `next`: the row at which the next segment begins. */
  #endOf(last: Point, next: Point | undefined): number {
    if (next?.run === last.run) return last.at_ms + Math.max(0, next.mono_ms - last.mono_ms);
    const endedMs = this.#runEnd.get(last.run)?.ended_at_ms ?? null;
    if (endedMs !== null) return Math.max(last.at_ms, endedMs);
    const sample = this.#sample.get();
    return sample?.run === last.run ? Math.max(last.at_ms, sample.at_ms) : last.at_ms;
  }

  /** Rows that tell of a new segment, in order. */
  #toldStarts(): number[] {
    const starts = this.#db
      .prepare("SELECT seq FROM timeline WHERE kind = 'clock' ORDER BY seq")
      .pluck()
      .all() as number[];
    const runs = this.#db
      .prepare('SELECT run, started_at_ms, ended_at_ms FROM runs ORDER BY run')
      .all() as Run[];
    let previousEndMs = Number.NEGATIVE_INFINITY;
    for (const { run, started_at_ms, ended_at_ms } of runs) {
      if (started_at_ms < previousEndMs) starts.push(this.#firstSeqOfRun(run));
      previousEndMs = ended_at_ms ?? started_at_ms;
    }
    return starts.sort((a, b) => a - b);
  }

  /** Binary search over `seq`: the number of the run rises with it. One past the end if the run left no
   *  row. */
  #firstSeqOfRun(run: number): number {
    const newest = this.#before.get(Number.MAX_SAFE_INTEGER)?.seq ?? 0;
    let low = 0;
    let high = newest + 1;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const row = this.#atOrAfter.get(middle);
      if (row === undefined || row.run >= run) high = middle;
      else low = row.seq + 1;
    }
    return this.#atOrAfter.get(low)?.seq ?? newest + 1;
  }
}

function offsetOf({ at_ms, mono_ms }: Point): number {
  return at_ms - mono_ms;
}
