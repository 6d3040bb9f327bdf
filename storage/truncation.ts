/** Rows that the mark beside the file knows of and the file does not: the end of its logs was lost. Numbers
 *  go on after the known ones, so that none is used twice; that it happened is kept in the file until a row
 *  says so. */

import type Database from 'better-sqlite3';
import type { TruncatedRows } from './event-store.ts';
import { lastSeqReader } from './tables/recovered-state.ts';
import type { Mark } from './file/mark-file.ts';

const NOTE = 'truncated';

/** What is missing, found now or found at an opening before that nobody could report. */
export function noteTruncation(db: Database.Database, mark: Mark | null): TruncatedRows | null {
  const note = db.transaction((): TruncatedRows | null => {
    const told = unreportedTruncation(db);
    if (mark === null) return told;
    const timeline = { found: lastSeqReader(db, 'timeline')(), known: mark.timelineSeq };
    const records = { found: lastSeqReader(db, 'records')(), known: mark.recordSeq };
    if (timeline.found >= timeline.known && records.found >= records.known) return told;
    const found: TruncatedRows = {
      timeline: {
        found: told?.timeline.found ?? timeline.found,
        known: Math.max(timeline.found, timeline.known),
      },
      records: { found: told?.records.found ?? records.found, known: Math.max(records.found, records.known) },
    };
    raiseSeq(db, 'timeline', found.timeline.known);
    raiseSeq(db, 'records', found.records.known);
    db.prepare('INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)').run(NOTE, JSON.stringify(found));
    return found;
  });
  return note.immediate();
}

/** The row that says so. */
export const TRUNCATED_EVENT = 'storage.truncated';

/** To be run in the transaction that writes that row. */
export function forgetTruncation(db: Database.Database): void {
  db.prepare('DELETE FROM meta WHERE key = ?').run(NOTE);
}

function unreportedTruncation(db: Database.Database): TruncatedRows | null {
  const text = db.prepare('SELECT value FROM meta WHERE key = ?').pluck().get(NOTE);
  return text === undefined ? null : (JSON.parse(text as string) as TruncatedRows);
}

function raiseSeq(db: Database.Database, table: string, seq: number): void {
  const { changes } = db
    .prepare('UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?')
    .run(seq, table);
  if (changes === 0) db.prepare('INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)').run(table, seq);
}
