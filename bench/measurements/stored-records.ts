/** Looks after a measurement whether its records are in the file. */

import Database from 'better-sqlite3';

/** @throws Error where another number of records is stored. */
export function checkStored(path: string, wanted: number): void {
  const db = new Database(path, { readonly: true });
  const found = db.prepare('SELECT count(*) FROM records').pluck().get();
  db.close();
  if (found !== wanted) throw new Error(`${String(found)} of ${wanted} records were stored`);
}
