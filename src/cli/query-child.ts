/** The process that runs one query of a user's: SQLite cannot be interrupted, but a process can be killed.
 *
 *  The connection cannot write, the statement must be one that only reads and gives rows: that leaves out
 *  ATTACH, VACUUM INTO and every PRAGMA that changes something. A thread beside it ends the process where it
 *  holds too much memory, and where the command that started it is gone. */

import { readFileSync, writeSync } from 'node:fs';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import type Database from 'better-sqlite3';
import { existingFile, openReadOnly } from '../../storage/file/readable-database.ts';
import { sqliteCode, storageError } from '../../storage/file/storage-error.ts';
import { HeadgateError, messageOf } from '../domain/errors.ts';
import type { Cell, QueryEnd, QueryLine, QueryRequest } from './query-protocol.ts';

const WATCH_EVERY_MS = 50;
const PIPE_PAUSE_MS = 1;
const STDIN = 0;
const STDOUT = 1;

if (isMainThread) main();
else watch(workerData as Watched);

interface Watched {
  readonly memoryBytesMax: number;
  readonly parent: number;
}

/** Signals reach a process whose main thread is inside of SQLite, if they are of the kind that is not
 *  handled. */
function watch({ memoryBytesMax, parent }: Watched): void {
  setInterval(() => {
    if (process.ppid !== parent || process.memoryUsage.rss() > memoryBytesMax) {
      process.kill(process.pid, 'SIGKILL');
    }
  }, WATCH_EVERY_MS);
}

function main(): void {
  const file = process.argv[2] ?? '';
  const parent = Number(process.argv[3]);
  const request = JSON.parse(readFileSync(STDIN, 'utf8')) as QueryRequest;
  const watched: Watched = { memoryBytesMax: request.memoryBytesMax, parent };
  const watcher = new Worker(new URL(import.meta.url), { workerData: watched });
  watcher.once('online', () => {
    try {
      runQuery(file, request);
    } catch (error) {
      const { code, message } = queryError(error, file);
      say({ error: { code, message } });
    }
    process.exit();
  });
}

function runQuery(path: string, { sql, rowsMax, bytesMax }: QueryRequest): void {
  const db = openReadOnly(existingFile(path));
  db.pragma('query_only = ON');
  // What is sorted stays in memory, where it is watched: a full disk would harm more than this process.
  db.pragma('temp_store = MEMORY');
  const statement = readingStatement(db, sql);
  say({ columns: statement.columns().map(({ name }) => name) });
  let [rows, bytes] = [0, 0];
  let cutAt: QueryEnd['cutAt'] = null;
  for (const row of statement.iterate() as Iterable<unknown[]>) {
    const line = lineOf({ row: row.map(cellOf) });
    rows++;
    bytes += line.length;
    cutAt = rows > rowsMax ? 'rows' : bytes > bytesMax ? 'bytes' : null;
    if (cutAt !== null) break;
    write(line);
  }
  say({ end: { cutAt } });
}

/** A change that is explained, behind spaces and comments. */
const EXPLAINS =
  /^(?:\s|--[^\n]*\n|\/\*[^]*?\*\/)*explain\s+(?:query\s+plan\s+)?(?:insert|replace|update|delete|with)\b/i;

function readingStatement(db: Database.Database, sql: string): Database.Statement {
  const statement = db.prepare(sql);
  // EXPLAIN executes nothing, whatever the statement.
  if (!statement.reader || !(statement.readonly || EXPLAINS.test(sql))) {
    throw new HeadgateError(
      'HG_QUERY_INVALID',
      'the statement does more than read; use SELECT, WITH or EXPLAIN',
    );
  }
  return statement.safeIntegers(true).raw(true);
}

function cellOf(value: unknown): Cell {
  if (typeof value === 'bigint') {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : String(value);
  }
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  return Buffer.isBuffer(value) ? value.toString('hex') : (value as string | null);
}

/** What is wrong with the SQL is the user's matter, what is wrong with the file is not. */
function queryError(thrown: unknown, file: string): HeadgateError {
  if (thrown instanceof HeadgateError) return thrown;
  const sqlite = sqliteCode(thrown) ?? '';
  if (/^SQLITE_(?:TOOBIG|NOMEM)/.test(sqlite)) {
    return new HeadgateError('HG_QUERY_LIMIT', `the query makes too large a value (${messageOf(thrown)})`);
  }
  // Without a code it is the driver that refuses: several statements, or none, or parameters.
  const isOfTheQuery = sqlite === '' || /^SQLITE_(?:ERROR|READONLY|MISMATCH|RANGE|AUTH|ABORT)/.test(sqlite);
  return isOfTheQuery
    ? new HeadgateError('HG_QUERY_INVALID', `the query cannot be run: ${messageOf(thrown)}`)
    : storageError(thrown, file);
}

function say(line: QueryLine): void {
  write(lineOf(line));
}

function lineOf(line: QueryLine): string {
  return `${JSON.stringify(line)}\n`;
}

/** Waits until whoever reads has taken it. */
function write(text: string): void {
  const bytes = Buffer.from(text);
  for (let written = 0; written < bytes.length;) {
    try {
      written += writeSync(STDOUT, bytes, written);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      // The pipe is full. There is no event loop to wait in: this thread belongs to the query.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PIPE_PAUSE_MS);
    }
  }
}
