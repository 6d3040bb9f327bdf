/** A database, or its end, that should be there and is not: what beside it knows of it says so at the
 *  opening. What was found is kept in the database that is opened, until a row says so. */

import type Database from 'better-sqlite3';
import { existsSync, statSync } from 'node:fs';
import type { EngineLock } from './file/engine-lock.ts';
import { readMark, type Mark } from './file/mark-file.ts';
import { moveAside } from './file/move-aside.ts';
import type { LostDatabase } from './event-store.ts';

const NOTE = 'lost';

/** The row that says so. */
export const LOST_EVENT = 'storage.lost';

/** Where no database stands although one did: with a mark, with a log, or known to the lock. What is left of
 *  it is moved aside, so that a fresh one neither takes it for its own nor writes over it. */
export function moveLostAside(file: string, lock: EngineLock, nowMs: number): LostDatabase | null {
  const mark = readMark(file);
  const logBytes = statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  if (mark === null && logBytes === 0 && lock.gatewayId === null) return null;
  const hasLeft = mark !== null || logBytes > 0 || existsSync(file);
  return {
    ...lossOf('gone', mark === 'unreadable' ? null : mark),
    movedTo: hasLeft ? moveAside(file, 'lost', nowMs) : null,
  };
}

/** Where the log of a run that was killed is gone. SQLite takes a log away only when a connection closes in
 *  order; then the mark was written after the last commit. */
export function logIsGone(
  { hadLog, hasCrashed }: { readonly hadLog: boolean; readonly hasCrashed: boolean },
  mark: Mark | null,
  found: { readonly timelineSeq: number; readonly recordSeq: number },
): LostDatabase | null {
  if (hadLog || !hasCrashed || mark === null) return null;
  const isWhole = mark.timelineSeq === found.timelineSeq && mark.recordSeq === found.recordSeq;
  return isWhole ? null : lossOf('logGone', mark);
}

/** Where the log of a run that was killed is gone or cut short, as the shared memory beside it says. */
export function cutLog(mark: Mark | null): LostDatabase {
  return lossOf('logGone', mark);
}

/** Where another database stands in the place of the one that the mark knows. */
export function replacedDatabase(mark: Mark): LostDatabase {
  return lossOf('replaced', mark);
}

function lossOf(what: LostDatabase['what'], mark: Mark | null): LostDatabase {
  const { dbUuid = null, timelineSeq = null, recordSeq = null } = mark ?? {};
  return { what, dbUuid, timelineSeq, recordSeq, movedTo: null };
}

/** The finding of this opening, or of an earlier one that could not be reported. */
export function noteLoss(db: Database.Database, found: LostDatabase | null): LostDatabase | null {
  if (found === null) {
    const text = db.prepare('SELECT value FROM meta WHERE key = ?').pluck().get(NOTE) as string | undefined;
    return text === undefined ? null : (JSON.parse(text) as LostDatabase);
  }
  db.prepare('INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)').run(NOTE, JSON.stringify(found));
  return found;
}

/** To be run in the transaction that writes that row. */
export function forgetLoss(db: Database.Database): void {
  db.prepare('DELETE FROM meta WHERE key = ?').run(NOTE);
}
