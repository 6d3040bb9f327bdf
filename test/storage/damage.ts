/** Faults put into real files. */

import Database from 'better-sqlite3';
import { copyFileSync, existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';

/** Flips one bit of these bytes, at the last place where the file holds them: a table's first page may keep
 *  an old copy of rows that have moved. */
export function flipBit(file: string, wanted: string | Buffer, bit = 0): void {
  const bytes = readFileSync(file);
  const at = bytes.lastIndexOf(wanted);
  if (at === -1) throw new Error(`the file does not hold these bytes: ${String(wanted)}`);
  const index = at + Math.floor(bit / 8);
  bytes[index] = (bytes[index] as number) ^ (1 << (bit % 8));
  writeFileSync(file, bytes);
}

/** Changes the tables as somebody with an SQLite client would. */
export function edit(file: string, sql: string): void {
  const db = new Database(file);
  try {
    db.exec(sql);
  } finally {
    db.close();
  }
}

/** Keeps the write-ahead log beside the file when its writer closes. */
export function holdLog(file: string): Disposable {
  const db = new Database(file, { readonly: true });
  db.prepare('SELECT count(*) FROM meta').get();
  return { [Symbol.dispose]: () => void db.close() };
}

/** Copies a database as a crash leaves it, its log cut to so many bytes. */
export function copyCut(file: string, copy: string, logBytes: number): void {
  for (const suffix of ['', '-wal', '-mark']) {
    if (existsSync(file + suffix)) copyFileSync(file + suffix, copy + suffix);
  }
  truncateSync(`${copy}-wal`, logBytes);
}
