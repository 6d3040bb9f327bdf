/** The judgement: what was promised, held against what is in the file. */

import Database from 'better-sqlite3';
import { isDeepStrictEqual } from 'node:util';
import { verifyDatabase } from '../../../storage/verify/verify-database.ts';
import type { AckLedger } from './ack-ledger.ts';
import { messageOf } from './message.ts';
import type { Oracle } from './oracle.ts';

export interface Verdict {
  /** Messages the engine sent a PUBACK for. */
  readonly acknowledged: number;
  /** Messages that are in the file. */
  readonly stored: number;
  /** Acknowledged by the engine, not in the file. */
  readonly lost: readonly number[];
  /** Acknowledged to the publisher by the broker, and never handed to the engine. */
  readonly brokerLost: readonly number[];
  /** Handed to the engine, neither acknowledged nor stored: the broker still owes them, nothing took them. */
  readonly stuck: readonly number[];
  /** Ids with more than one row. */
  readonly duplicates: readonly number[];
  /** Rows that are not what was sent under their id, or that nobody sent. */
  readonly altered: readonly number[];
  /** PUBACKs for packet ids without a message. */
  readonly strayAcks: number;
  readonly redeliveries: number;
}

export function judge(oracle: Oracle, ledger: AckLedger, files: readonly string[]): Verdict {
  const duplicates: number[] = [];
  const altered: number[] = [];
  const stored = new Set<number>();
  for (const file of files) {
    const seen = new Set<number>();
    for (const { id, data } of storedRows(file)) {
      if (seen.has(id)) duplicates.push(id);
      seen.add(id);
      stored.add(id);
      if (id > oracle.issued || !isDeepStrictEqual(JSON.parse(data), messageOf(id))) altered.push(id);
    }
  }
  const owed = [...oracle.takenByBroker].filter((id) => !stored.has(id) && !ledger.acknowledged.has(id));
  return {
    acknowledged: ledger.acknowledged.size,
    stored: stored.size,
    lost: [...ledger.acknowledged].filter((id) => !stored.has(id)),
    brokerLost: owed.filter((id) => !ledger.delivered.has(id)),
    stuck: owed.filter((id) => ledger.delivered.has(id)),
    duplicates,
    altered,
    strayAcks: ledger.strayAcks,
    redeliveries: ledger.redeliveries,
  };
}

/** Whether the message is in the file now. */
export function isStored(file: string, id: number): boolean {
  const db = new Database(file, { readonly: true });
  try {
    return db.prepare('SELECT 1 FROM records WHERE dedup_key = ?').get(String(id)) !== undefined;
  } finally {
    db.close();
  }
}

function storedRows(file: string): { id: number; data: string }[] {
  const db = new Database(file, { readonly: true });
  try {
    const sql = 'SELECT CAST(dedup_key AS INTEGER) AS id, data FROM records WHERE dedup_key IS NOT NULL';
    return db.prepare(sql).all() as { id: number; data: string }[];
  } finally {
    db.close();
  }
}

/** What is wrong with the files beyond what SQLite sees: checksums of records, the hash chain, the mark. */
export async function damageOf(files: readonly string[]): Promise<string[]> {
  const reports = await Promise.all(files.map((file) => verifyDatabase(file)));
  return reports.flatMap(({ problems }) =>
    problems.map(
      ({ where, what, firstSeq }) => `${where}: ${what}${firstSeq === null ? '' : ` (${firstSeq})`}`,
    ),
  );
}

/** What SQLite itself says of the file: `ok`, or what is wrong with it. */
export function integrityOf(file: string): string {
  const db = new Database(file, { readonly: true });
  try {
    return db.pragma('integrity_check', { simple: true }) as string;
  } finally {
    db.close();
  }
}
