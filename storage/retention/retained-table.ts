/** A table that retention keeps small: where it begins and ends, how many bytes its rows take, and which
 *  of its rows go next. Rows go in the order of their numbers, the oldest first; the newest always stays,
 *  so that a table without AUTOINCREMENT does not begin again at 1.
 *
 *  Sizes are exact sums over the rows, and yet no call looks at many of them: each row is measured once
 *  after it came, a few thousand a call, and once more when it goes. After an opening the table is
 *  measured from its end backwards, and only as far as the bound reaches. */

import type Database from 'better-sqlite3';

export type RetainedClass = 'records' | 'deadLetters' | 'health';

/** Rows that one call measures in each direction. */
const MEASURED_ROWS_MAX = 2_000;
/** What one transaction deletes: a few milliseconds of work, so that commits do not have to wait for more. */
const DELETED_ROWS_MAX = 500;
const DELETED_BYTES_MAX = 2 * 1024 * 1024;

interface Shape {
  readonly table: string;
  readonly key: string;
  /** About what a row takes in the file, its texts and a fixed part. Texts are not read for it. */
  readonly bytes: string;
}

const SHAPES: Readonly<Record<RetainedClass, Shape>> = {
  records: { table: 'records', key: 'seq', bytes: 'octet_length(data) + 64' },
  deadLetters: {
    table: 'dead_letters',
    key: 'id',
    bytes: 'octet_length(payload) + octet_length(message) + 160',
  },
  health: {
    table: 'health',
    key: 'rowid',
    bytes: 'octet_length(tenant) + 2 * octet_length(source_id) + 128',
  },
};

/** Which rows are to go. */
export interface Surplus {
  /** Rows up to this number, whatever their size. */
  readonly agedKey: number;
  /** So many bytes of the oldest rows, beyond the table's own bound. */
  readonly excessBytes: number;
  /** So many bytes of the oldest rows, for the file's sake. */
  readonly bytesToFree: number;
  /** Somebody still needs the rows after this number; null: nobody does. */
  readonly neededAfter: number | null;
  /** They go all the same. */
  readonly spareNothing: boolean;
}

export interface Deletion {
  readonly rows: number;
  /** Rows among them that are needed. */
  readonly needed: number;
  /** Rows that were to go and stayed, since they are needed; at most what one call would have deleted. */
  readonly held: number;
}

interface Chosen {
  readonly lastKey: number;
  readonly rows: number;
  readonly measuredBytes: number;
  readonly neededRows: number;
}

export class RetainedTable {
  readonly name: RetainedClass;
  readonly #bounds: Database.Statement;
  readonly #oldest: Database.Statement;
  readonly #sumForward: Database.Statement;
  readonly #sumBackward: Database.Statement;
  readonly #remove: Database.Statement;
  /** Rows after `from` and up to `to` are measured; null: none is. */
  #measured: { from: number; to: number; bytes: number } | null = null;

  constructor(db: Database.Database, name: RetainedClass) {
    const { table, key, bytes } = SHAPES[name];
    this.name = name;
    // Two subqueries, each a seek: with both in one SELECT, SQLite walks the whole table.
    this.#bounds = db
      .prepare(`SELECT (SELECT min(${key}) FROM ${table}), (SELECT max(${key}) FROM ${table})`)
      .raw();
    this.#oldest = db.prepare(`SELECT ${key}, ${bytes} FROM ${table} ORDER BY ${key} LIMIT ?`).raw();
    const sum = (end: string, condition: string, order: string) =>
      db
        .prepare(
          `SELECT count(*), coalesce(sum(bytes), 0), ${end}(key) FROM (
             SELECT ${key} AS key, ${bytes} AS bytes FROM ${table}
             WHERE ${key} ${condition} ORDER BY ${key} ${order} LIMIT ${MEASURED_ROWS_MAX})`,
        )
        .raw();
    this.#sumForward = sum('max', '> ?', 'ASC');
    this.#sumBackward = sum('min', '<= ?', 'DESC');
    this.#remove = db.prepare(`DELETE FROM ${table} WHERE ${key} <= ?`);
  }

  /** The numbers of the oldest and the newest row; null: there is none. */
  bounds(): { readonly first: number; readonly last: number } | null {
    const [first, last] = this.#bounds.get() as [number | null, number | null];
    return first === null || last === null ? null : { first, last };
  }

  /** How many bytes beyond `bytesMax` it takes, as far as that is known yet. */
  measure(bytesMax: number): { readonly excessBytes: number; readonly isKnown: boolean } {
    const bounds = this.bounds();
    if (bounds === null) return { excessBytes: 0, isKnown: true };
    const { first, last } = bounds;
    const measured = (this.#measured ??= { from: last, to: last, bytes: 0 });
    const [newer, newerBytes, newest] = this.#sumForward.get(measured.to) as [number, number, number | null];
    measured.to = newest ?? measured.to;
    measured.bytes += newerBytes;
    let isKnown = newer < MEASURED_ROWS_MAX;
    if (measured.from >= first && measured.bytes <= bytesMax) {
      const [older, olderBytes, oldest] = this.#sumBackward.get(measured.from) as [number, number, number];
      measured.from = older < MEASURED_ROWS_MAX ? first - 1 : oldest - 1;
      measured.bytes += olderBytes;
      isKnown &&= measured.from < first || measured.bytes > bytesMax;
    }
    return { excessBytes: Math.max(0, measured.bytes - bytesMax), isKnown };
  }

  /** Somebody else deleted rows: measure anew. */
  forgetSizes(): void {
    this.#measured = null;
  }

  /** Deletes of the surplus what one transaction may. To be called within one. */
  trim(surplus: Surplus): Deletion {
    const { neededAfter, spareNothing, agedKey } = surplus;
    const bounds = this.bounds();
    if (bounds === null) return NOTHING_DELETED;
    const chosen = this.#choose(surplus, bounds.last - 1);
    const isHeld = !spareNothing && neededAfter !== null && chosen.lastKey > neededAfter;
    const going = isHeld ? this.#choose(surplus, Math.min(neededAfter, bounds.last - 1)) : chosen;
    if (going.rows > 0) this.#delete(going);
    if (!isHeld) return { rows: going.rows, needed: chosen.neededRows, held: 0 };
    const agedHeld = Math.min(agedKey, bounds.last - 1) - Math.max(neededAfter, bounds.first - 1);
    const held = Math.max(chosen.rows - going.rows, agedHeld);
    return { rows: going.rows, needed: 0, held };
  }

  #delete({ lastKey, measuredBytes }: Chosen): void {
    this.#remove.run(lastKey);
    if (this.#measured === null) return;
    this.#measured.bytes -= measuredBytes;
    this.#measured.from = Math.max(this.#measured.from, lastKey);
  }

  #choose({ agedKey, excessBytes, bytesToFree, neededAfter }: Surplus, keyMax: number): Chosen {
    const measuredFrom = this.#measured?.from ?? Number.POSITIVE_INFINITY;
    const chosen = { lastKey: Number.NEGATIVE_INFINITY, rows: 0, measuredBytes: 0, neededRows: 0 };
    let bytes = 0;
    for (const [key, size] of this.#oldest.iterate(DELETED_ROWS_MAX) as Iterable<[number, number]>) {
      // What was not measured lies before what fills the bound already.
      const isExcess = excessBytes > 0 && (key <= measuredFrom || chosen.measuredBytes < excessBytes);
      const goes = key <= agedKey || isExcess || bytes < bytesToFree;
      if (key > keyMax || !goes) break;
      if (chosen.rows > 0 && bytes + size > DELETED_BYTES_MAX) break;
      chosen.lastKey = key;
      chosen.rows++;
      bytes += size;
      if (key > measuredFrom) chosen.measuredBytes += size;
      if (neededAfter !== null && key > neededAfter) chosen.neededRows++;
    }
    return chosen;
  }
}

const NOTHING_DELETED: Deletion = { rows: 0, needed: 0, held: 0 };
