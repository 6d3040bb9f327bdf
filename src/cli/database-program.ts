/** The command line of what works on a database file as a whole: query, records export, backup, restore. */

import { InvalidArgumentError, Option, type Command } from 'commander';
import { LIMITS } from '../domain/limits.ts';
import type { Output } from './output.ts';
import type { QueryOptions } from './query-command.ts';

const QUERY_ROWS = 1_000;
const QUERY_TIMEOUT_SECONDS = 10;
const QUERY_TIMEOUT_SECONDS_MAX = 3_600;

const FILE = 'the database of an engine, running or not';

export function addQuery(program: Command, output: Output): void {
  program
    .command('query')
    .summary('ask the tables of a database by SQL')
    .description('Runs one SQL statement that only reads, in a process that is killed when its time is over.')
    .argument('<file>', FILE)
    .argument('<sql>', 'one SELECT, WITH or EXPLAIN; docs/timeline.md describes the tables')
    .option('--limit <n>', 'at most so many rows', rows, QUERY_ROWS)
    .option('--timeout <seconds>', 'at most so long', seconds, QUERY_TIMEOUT_SECONDS)
    .addOption(new Option('--json', 'one JSON document on stdout: { "rows": [ … ] }').conflicts('csv'))
    .option('--csv', 'CSV on stdout, the names of the columns first')
    .action(async (file: string, sql: string, options: QueryOptions) => {
      const { queryCommand } = await import('./query-command.ts');
      await queryCommand(file, sql, options, output);
    });
}

function rows(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || count < 1 || count > LIMITS.queryRowsMax) {
    throw new InvalidArgumentError(`A whole number from 1 to ${LIMITS.queryRowsMax}.`);
  }
  return count;
}

function seconds(text: string): number {
  const value = Number(text);
  if (!/^\d+(?:\.\d+)?$/.test(text) || value <= 0 || value > QUERY_TIMEOUT_SECONDS_MAX) {
    throw new InvalidArgumentError(`Seconds, more than 0 and at most ${QUERY_TIMEOUT_SECONDS_MAX}.`);
  }
  return value;
}
