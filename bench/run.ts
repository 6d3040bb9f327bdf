/** The command `npm run -s bench`: measures and prints. Figures are no assertions: it ends well also where a
 *  bound is not met. */

import '../src/node-version.ts';
import { writeFileSync } from 'node:fs';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { EXIT_CODES } from '../src/cli/exit-codes.ts';
import { standardOutput } from '../src/cli/output.ts';
import type { Bench } from './bench.ts';
import { BENCHES } from './benches.ts';
import { drawChart } from './chart.ts';
import { printTable } from './print-table.ts';
import { rowOf, type Measured } from './result.ts';

interface BenchOptions {
  readonly only?: string;
  readonly json?: boolean;
  readonly chart?: string;
  readonly runs: number;
  readonly seconds?: number;
}

const RUNS_MIN = 5;

async function main(args: readonly string[]): Promise<number> {
  const command = new Command('bench')
    .description('Measures the engine and prints medians, each beside what it is held against.')
    .option('--only <name>', 'one benchmark, or one of its rows', knownName)
    .option('--runs <count>', `how often to measure, at least ${RUNS_MIN}`, runCount, RUNS_MIN)
    .option('--seconds <count>', 'how long to look at what takes its time', secondCount)
    .option('--json', 'one JSON document on stdout')
    .option('--chart <file>', 'draws the rows into an SVG file, too')
    .addHelpText('after', `\nBenchmarks:\n${describeBenches()}`)
    .allowExcessArguments(false)
    .exitOverride();
  try {
    command.parse(args, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_CODES.usage.code;
    throw error;
  }
  await bench(command.opts<BenchOptions>());
  return EXIT_CODES.done.code;
}

async function bench({ only, json, chart, runs, seconds }: BenchOptions): Promise<void> {
  const output = standardOutput();
  const measured: Measured[] = [];
  for (const one of BENCHES.filter((candidate) => isAskedFor(candidate, only))) {
    output.note(`measuring ${one.name} …`);
    const figures = await one.measure(runs, seconds === undefined ? {} : { seconds });
    measured.push(...figures.filter(({ name }) => only === undefined || only === one.name || only === name));
  }
  if (json === true) await output.write(`${JSON.stringify(measured.map(rowOf), null, 2)}\n`);
  else await printTable(measured, output);
  if (chart !== undefined) writeFileSync(chart, drawChart(measured));
}

function isAskedFor({ name, rows }: Bench, only: string | undefined): boolean {
  return only === undefined || name === only || rows.includes(only);
}

function knownName(name: string): string {
  const known = [...new Set(BENCHES.flatMap((one) => [one.name, ...one.rows]))];
  if (!known.includes(name)) throw new InvalidArgumentError(`The benchmarks are: ${known.join(', ')}.`);
  return name;
}

function runCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < RUNS_MIN)
    throw new InvalidArgumentError(`A whole number from ${RUNS_MIN} up.`);
  return count;
}

function secondCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) throw new InvalidArgumentError('A whole number from 1 up.');
  return count;
}

function describeBenches(): string {
  return BENCHES.map(({ name, rows }) => {
    const others = rows.filter((row) => row !== name);
    return `  ${name}${others.length === 0 ? '' : ` (${others.join(', ')})`}`;
  }).join('\n');
}

process.exitCode = await main(process.argv.slice(2));
