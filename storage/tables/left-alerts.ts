/** Alerts that have begun and not ended. */

import type Database from 'better-sqlite3';
import type { LeftAlert } from '../event-store.ts';

/** The latest alert of each of these events and actors, where its end (`…_OVER`) has not come since. */
export function readLeftAlerts(db: Database.Database, events: readonly string[]): LeftAlert[] {
  if (events.length === 0) return [];
  const marks = events.map(() => '?').join();
  // An event has few rows: each of them is looked up by the index over events.
  const rows = db
    .prepare(
      `SELECT max(seq) AS seq, at_ms AS atMs, actor, incarnation, event FROM timeline
       WHERE event IN (${marks}) AND kind = 'alert' GROUP BY event, actor`,
    )
    .all(...events) as LeftAlert[];
  const end = db.prepare(
    "SELECT 1 FROM timeline WHERE actor = ? AND seq > ? AND kind = 'alert' AND event = ?",
  );
  return rows
    .filter(({ actor, seq, event }) => end.get(actor, seq, `${event}_OVER`) === undefined)
    .toSorted((one, other) => one.seq - other.seq);
}
