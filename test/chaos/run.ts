/** The command `npm run -s chaos`: faults by the dozen, and a verdict. Exit code 0 where nothing
 *  acknowledged was lost and the control shows that a loss would have been seen. */

import '../../src/node-version.ts';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { EXIT_CODES } from '../../src/cli/exit-codes.ts';
import { standardOutput } from '../../src/cli/output.ts';
import { runApiFuzz } from './api-command.ts';
import { runFaults } from './fault-command.ts';
import { runFileKills, runFileScripts } from './files/file-command.ts';
import { runKills } from './kill-command.ts';
import { runPowerCuts } from './power-cut-command.ts';

const KILL_ROUNDS = 200;
const CUT_POINTS = 1_000;
const API_REQUESTS = 20_000;
const FILE_SCRIPTS = 10_000;

interface SharedOptions {
  readonly seed: number;
  readonly json?: boolean;
}

async function main(args: readonly string[]): Promise<number> {
  const output = standardOutput();
  let problems: readonly string[] = [];
  const program = new Command('chaos')
    .description('Kills the engine while a broker feeds it, and judges what it stored.')
    .option('--rounds <count>', 'how often to kill it', wholeNumber, KILL_ROUNDS)
    .action(async (options: SharedOptions & { readonly rounds: number }) => {
      problems = await runKills(options, output);
    });
  program
    .command('power-cut')
    .description('Cuts the power at random points of a recorded run, and reads what a disk would have kept.')
    .option('--points <count>', 'how often to cut', wholeNumber, CUT_POINTS)
    .action(async (_own: object, command: Command) => {
      problems = await runPowerCuts(command.optsWithGlobals<SharedOptions & { points: number }>(), output);
    });
  program
    .command('faults')
    .description('Brings about one fault after the other, and compares what happens with what is promised.')
    .option('--only <name>', 'one of them')
    .action(async (_own: object, command: Command) => {
      problems = await runFaults(command.optsWithGlobals<SharedOptions & { only?: string }>(), output);
    });
  program
    .command('api')
    .description('Sends the API requests drawn from its own OpenAPI document, right ones and wrong ones.')
    .option('--requests <count>', 'how many', wholeNumber, API_REQUESTS)
    .action(async (_own: object, command: Command) => {
      problems = await runApiFuzz(command.optsWithGlobals<SharedOptions & { requests: number }>(), output);
    });
  program
    .command('files')
    .description('Writes, rotates, rewrites and empties the files of a file source, and kills it meanwhile.')
    .option('--scripts <count>', 'how many scripts', wholeNumber, FILE_SCRIPTS)
    .option('--kills <count>', 'instead of scripts: how often to kill a process that reads them', wholeNumber)
    .action(async (_own: object, command: Command) => {
      const options = command.optsWithGlobals<SharedOptions & { scripts: number; kills?: number }>();
      const { kills } = options;
      problems =
        kills === undefined
          ? await runFileScripts(options, output)
          : await runFileKills({ ...options, kills }, output);
    });
  for (const command of [program, ...program.commands]) command.allowExcessArguments(false).exitOverride();
  program
    .option('--seed <number>', 'draws every moment and every torn write', wholeNumber, 1)
    .option('--json', 'one JSON document on stdout');
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_CODES.usage.code;
    throw error;
  }
  for (const problem of problems) output.note(`FAILED: ${problem}`);
  return problems.length === 0 ? EXIT_CODES.done.code : EXIT_CODES.failed.code;
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('A whole number from 1 up.');
  return value;
}

process.exitCode = await main(process.argv.slice(2));
