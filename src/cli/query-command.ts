/** `query`: one SQL statement over the tables of a database, reading only, within bounds. */

import { LIMITS } from '../domain/limits.ts';
import type { CsvOptions } from './csv-options.ts';
import { csvText } from './csv-text.ts';
import type { Output } from './output.ts';
import type { Cell } from './query-protocol.ts';
import { runQuery, type QueryResult } from './query-process.ts';
import { readableCell } from './readable.ts';
import { jsonDocumentWriter } from './row-writers.ts';
import { createTable, type Column } from './table.ts';

export interface QueryOptions extends CsvOptions {
  readonly json?: boolean;
  readonly csv?: boolean;
  readonly limit: number;
  /** Seconds. */
  readonly timeout: number;
}

/** @throws HeadgateError as {@link runQuery}. */
export async function queryCommand(
  path: string,
  sql: string,
  options: QueryOptions,
  output: Output,
): Promise<void> {
  const limits = { rowsMax: options.limit, timeoutMs: options.timeout * 1_000 };
  const result = await runQuery(path, sql, limits);
  if (options.json === true) await writeJson(result, output);
  else if (options.csv === true) await output.write(csvText([result.columns, ...result.rows], options));
  else await writeTable(result, output);
  if (result.cutAt === 'rows') {
    output.note(
      `these are the first ${options.limit} rows; --limit gives more, up to ${LIMITS.queryRowsMax}`,
    );
  } else if (result.cutAt === 'bytes') {
    const megabytes = LIMITS.queryBytesMax / 2 ** 20;
    output.note(`these are the first ${result.rows.length} rows: no more than ${megabytes} MiB are given`);
  }
}

async function writeJson({ columns, rows }: QueryResult, output: Output): Promise<void> {
  const keys = uniqueNames(columns);
  const writer = jsonDocumentWriter(output);
  for (const row of rows)
    await writer.rows([Object.fromEntries(keys.map((key, index) => [key, row[index]]))]);
  await writer.end();
}

/** A column that bears the name of one before it gets its place as a suffix: `seq`, `seq:2`. */
function uniqueNames(columns: readonly string[]): string[] {
  const taken = new Set<string>();
  return columns.map((column) => {
    let name = column;
    for (let copy = 2; taken.has(name); copy++) name = `${column}:${copy}`;
    taken.add(name);
    return name;
  });
}

async function writeTable({ columns, rows }: QueryResult, output: Output): Promise<void> {
  const isNumeric = (index: number) =>
    rows.some((row) => typeof row[index] === 'number') &&
    rows.every((row) => row[index] === null || typeof row[index] === 'number');
  const shown: Column<readonly Cell[]>[] = columns.map((title, index) => ({
    title: readableCell(title),
    cell: (row) => readableCell(row[index]),
    ...(isNumeric(index) ? { align: 'right' as const } : { shrinks: true as const }),
  }));
  const lines = createTable(shown, output).lines(rows);
  if (lines.length === 0) output.note('no rows');
  else await output.write(`${lines.join('\n')}\n`);
}
