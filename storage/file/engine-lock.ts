/** One engine per database file.
 *
 *  The lock is an exclusive SQLite lock on a small database of its own, `<file>-lock`, held for the life of
 *  the engine. The operating system frees it when the process ends, however it ends: no stale lock files,
 *  no process ids. It lies beside the database because a lock on the database itself would shut out
 *  readers. The file stays when the lock is freed: deleting it would let two engines lock two files of one
 *  name.
 *
 *  The file also keeps the gateway's id. So a database whose header is overwritten is still known to be
 *  ours, and the fresh one begun in its place belongs to the same gateway. */

import Database from 'better-sqlite3';
import { readFileSync, rmSync, statSync } from 'node:fs';
import { HeadgateError } from '../../src/domain/errors.ts';
import { makePrivate } from './durable-file.ts';
import { sqliteCode, storageError } from './storage-error.ts';

/** Two engines that start at the same moment wait so long for each other to fail; the holder of a lock
 *  never lets go. */
const LOCK_TIMEOUT_MS = 100;

export interface EngineLock {
  /** The gateway whose database last stood beside this lock; null if none ever did. */
  readonly gatewayId: string | null;
  /** Notes that a sound database of this gateway stands beside the lock. */
  remember(gatewayId: string): void;
  /** Frees the lock. Safe to call twice. */
  release(): void;
}

/** @throws HeadgateError HG_STORAGE_LOCKED if an engine of this or another process holds it,
 *  HG_STORAGE_READONLY. */
export function takeEngineLock(file: string): EngineLock {
  const lockFile = lockFileOf(file);
  let db: Database.Database | undefined;
  try {
    makePrivate(lockFile);
    db = new Database(lockFile, { timeout: LOCK_TIMEOUT_MS });
    // Kept in memory, the journal leaves no file behind; kept exclusive, the lock outlives the transaction.
    db.pragma('journal_mode = MEMORY');
    db.pragma('locking_mode = EXCLUSIVE');
    db.exec('BEGIN EXCLUSIVE; COMMIT');
    return heldLock(db, readGatewayId(db), lockFile);
  } catch (error) {
    db?.close();
    throw lockError(error, file, lockFile);
  }
}

/** Whether an engine holds the lock, told without taking it, and which process that is, where the system says
 *  so; null where none does. */
export function engineLockHolder(file: string): { readonly pid: number | null } | null {
  const lockFile = lockFileOf(file);
  const stat = statSync(lockFile, { throwIfNoEntry: false });
  if (stat === undefined) return null;
  let db: Database.Database | undefined;
  try {
    db = new Database(lockFile, { readonly: true, fileMustExist: true, timeout: 0 });
    db.prepare('SELECT 1 FROM sqlite_schema').get();
    return null;
  } catch (error) {
    if (sqliteCode(error)?.startsWith('SQLITE_BUSY') !== true) throw storageError(error, lockFile);
    return { pid: writerOf(stat.ino) };
  } finally {
    db?.close();
  }
}

/** Linux lists locks by inode: `1: POSIX  ADVISORY  WRITE 812 fe:00:2155141 0 EOF`. */
function writerOf(inode: number): number | null {
  try {
    const line = readFileSync('/proc/locks', 'latin1')
      .split('\n')
      .find((one) => one.includes(' WRITE ') && one.includes(`:${inode} `));
    const pid = Number(line?.trim().split(/\s+/)[4]);
    return pid > 0 ? pid : null;
  } catch {
    return null;
  }
}

/** Whether a sound database of ours was ever beside the lock, as far as can be told without taking it. */
export function lockIsMarked(file: string): boolean {
  return (statSync(lockFileOf(file), { throwIfNoEntry: false })?.size ?? 0) > 0;
}

function lockFileOf(file: string): string {
  return `${file}-lock`;
}

function heldLock(db: Database.Database, gatewayId: string | null, lockFile: string): EngineLock {
  return {
    gatewayId,
    remember(id) {
      if (id === gatewayId) return;
      try {
        // A journal on disk for this one write: a power cut must not leave half a lock file.
        db.pragma('journal_mode = DELETE');
        db.exec('CREATE TABLE IF NOT EXISTS gateway (gateway_id TEXT NOT NULL) STRICT');
        db.transaction(() => {
          db.exec('DELETE FROM gateway');
          db.prepare('INSERT INTO gateway VALUES (?)').run(id);
        })();
        db.pragma('journal_mode = MEMORY');
        // An exclusive connection only blanks its journal; it means nothing any more.
        rmSync(`${lockFile}-journal`, { force: true });
      } catch (error) {
        throw storageError(error, lockFile);
      }
    },
    release: () => void db.close(),
  };
}

function readGatewayId(db: Database.Database): string | null {
  const known = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'gateway'").get();
  if (known === undefined) return null;
  return (db.prepare('SELECT gateway_id FROM gateway').pluck().get() as string | undefined) ?? null;
}

function lockError(error: unknown, file: string, lockFile: string): HeadgateError {
  const sqlite = sqliteCode(error);
  if (sqlite?.startsWith('SQLITE_BUSY')) {
    const message = `${file}: another engine uses this database; stop it, or choose another path`;
    return new HeadgateError('HG_STORAGE_LOCKED', message, { details: { file }, cause: error });
  }
  if (sqlite?.startsWith('SQLITE_NOTADB') || sqlite?.startsWith('SQLITE_CORRUPT')) {
    const message = `${lockFile}: is not a lock file of Headgate; remove it, or choose another path`;
    return new HeadgateError('HG_STORAGE_NOT_A_DATABASE', message, {
      details: { file: lockFile },
      cause: error,
    });
  }
  return storageError(error, lockFile);
}
