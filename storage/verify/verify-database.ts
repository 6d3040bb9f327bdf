/** Says whether a database still holds what was written: its pages, the checksums of its records, the hash
 *  chain over its timeline, its numbers, and the mark beside it.
 *
 *  It reads only, also while an engine writes: each step sees one state of the file. It holds no more than a
 *  row at a time. */

import { messageOf } from '../../src/domain/errors.ts';
import type { SqlValue } from '../tables/bulk-insert.ts';
import { lastSeqReader } from '../tables/recovered-state.ts';
import { isSound, RECORD_FIELDS, type StoredRecordRow } from '../tables/log-reader.ts';
import { readMark, type Mark } from '../file/mark-file.ts';
import { readPendingRestore } from '../file/pending-restore.ts';
import { existingFile, openReadOnly } from '../file/readable-database.ts';
import { schemaVersion } from '../file/schema.ts';
import { guardStorage, storageError } from '../file/storage-error.ts';
import { verifyChain } from './verify-chain.ts';
import type { Verification } from './verification.ts';
import {
  PROBLEMS_MAX,
  ProblemList,
  type ChecksumReport,
  type VerifyProgress,
  type VerifyReport,
} from './verify-report.ts';

export interface VerifyOptions {
  /** Told now and then, and waited for: a caller that has other things to do can give way to them there. The
   *  look at the pages is one step, of seconds per gigabyte. */
  readonly onProgress?: (progress: VerifyProgress) => void | Promise<void>;
}

/** Rows from one word about the progress to the next. */
const ROWS_PER_PROGRESS = 10_000;

/** @throws HeadgateError HG_STORAGE_NOT_FOUND, _NOT_A_DATABASE, _VERSION, _READONLY, _BUSY or _FAILED where
 *  the file cannot be looked at. Damage is no error: the report tells it. */
export async function verifyDatabase(path: string, options: VerifyOptions = {}): Promise<VerifyReport> {
  const file = existingFile(path);
  // Before the rows are looked at: what the mark knows was stored before it was written.
  const mark = readMark(file);
  const db = openReadOnly(file);
  const verification: Verification = {
    db,
    problems: new ProblemList(),
    progress: async (step, rows, rowsTotal) => {
      if (rows % ROWS_PER_PROGRESS === 0) await options.onProgress?.({ step, rows, rowsTotal });
    },
  };
  try {
    return await verified(verification, file, mark);
  } finally {
    db.close();
  }
}

async function verified(
  verification: Verification,
  file: string,
  mark: ReturnType<typeof readMark>,
): Promise<VerifyReport> {
  const { db, problems, progress } = verification;
  const version = guardStorage(file, () => schemaVersion(db));
  const inStep = <Found>(where: 'file' | 'chain' | 'records' | 'spill' | 'mark', step: Step<Found>) =>
    inOneState(verification, file, where, step);
  await progress('file', 0, 0);
  await inStep('file', { nothing: undefined, run: async () => verifyPages(verification) });
  const timeline = await inStep('chain', {
    nothing: { rows: 0, firstSeq: null, lastSeq: null, links: 0 },
    run: () => verifyChain(verification, { hasChain: version >= 2 }),
  });
  const crc =
    version >= 2
      ? RECORD_FIELDS
      : RECORD_FIELDS.replace('content_type', 'NULL').replace('crc', 'NULL AS crc');
  const records = await inStep('records', {
    nothing: NO_ROWS,
    run: () => verifyChecksums(verification, 'records', crc),
  });
  const spill = await inStep('spill', {
    nothing: NO_ROWS,
    run: async () => (version >= 2 ? verifyChecksums(verification, 'spill', crc) : NO_ROWS),
  });
  await inStep('mark', { nothing: undefined, run: async () => verifyMark(verification, mark) });
  if (readPendingRestore(file) !== null) {
    problems.add(
      'file',
      'a restore of it was cut off; start the engine, or restore again, and it is finished',
    );
  }
  const { problems: listed, count } = problems;
  return { ok: count === 0, timeline, records, spill, problems: listed, problemCount: count };
}

interface Step<Found> {
  /** What is reported where the step cannot be done. */
  readonly nothing: Found;
  readonly run: () => Promise<Found>;
}

const NO_ROWS: ChecksumReport = { rows: 0, unchecked: 0, damaged: [], damagedCount: 0 };

/** Runs a step within one transaction. Damage that keeps SQLite from reading on is a finding. */
async function inOneState<Found>(
  { db, problems }: Verification,
  file: string,
  where: 'file' | 'chain' | 'records' | 'spill' | 'mark',
  { nothing, run }: Step<Found>,
): Promise<Found> {
  try {
    db.exec('BEGIN');
    return await run();
  } catch (thrown) {
    const error = storageError(thrown, file);
    // "No such table" too: somebody took it away.
    const isDamage = error.code === 'HG_STORAGE_CORRUPT' || error.details['sqlite'] === 'SQLITE_ERROR';
    if (!isDamage) throw error;
    problems.add(where, `cannot be read to its end: ${messageOf(thrown)}`);
    return nothing;
  } finally {
    if (db.inTransaction) db.exec('ROLLBACK');
  }
}

function verifyPages({ db, problems }: Verification): void {
  const found = db.pragma(`integrity_check(${PROBLEMS_MAX})`) as { integrity_check: string }[];
  for (const { integrity_check: what } of found) {
    if (what !== 'ok') problems.add('file', what);
  }
}

async function verifyChecksums(
  { db, problems, progress }: Verification,
  table: 'records' | 'spill',
  fields: string,
): Promise<ChecksumReport> {
  const given = lastSeqReader(db, table)();
  const rowsTotal = db.prepare(`SELECT max(seq) - min(seq) + 1 FROM ${table}`).pluck().get() as number | null;
  const damaged: number[] = [];
  let [rows, unchecked, damagedCount, lastSeq] = [0, 0, 0, 0];
  const select = db.prepare(`SELECT ${fields} FROM ${table} ORDER BY seq`);
  for (const row of select.iterate() as Iterable<StoredRecordRow>) {
    await progress(table, rows++, rowsTotal ?? 0);
    lastSeq = row.seq;
    if (row.crc === null) unchecked++;
    else if (!isSound(row)) {
      damagedCount++;
      if (damaged.length < PROBLEMS_MAX) damaged.push(row.seq);
      problems.add(table, 'the row does not fit its checksum', row.seq);
    }
  }
  if (lastSeq > given)
    problems.add('numbers', `${table} has numbers that were never given out`, given + 1, lastSeq);
  return { rows, unchecked, damaged, damagedCount };
}

function verifyMark({ db, problems }: Verification, mark: Mark | null | 'unreadable'): void {
  if (mark === 'unreadable') problems.add('mark', 'the mark beside the file cannot be read');
  if (mark === null || mark === 'unreadable') return;
  const dbUuid = db.prepare("SELECT value FROM meta WHERE key = 'db_uuid'").pluck().get();
  // It was left by a database that stood here before.
  if (dbUuid !== mark.dbUuid) return;
  for (const [table, known] of [
    ['timeline', mark.timelineSeq],
    ['records', mark.recordSeq],
  ] as const) {
    const given = lastSeqReader(db, table)();
    if (given < known)
      problems.add('mark', `rows of ${table} are gone that the mark knows`, given + 1, known);
  }
  if (mark.link === null) return;
  const link = db.prepare('SELECT lower(hex(hash)) FROM timeline_chain WHERE seq = ?').pluck();
  const hash = link.get(mark.link.seq) as SqlValue | undefined;
  if (hash !== undefined && hash !== mark.link.hash) {
    problems.add('mark', 'the chain is not the one the mark knows', mark.link.seq);
  }
}
