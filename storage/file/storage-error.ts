/** What SQLite's errors mean to the engine: one table from result codes to {@link HeadgateError}. */

import { HeadgateError, messageOf, type ErrorCode, type Remedy } from '../../src/domain/errors.ts';

interface Meaning {
  /** The result code, or what extended codes begin with. The first row that fits counts. */
  readonly prefix: string;
  readonly code: ErrorCode;
  readonly advice: string;
  readonly remedy?: Remedy;
}

const MEANINGS: readonly Meaning[] = [
  {
    prefix: 'SQLITE_BUSY',
    code: 'HG_STORAGE_BUSY',
    advice: 'another connection holds a write lock; try again',
  },
  { prefix: 'SQLITE_LOCKED', code: 'HG_STORAGE_BUSY', advice: 'another connection holds a lock; try again' },
  { prefix: 'SQLITE_FULL', code: 'HG_STORAGE_FULL', advice: 'the disk is full; free some space' },
  // The shared memory of the write-ahead log cannot grow: a full disk, before anything is written.
  { prefix: 'SQLITE_IOERR_SHMSIZE', code: 'HG_STORAGE_FULL', advice: 'the disk is full; free some space' },
  {
    prefix: 'SQLITE_READONLY_DBMOVED',
    code: 'HG_STORAGE_READONLY',
    advice: 'the file was moved or deleted while in use',
  },
  {
    prefix: 'SQLITE_READONLY',
    code: 'HG_STORAGE_READONLY',
    advice: 'it cannot be written; check permissions and mount',
  },
  {
    prefix: 'SQLITE_CANTOPEN',
    code: 'HG_STORAGE_READONLY',
    advice: 'it cannot be opened; check that its folder can be written',
  },
  { prefix: 'SQLITE_PERM', code: 'HG_STORAGE_READONLY', advice: 'it cannot be opened; check permissions' },
  {
    prefix: 'SQLITE_CORRUPT',
    code: 'HG_STORAGE_CORRUPT',
    advice: 'it is damaged; the next start moves it aside',
  },
  {
    prefix: 'SQLITE_NOTADB',
    code: 'HG_STORAGE_NOT_A_DATABASE',
    advice: 'it is not an SQLite database; choose another path',
  },
  // The rows themselves are at fault: the same rows would be refused again.
  { prefix: 'SQLITE_CONSTRAINT', code: 'HG_STORAGE_FAILED', advice: 'a row was refused', remedy: 'drop' },
  { prefix: 'SQLITE_TOOBIG', code: 'HG_STORAGE_FAILED', advice: 'a row is too large', remedy: 'drop' },
  { prefix: 'SQLITE_IOERR', code: 'HG_STORAGE_FAILED', advice: 'reading or writing failed; check the disk' },
  { prefix: 'SQLITE_NOMEM', code: 'HG_STORAGE_FAILED', advice: 'there is not enough memory' },
  // No such table or column: somebody changed the schema.
  {
    prefix: 'SQLITE_ERROR',
    code: 'HG_STORAGE_FAILED',
    advice: 'its tables are not as expected',
    remedy: 'stop',
  },
  { prefix: 'SQLITE_', code: 'HG_STORAGE_FAILED', advice: 'the database refused' },
];

/** The result code of an error that SQLite raised, extended codes included; undefined for any other value. */
export function sqliteCode(thrown: unknown): string | undefined {
  if (typeof thrown !== 'object' || thrown === null || !('code' in thrown)) return undefined;
  return typeof thrown.code === 'string' && thrown.code.startsWith('SQLITE_') ? thrown.code : undefined;
}

/** Turns anything thrown while `file` was used into a HeadgateError. A HeadgateError stays itself. What
 *  SQLite did not raise came from turning a row into values, and would come again: its remedy is `drop`. */
export function storageError(thrown: unknown, file: string): HeadgateError {
  if (thrown instanceof HeadgateError) return thrown;
  const sqlite = sqliteCode(thrown);
  const meaning = MEANINGS.find((candidate) => sqlite?.startsWith(candidate.prefix));
  if (meaning === undefined) {
    const message = `${file}: ${messageOf(thrown)}`;
    return new HeadgateError('HG_STORAGE_FAILED', message, {
      remedy: 'drop',
      details: { file },
      cause: thrown,
    });
  }
  return new HeadgateError(meaning.code, `${file}: ${meaning.advice} (${sqlite}: ${messageOf(thrown)})`, {
    ...(meaning.remedy === undefined ? {} : { remedy: meaning.remedy }),
    details: { file, sqlite },
    cause: thrown,
  });
}

/** Whether the rows that were written are at fault: the same rows would be refused every time, and others
 *  would not. */
export function isFaultOfRows(thrown: unknown): boolean {
  return storageError(thrown, '').remedy === 'drop';
}

/** Runs `action`; whatever it throws leaves as a {@link HeadgateError} about `file`. */
export function guardStorage<Result>(file: string, action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    throw storageError(error, file);
  }
}

export function closedError(file: string): HeadgateError {
  return new HeadgateError('HG_STORAGE_FAILED', `${file}: the store is closed; open it again`, {
    remedy: 'stop',
    details: { file },
  });
}
