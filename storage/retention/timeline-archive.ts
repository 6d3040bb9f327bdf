/** Retention of the timeline: rows are written to NDJSON files, safely, before they are deleted.
 *
 *  Rows go in stretches that end at a link of the hash chain; that link stays as the anchor of what is
 *  left, so the rest can still be verified. A stretch is written under another name, forced to disk, and
 *  given its own name `timeline-<database>-<first seq>-<last seq>.ndjson`: a file of that name is
 *  complete. Only then are its rows deleted. A crash in between leaves rows that are in a file already;
 *  the next call finds the file by its name, writes nothing again, and goes on deleting. */

import type Database from 'better-sqlite3';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder, replaceFile, syncFolderOf } from '../file/durable-file.ts';

/** Rows of one file. */
const FILE_ROWS_MAX = 4_000;
/** Rows that one transaction deletes, where links stand close enough. */
const DELETED_ROWS_MAX = 500;
const SEQ_DIGITS = 12;

export class TimelineArchive {
  readonly #db: Database.Database;
  readonly #dbUuid: string;
  readonly #bounds: Database.Statement;
  readonly #lastLink: Database.Statement;
  readonly #firstLink: Database.Statement;
  readonly #rows: Database.Statement;
  readonly #removeRows: Database.Statement;
  readonly #removeLinks: Database.Statement;

  constructor(db: Database.Database, dbUuid: string) {
    this.#db = db;
    this.#dbUuid = dbUuid;
    this.#bounds = db
      .prepare('SELECT (SELECT min(seq) FROM timeline), (SELECT max(seq) FROM timeline)')
      .raw();
    this.#lastLink = db.prepare('SELECT max(seq) FROM timeline_chain WHERE seq BETWEEN ? AND ?').pluck();
    this.#firstLink = db.prepare('SELECT min(seq) FROM timeline_chain WHERE seq BETWEEN ? AND ?').pluck();
    this.#rows = db.prepare('SELECT * FROM timeline WHERE seq BETWEEN ? AND ? ORDER BY seq');
    this.#removeRows = db.prepare('DELETE FROM timeline WHERE seq BETWEEN ? AND ?');
    this.#removeLinks = db.prepare('DELETE FROM timeline_chain WHERE seq < ?');
  }

  /** The numbers of the oldest and the newest row; null: there is none. */
  bounds(): { readonly first: number; readonly last: number } | null {
    const [first, last] = this.#bounds.get() as [number | null, number | null];
    return first === null || last === null ? null : { first, last };
  }

  /** Archives and deletes rows up to `seqMax`, as many as one step may. The newest row stays. */
  trim(seqMax: number, folder: string): { readonly rows: number; readonly hasMore: boolean } {
    const bounds = this.bounds();
    if (bounds === null) return { rows: 0, hasMore: false };
    const { first } = bounds;
    const last = Math.min(seqMax, bounds.last - 1);
    if (this.#linkWithin(first, last, FILE_ROWS_MAX) === null) return { rows: 0, hasMore: false };
    const archived = this.#archivedFrom(folder, first) ?? this.#archive(folder, first, last);
    const end = this.#linkWithin(first, Math.min(archived, last), DELETED_ROWS_MAX);
    if (end === null) return { rows: 0, hasMore: false };
    const remove = this.#db.transaction(() => {
      this.#removeLinks.run(end);
      return this.#removeRows.run(first, end).changes;
    });
    const rows = remove.immediate();
    return { rows, hasMore: this.#linkWithin(end + 1, last, FILE_ROWS_MAX) !== null };
  }

  /** A link from `first` up to `last`: the last one that makes a stretch of at most `rowsMax` rows, or the
   *  next one, where a single transaction wrote more than that. */
  #linkWithin(first: number, last: number, rowsMax: number): number | null {
    const near = Math.min(last, first + rowsMax - 1);
    return (this.#lastLink.get(first, near) ?? this.#firstLink.get(first, last)) as number | null;
  }

  /** How far a file reaches that has this row in it; null: there is none. */
  #archivedFrom(folder: string, seq: number): number | null {
    makeFolder(folder);
    const prefix = `timeline-${this.#dbUuid}-`;
    for (const name of readdirSync(folder)) {
      if (!name.startsWith(prefix) || !name.endsWith('.ndjson')) continue;
      const [from, to] = name.slice(prefix.length, -'.ndjson'.length).split('-').map(Number);
      if (from === undefined || to === undefined || from > seq || seq > to) continue;
      // Whoever gave it its name may have died before that was on the disk.
      syncFolderOf(join(folder, name));
      return to;
    }
    return null;
  }

  /** Writes a file of the rows from `first` to a link; returns that link's `seq`. */
  #archive(folder: string, first: number, last: number): number {
    const end = this.#linkWithin(first, last, FILE_ROWS_MAX) as number;
    const number = (seq: number) => String(seq).padStart(SEQ_DIGITS, '0');
    const file = join(folder, `timeline-${this.#dbUuid}-${number(first)}-${number(end)}.ndjson`);
    const lines = (this.#rows.all(first, end) as { data: string | null }[]).map((row) =>
      JSON.stringify({ ...row, data: dataOf(row.data) }),
    );
    replaceFile(file, `${lines.join('\n')}\n`, '.part');
    return end;
  }
}

/** What is damaged stays as it is: one bad row must not keep all others from going. */
function dataOf(text: string | null): unknown {
  if (text === null) return null;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
