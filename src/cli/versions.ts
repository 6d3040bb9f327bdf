/** Which Headgate, Node and SQLite these are. */

import Database from 'better-sqlite3';
import { VERSION } from '../version.ts';

export function versionLines(): string {
  const database = new Database(':memory:');
  try {
    const sqlite = database.prepare('SELECT sqlite_version()').pluck().get() as string;
    return `headgate ${VERSION}\nnode ${process.versions.node}\nsqlite ${sqlite}\n`;
  } finally {
    database.close();
  }
}
