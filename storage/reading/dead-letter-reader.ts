/** The dead letters of a database file: for reading, also while an engine uses it; for writing, only while
 *  none does. */

import { canonicalPath } from '../file/database-path.ts';
import { takeEngineLock } from '../file/engine-lock.ts';
import { createDeadLetters, type DeadLetters } from '../tables/dead-letters.ts';
import { existingFile, openReadOnly } from '../file/readable-database.ts';
import { guardStorage, storageError } from '../file/storage-error.ts';
import { openWritable } from '../file/writable-database.ts';

export interface DeadLetterReader extends DeadLetters {
  close(): void;
}

/** @throws HeadgateError HG_STORAGE_NOT_FOUND, _NOT_A_DATABASE, _VERSION, _READONLY, _BUSY or _FAILED; for
 *  writing also _LOCKED where an engine uses the file. */
export function openDeadLetterReader(
  path: string,
  { isReadOnly }: { readonly isReadOnly: boolean },
): DeadLetterReader {
  const file = canonicalPath(existingFile(path));
  const reader = openReadOnly(file);
  if (isReadOnly) return deadLetterReader(file, createDeadLetters(reader), () => reader.close());
  // It was opened to see that it is ours; nothing else is touched.
  reader.close();
  const lock = takeEngineLock(file);
  try {
    const db = openWritable(file);
    return deadLetterReader(file, createDeadLetters(db), () => {
      db.close();
      lock.release();
    });
  } catch (error) {
    lock.release();
    throw storageError(error, file);
  }
}

function deadLetterReader(file: string, letters: DeadLetters, close: () => void): DeadLetterReader {
  return {
    read: (query) => guardStorage(file, () => letters.read(query)),
    mark: (query, status) => guardStorage(file, () => letters.mark(query, status)),
    purge: (query) => guardStorage(file, () => letters.purge(query)),
    close,
  };
}
