/** The hash chain over the timeline: what makes a changed, lost or exchanged row show.
 *
 *  Each transaction that writes rows adds one link: the seq of its last row, and a SHA-256 over the hash of
 *  the link before and every column of its rows, as they are stored. So the last link vouches for all rows
 *  back to the first link, which is the anchor and vouches for nothing before it: a retention that deletes
 *  rows up to a link keeps that link, and all after it still fits. */

import type Database from 'better-sqlite3';
import { hash } from 'node:crypto';
import type { SqlValue } from './bulk-insert.ts';

/** What a chain begins from where there is no link before, as hex. */
export const NO_HASH = '0'.repeat(64);

export interface ChainLink {
  readonly seq: number;
  /** Hex. */
  readonly hash: string;
}

export interface ChainWriter {
  /** The last link that is committed; null where there is none. */
  readonly tail: ChainLink | null;
  /** Before a transaction: forgets what one that was rolled back left behind. */
  begin(): void;
  /** Takes the values of rows on their way into the table, column after column. */
  take(values: readonly SqlValue[]): void;
  /** Within the transaction, after its last row. */
  close(lastSeq: number): void;
  /** After the commit. */
  committed(): void;
}

export function createChainWriter(db: Database.Database): ChainWriter {
  const insert = db.prepare('INSERT INTO timeline_chain (seq, hash) VALUES (?, ?)');
  let tail = lastLink(db);
  let next: ChainLink | null = null;
  let text = '';
  return {
    get tail() {
      return tail;
    },
    begin() {
      text = '';
      next = null;
    },
    take(values) {
      text += canonicalText(values);
    },
    close(lastSeq) {
      next = { seq: lastSeq, hash: hash('sha256', linkPrefix(tail?.hash ?? NO_HASH) + text, 'hex') };
      text = '';
      insert.run(next.seq, Buffer.from(next.hash, 'hex'));
    },
    committed() {
      tail = next ?? tail;
      next = null;
    },
  };
}

export function lastLink(db: Database.Database): ChainLink | null {
  const sql = 'SELECT seq, lower(hex(hash)) AS hash FROM timeline_chain ORDER BY seq DESC LIMIT 1';
  return (db.prepare(sql).get() as ChainLink | undefined) ?? null;
}

/** What is hashed before the rows. */
export function linkPrefix(previousHash: string): string {
  return `${previousHash}\n`;
}

/** Values as they come out of the table again, so written that no two lists of values read alike. Lengths are
 *  of UTF-16 units: half a surrogate pair is stored as one replacement character and stays one unit long. */
export function canonicalText(values: readonly SqlValue[]): string {
  let text = '';
  for (const value of values) {
    if (value === null) text += '~';
    else if (typeof value === 'string') text += `${value.length}:${value}`;
    else text += `${value};`;
  }
  return text;
}
