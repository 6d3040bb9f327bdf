/** State of the program around the engine: a text under a key, beside the database's own
 *  entries in `meta`. */

import type Database from 'better-sqlite3';

/** Sets the program's keys apart from the database's own. */
const PREFIX = 'program.';

export function readState(db: Database.Database, key: string): string | null {
  const value = db.prepare('SELECT value FROM meta WHERE key = ?').pluck().get(`${PREFIX}${key}`);
  return typeof value === 'string' ? value : null;
}

export function writeState(db: Database.Database, key: string, value: string): void {
  db.prepare(
    'INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
  ).run(`${PREFIX}${key}`, value);
}
