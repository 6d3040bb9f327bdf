/** Runs a query in a process of its own, which is killed when its time is over. */

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { extname } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { HeadgateError } from '../domain/errors.ts';
import { LIMITS } from '../domain/limits.ts';
import { realClock } from '../platform/real-clock.ts';
import type { Cell, QueryEnd, QueryLine, QueryRequest } from './query-protocol.ts';

export interface QueryLimits {
  readonly rowsMax: number;
  readonly timeoutMs: number;
  /** Of the rows as JSON; default LIMITS.queryBytesMax. */
  readonly bytesMax?: number;
  /** Of the process that runs it; default LIMITS.queryMemoryBytesMax. */
  readonly memoryBytesMax?: number;
}

export interface QueryResult extends QueryEnd {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}

/** Resolves when the process is gone.
 *  @throws HeadgateError HG_QUERY_INVALID, HG_QUERY_LIMIT, or an HG_STORAGE_ code where the file cannot be
 *  read. */
export async function runQuery(path: string, sql: string, limits: QueryLimits): Promise<QueryResult> {
  const { rowsMax, timeoutMs, bytesMax = LIMITS.queryBytesMax } = limits;
  const { memoryBytesMax = LIMITS.queryMemoryBytesMax } = limits;
  const child = startChild(path, { sql, rowsMax, bytesMax, memoryBytesMax });
  let isTimeOver = false;
  const timer = realClock.setTimeout(() => {
    isTimeOver = true;
    child.kill('SIGKILL');
  }, timeoutMs);
  try {
    const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
    const [lines, [exitCode, signal]] = await Promise.all([linesOf(child), closed]);
    const result = resultOf(lines);
    if (result !== null) return result;
    if (isTimeOver) {
      const seconds = timeoutMs / 1_000;
      const message = `the query was ended after ${seconds} s; narrow it, or give it more --timeout`;
      throw new HeadgateError('HG_QUERY_LIMIT', message, { details: { timeoutMs } });
    }
    if (signal === 'SIGKILL') {
      const message = `the query was ended: it held more than ${memoryBytesMax / 2 ** 20} MiB; narrow it`;
      throw new HeadgateError('HG_QUERY_LIMIT', message, { details: { memoryBytesMax } });
    }
    throw new Error(`the process of the query ended with ${signal ?? exitCode}`);
  } finally {
    realClock.clearTimeout(timer);
  }
}

function startChild(path: string, request: QueryRequest): ChildProcess {
  // The same program, compiled or not: the compiler does not look into URLs.
  const extension = extname(new URL(import.meta.url).pathname);
  const program = fileURLToPath(new URL(`./query-child${extension}`, import.meta.url));
  const args = [program, path, String(process.pid)];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  // A child that died before it read says so by its end.
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(JSON.stringify(request));
  return child;
}

async function linesOf(child: ChildProcess): Promise<string[]> {
  let text = '';
  // Not by node:readline: it ends lines at U+2028 and U+2029, which stand in JSON as they are.
  for await (const chunk of (child.stdout as Readable).setEncoding('utf8')) text += chunk as string;
  return text.split('\n').filter((line) => line !== '');
}

/** Null where the process did not come to its end: it may have left half a line. */
function resultOf(lines: readonly string[]): QueryResult | null {
  const last = lines.at(-1);
  if (last === undefined || !/^\{"(?:end|error)":.*\}$/.test(last)) return null;
  let columns: readonly string[] = [];
  let end: QueryEnd = { cutAt: null };
  const rows: (readonly Cell[])[] = [];
  for (const text of lines) {
    const line = JSON.parse(text) as QueryLine;
    if ('row' in line) rows.push(line.row);
    else if ('columns' in line) columns = line.columns;
    else if ('end' in line) end = line.end;
    else throw new HeadgateError(line.error.code, line.error.message);
  }
  return { columns, rows, ...end };
}
