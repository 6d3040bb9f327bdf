/** The time that retention by age goes by. The wall clock jumps: a device without a battery begins in 1970
 *  and is then synchronised, another one runs a month ahead and is set back. Nothing is deleted for that.
 *
 *  Age time never goes back. It advances with the monotonic clock while the engine runs, and with nothing
 *  else. An outage makes the rows older that were there before it: by as much as the wall clock tells, once,
 *  and not before the wall clock can be believed. It is believed after it has run for a while without a jump,
 *  at a time that is neither before the first gateway was built nor before the newest time that was believed.
 *  The longer the outage, the longer the while ({@link LIMITS}). Where no run was long enough for that, the
 *  outages before it count together for the rows before the first of them.
 *
 *  So a row may stay too long, by the outages that were never believed: a table then still holds no more than
 *  came in `ageMsMax` of running time. A row never goes too early. */

import type Database from 'better-sqlite3';
import { EARLIEST_WALL_MS } from '../../src/domain/clock.ts';
import { LIMITS } from '../../src/domain/limits.ts';

const KEY = 'age_clock';

/** The least time from one save to the next. */
const SAVE_MS = 60_000;
/** What a crash may take of the age time, with a margin: it is no part of the outage, or rows that came after
 *  the last save would become too old. */
const UNSAVED_MS = 2 * SAVE_MS;
/** An outage is believed after this share of it. */
const OUTAGE_SHARE = 1 / 30;

/** As it is kept in the table `meta`. */
interface Kept {
  readonly ageTimeMs: number;
  /** Wall time at that age time, as far as it was believed, carried on by the monotonic clock; null:
   *  unknown. */
  readonly wallMs: number | null;
  /** The newest wall time that was believed. */
  readonly newestWallMs: number;
  /** The age time of the first outage whose length is not known yet; null: there is none. */
  readonly outageAgeMs: number | null;
}

export interface ClockReading {
  /** Wall time. */
  readonly nowMs: number;
  readonly monoMs: number;
}

export interface AgeReading {
  readonly ageTimeMs: number;
  readonly begunAgeMs: number;
}

interface Course {
  ageTimeMs: number;
  /** Believed wall time now; null: not known. */
  wallMs: number | null;
  newestWallMs: number;
  /** Age time of all that was there when the run began. */
  readonly begunAgeMs: number;
  /** Monotonic times: of the last reading, since when no jump was seen, of the last save. */
  lastMs: number;
  steadySinceMs: number;
  savedMs: number;
  /** Wall minus monotonic time at the last reading. */
  offsetMs: number;
  outageAgeMs: number | null;
}

export class AgeClock {
  readonly #db: Database.Database;
  readonly #load: Database.Statement;
  readonly #save: Database.Statement;
  readonly #shift: Database.Statement;
  #course: Course | null = null;

  constructor(db: Database.Database) {
    this.#db = db;
    this.#load = db.prepare('SELECT value FROM meta WHERE key = ?').pluck();
    this.#save = db.prepare('INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)');
    this.#shift = db.prepare('UPDATE retention_marks SET at_ms = at_ms - ? WHERE at_ms <= ?');
  }

  /** Age time now, and age time of what was stored before this run, in milliseconds. Writes: to be called
   *  within a transaction. */
  read(now: ClockReading): AgeReading {
    const course = (this.#course ??= this.#begin(now));
    const { nowMs, monoMs } = now;
    const passedMs = Math.max(0, monoMs - course.lastMs);
    const offsetMs = nowMs - monoMs;
    course.ageTimeMs += passedMs;
    if (course.wallMs !== null) course.wallMs += passedMs;
    if (Math.abs(offsetMs - course.offsetMs) > LIMITS.clockJumpMs) course.steadySinceMs = monoMs;
    course.offsetMs = offsetMs;
    course.lastMs = Math.max(course.lastMs, monoMs);
    const hasChanged = this.#believe(course, now);
    if (hasChanged || monoMs - course.savedMs >= SAVE_MS) this.#keep(course);
    return { ageTimeMs: course.ageTimeMs, begunAgeMs: course.begunAgeMs };
  }

  /** Keeps the time of the last reading, at the end of a run. */
  save(): void {
    if (this.#course !== null) this.#keep(this.#course);
  }

  #begin({ nowMs, monoMs }: ClockReading): Course {
    const newestMark = this.#db.prepare('SELECT max(at_ms) FROM retention_marks').pluck().get() as
      | number
      | null;
    const kept = this.#kept() ?? this.#fromMarks(newestMark ?? nowMs);
    // A kill may have taken the last save, and left the last mark.
    const begunAgeMs = Math.max(kept.ageTimeMs, newestMark ?? kept.ageTimeMs);
    return {
      ...kept,
      begunAgeMs,
      // New rows are told apart from older ones.
      ageTimeMs: begunAgeMs + 1,
      outageAgeMs: kept.wallMs === null ? null : (kept.outageAgeMs ?? begunAgeMs),
      ...{ lastMs: monoMs, steadySinceMs: monoMs, offsetMs: nowMs - monoMs },
      savedMs: Number.NEGATIVE_INFINITY,
    };
  }

  /** Takes over the wall time where it can be believed now. Returns whether an outage was settled. */
  #believe(course: Course, { nowMs, monoMs }: ClockReading): boolean {
    const steadyMs = monoMs - course.steadySinceMs;
    const isPlausible = nowMs >= Math.max(EARLIEST_WALL_MS, course.newestWallMs);
    if (!isPlausible || steadyMs < LIMITS.clockBeliefMsMin) return false;
    const settles = course.outageAgeMs !== null;
    if (course.outageAgeMs !== null && course.wallMs !== null) {
      // The clock's advance beyond the time that is known to have passed.
      const outageMs = Math.max(0, Math.floor(nowMs - course.wallMs - UNSAVED_MS));
      if (steadyMs < Math.min(LIMITS.clockBeliefMsMax, outageMs * OUTAGE_SHARE)) return false;
      this.#shift.run(outageMs, course.outageAgeMs);
      course.outageAgeMs = null;
    }
    course.wallMs = nowMs;
    course.newestWallMs = Math.max(course.newestWallMs, nowMs);
    return settles;
  }

  #kept(): Kept | null {
    const text = this.#load.get(KEY) as string | undefined;
    if (text === undefined) return null;
    try {
      const { ageTimeMs, wallMs, newestWallMs, outageAgeMs } = JSON.parse(text) as Record<string, unknown>;
      if (typeof ageTimeMs !== 'number' || typeof newestWallMs !== 'number') return null;
      return {
        ageTimeMs,
        newestWallMs,
        wallMs: numberOrNull(wallMs),
        outageAgeMs: numberOrNull(outageAgeMs),
      };
    } catch {
      return null;
    }
  }

  /** A new file, or one whose marks an older version wrote by the wall clock: a mark may be earlier there
   *  than one before it. None stays so, and age time goes on after all of them. */
  #fromMarks(ageTimeMs: number): Kept {
    this.#db.exec(
      `UPDATE retention_marks SET at_ms = (
         SELECT max(before.at_ms) FROM retention_marks before
         WHERE before.class = retention_marks.class AND before.seq <= retention_marks.seq)`,
    );
    return { ageTimeMs, wallMs: null, newestWallMs: Number.MIN_SAFE_INTEGER, outageAgeMs: null };
  }

  #keep(course: Course): void {
    const { ageTimeMs, wallMs, newestWallMs, outageAgeMs, lastMs } = course;
    const kept: Kept = {
      ageTimeMs: Math.ceil(ageTimeMs),
      wallMs: wallMs === null ? null : Math.ceil(wallMs),
      newestWallMs: Math.round(newestWallMs),
      outageAgeMs,
    };
    this.#save.run(KEY, JSON.stringify(kept));
    course.savedMs = lastMs;
  }
}

function numberOrNull(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}
