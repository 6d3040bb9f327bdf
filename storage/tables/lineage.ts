/** Which databases this one goes back to, and that it was restored, until a row says so. */

import type Database from 'better-sqlite3';
import type { Ancestor, DatabaseNames } from '../../src/domain/record-keys.ts';
import type { RestoredFrom } from '../event-store.ts';
import { lastSeqReader } from './recovered-state.ts';

const ANCESTORS = 'ancestors';
const NOTE = 'restored';

/** The row that says so. */
export const RESTORED_EVENT = 'storage.restored';

export function readAncestors(db: Database.Database): readonly Ancestor[] {
  return readJson<Ancestor[]>(db, ANCESTORS) ?? [];
}

/** @throws SQLite's errors; null where it was never named. */
export function readNames(db: Database.Database): DatabaseNames | null {
  const [gatewayId, dbUuid] = [metaValue(db, 'gateway_id'), metaValue(db, 'db_uuid')];
  if (gatewayId === undefined || dbUuid === undefined) return null;
  return { gatewayId, dbUuid, ancestors: readAncestors(db) };
}

/** Gives a database another name for what comes from now on. `known`: how far the one it was made of is known
 *  to have come since. To be run in a transaction of its own. */
export function renameDatabase(
  db: Database.Database,
  dbUuid: string,
  known: { readonly timelineSeq: number; readonly recordSeq: number } | null,
): RestoredFrom {
  const rename = db.transaction((): RestoredFrom => {
    const names = readNames(db);
    const [timelineSeq, recordSeq] = [lastSeqReader(db, 'timeline')(), lastSeqReader(db, 'records')()];
    const note: RestoredFrom = {
      dbUuid: names?.dbUuid ?? null,
      timeline: { found: timelineSeq, known: Math.max(timelineSeq, known?.timelineSeq ?? 0) },
      records: { found: recordSeq, known: Math.max(recordSeq, known?.recordSeq ?? 0) },
    };
    if (names !== null) {
      const ancestors = [...names.ancestors, { dbUuid: names.dbUuid, recordSeq, timelineSeq }];
      writeMeta(db, ANCESTORS, JSON.stringify(ancestors));
    }
    writeMeta(db, 'db_uuid', dbUuid);
    writeMeta(db, NOTE, JSON.stringify(note));
    return note;
  });
  return rename.immediate();
}

/** As {@link renameDatabase}, without a note that it was restored. Returns its name before; null: it had none
 *  and has none. */
export function nameAnew(db: Database.Database, dbUuid: string): string | null {
  const names = readNames(db);
  if (names === null) return null;
  renameDatabase(db, dbUuid, null);
  forgetRestored(db);
  return names.dbUuid;
}

export function readRestored(db: Database.Database): RestoredFrom | null {
  return readJson<RestoredFrom>(db, NOTE);
}

/** To be run in the transaction that writes that row. */
export function forgetRestored(db: Database.Database): void {
  db.prepare('DELETE FROM meta WHERE key = ?').run(NOTE);
}

function metaValue(db: Database.Database, key: string): string | undefined {
  return db.prepare('SELECT value FROM meta WHERE key = ?').pluck().get(key) as string | undefined;
}

function readJson<Value>(db: Database.Database, key: string): Value | null {
  const text = metaValue(db, key);
  return text === undefined ? null : (JSON.parse(text) as Value);
}

function writeMeta(db: Database.Database, key: string, value: string): void {
  db.prepare('INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)').run(key, value);
}
