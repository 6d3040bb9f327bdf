/** How old rows are, by when they came: notes how far a table had grown at an age time (age-clock.ts), and
 *  finds the last row that is as old as that. The times that rows bear are no help: a source may say what it
 *  likes, import the history of a year, or have lived through a jump of the clock. A row counts from the
 *  first mark that covers it, so it may stay longer than its age by the distance between marks, never
 *  shorter. */

import type Database from 'better-sqlite3';

/** Marks per age: a row goes at most so much of its age too late. */
const MARKS_PER_AGE = 256;

export class RowAgeIndex {
  readonly #last: Database.Statement;
  readonly #aged: Database.Statement;
  readonly #add: Database.Statement;
  readonly #forget: Database.Statement;
  /** Classes that got their mark of this opening. */
  readonly #begun = new Set<string>();

  constructor(db: Database.Database) {
    const ofClass = 'FROM retention_marks WHERE class = ?';
    this.#last = db.prepare(`SELECT seq, at_ms ${ofClass} ORDER BY seq DESC LIMIT 1`).raw();
    this.#aged = db.prepare(`SELECT max(seq) ${ofClass} AND at_ms <= ?`).pluck();
    this.#add = db.prepare('INSERT OR IGNORE INTO retention_marks (class, seq, at_ms) VALUES (?, ?, ?)');
    this.#forget = db.prepare('DELETE FROM retention_marks WHERE class = ? AND seq < ?');
  }

  /** Notes that the table has grown to `seq`, if it is time for a mark. `ageTimeMs` never goes back. */
  note(name: string, seq: number, ageTimeMs: number, ageMsMax: number): void {
    const [lastSeq, lastAtMs] = (this.#last.get(name) as [number, number] | undefined) ?? [0, -Infinity];
    if (seq <= lastSeq) return;
    const isDue = ageTimeMs - lastAtMs >= ageMsMax / MARKS_PER_AGE;
    if (!isDue && this.#begun.has(name)) return;
    this.#begun.add(name);
    this.#add.run(name, seq, Math.ceil(ageTimeMs));
  }

  /** The last row that came at this age time or before; rows up to it are as old. */
  agedSeq(name: string, ageTimeMs: number): number {
    const seq = this.#aged.get(name, Math.floor(ageTimeMs)) as number | null;
    if (seq === null) return Number.NEGATIVE_INFINITY;
    this.#forget.run(name, seq);
    return seq;
  }
}
