/** Which Headgate, Node and SQLite these are. */

import { createRequire } from 'node:module';
import Database from 'better-sqlite3';

const require = createRequire(import.meta.url);

/** The package's own version, by its name: the same from the sources and from dist/. */
export function headgateVersion(): string {
  const manifest = require('headgate/package.json') as { version: string };
  return manifest.version;
}

export function versionLines(): string {
  const database = new Database(':memory:');
  try {
    const sqlite = database.prepare('SELECT sqlite_version()').pluck().get() as string;
    return `headgate ${headgateVersion()}\nnode ${process.versions.node}\nsqlite ${sqlite}\n`;
  } finally {
    database.close();
  }
}
