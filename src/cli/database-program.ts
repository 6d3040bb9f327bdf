/** The command line of what works on a database file as a whole: query, records export, backup, restore. */

import { InvalidArgumentError, Option, type Command } from 'commander';
import { LIMITS } from '../domain/limits.ts';
import { ESCAPE_FORMULAS, ESCAPE_FORMULAS_MEANING, type CsvOptions } from './csv-options.ts';
import type { Output } from './output.ts';
import type { QueryOptions } from './query-command.ts';
import type { ReadOptions } from './read-commands.ts';
import type { ExportOptions } from './records-command.ts';
import { time, wholeNumber } from './argument-values.ts';

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
    .option(ESCAPE_FORMULAS, ESCAPE_FORMULAS_MEANING)
    .action(async (file: string, sql: string, options: QueryOptions, command: Command) => {
      requireCsv(options, options.csv === true, command);
      const { queryCommand } = await import('./query-command.ts');
      await queryCommand(file, sql, options, output);
    });
}

export function addRecords(program: Command, output: Output): void {
  program
    .command('records')
    .summary('export the record log')
    .description('The record log of a database.')
    .command('export')
    .summary('write the records as NDJSON or CSV')
    .description('Writes the records, each held against its checksum; damaged ones are named and left out.')
    .argument('<file>', FILE)
    .addOption(new Option('--format <format>', 'how').choices(['ndjson', 'csv']).default('ndjson'))
    .option('--source <id>', 'only those of this source: plc-7, tenant/plc-7')
    .option('--since <time>', 'only those of this time or later, by the time they bear', time)
    .option('--until <time>', 'only those of this time or earlier', time)
    .option('--after-seq <n>', 'only those with a greater number', wholeNumber)
    .option('--output <file>', 'into a new file, which is whole once it is there (default: stdout)')
    .option(ESCAPE_FORMULAS, ESCAPE_FORMULAS_MEANING)
    .action(async (file: string, options: ExportOptions, command: Command) => {
      requireCsv(options, options.format === 'csv', command);
      const { exportCommand } = await import('./records-command.ts');
      await exportCommand(file, options, output);
    });
}

export function addBackup(program: Command, output: Output): void {
  program
    .command('backup')
    .summary('copy a database, also while an engine writes it')
    .description('Writes a backup, proves it, and gives it its name only then.')
    .argument('<file>', FILE)
    .argument('<backup>', 'a file that is not there yet')
    .option('--json', 'one JSON document on stdout: { "file": …, "bytes": …, "timeline": …, "records": … }')
    .action(async (file: string, backup: string, options: ReadOptions) => {
      const { backupCommand } = await import('./backup-command.ts');
      await backupCommand(file, backup, options, output);
    });
  program
    .command('restore')
    .summary('put a backup in the place of a database')
    .description('Proves a backup and puts it in the place of a database, which is kept under another name.')
    .argument('<backup>', 'the backup')
    .argument('<file>', 'the database of an engine that does not run, or a file that is not there yet')
    .option('--json', 'one JSON document on stdout: { "file": …, "movedAside": …, "from": …, … }')
    .action(async (backup: string, file: string, options: ReadOptions) => {
      const { restoreCommand } = await import('./backup-command.ts');
      await restoreCommand(backup, file, options, output);
    });
}

function requireCsv({ escapeFormulas }: CsvOptions, isCsv: boolean, command: Command): void {
  if (escapeFormulas === true && !isCsv) command.error(`error: ${ESCAPE_FORMULAS} goes with CSV only`);
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
