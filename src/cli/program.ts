/** The command line: which commands there are, what they take, and what their exit code says. What they do
 *  stands in modules of their own, loaded when they are called. */

import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { HeadgateError, messageOf } from '../domain/errors.ts';
import { TIMELINE_KINDS } from '../domain/timeline.ts';
import { addBackup, addQuery, addRecords } from './database-program.ts';
import { addConfigCommands } from './config-program.ts';
import { addDeadLetters } from './dead-letters-program.ts';
import { addDoctor } from './doctor-program.ts';
import { EXIT_CODES, exitReasonOf } from './exit-codes.ts';
import { standardOutput, type Output } from './output.ts';
import type { ListOptions, ReadOptions } from './read-commands.ts';
import { time, wholeNumber } from './argument-values.ts';
import { protectRelativeTime, TIME_FORMS } from './time-argument.ts';
import { addRun } from './run-program.ts';
import { addStart } from './start-program.ts';
import { addToken } from './token-command.ts';

const VERSION_ASKED = 'headgate.version';

/** Runs the command that `args` (without node and script) name. Returns the exit code; never throws. */
export async function main(args: readonly string[], output: Output = standardOutput()): Promise<number> {
  try {
    await createProgram(output).parseAsync(args.map(protectRelativeTime), { from: 'user' });
    return EXIT_CODES.done.code;
  } catch (error) {
    if (error instanceof CommanderError && error.code === VERSION_ASKED) {
      const { versionLines } = await import('./versions.ts');
      await output.write(versionLines());
      return EXIT_CODES.done.code;
    }
    return exitCodeOf(error, output);
  }
}

/** Says what went wrong, with its error code, unless the parser already has. */
function exitCodeOf(error: unknown, output: Output): number {
  if (error instanceof CommanderError) {
    return error.exitCode === 0 ? EXIT_CODES.done.code : EXIT_CODES.usage.code;
  }
  if (!(error instanceof HeadgateError)) {
    output.note(`headgate: ${messageOf(error)}`);
    return EXIT_CODES.failed.code;
  }
  output.note(`headgate: ${error.message} (${error.code})`);
  return EXIT_CODES[exitReasonOf(error.code)].code;
}

function createProgram(output: Output): Command {
  const program = new Command('headgate')
    .description(
      'Actor-model ingestion engine for edge gateways: run a gateway, and ask afterwards what it did.',
    )
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void output.write(text),
      writeErr: (text) => output.note(text.trimEnd()),
    })
    .showHelpAfterError('(--help says more)')
    .option('-V, --version', 'print the versions of Headgate, Node and SQLite')
    .on('option:version', () => {
      throw new CommanderError(0, VERSION_ASKED, 'version');
    })
    .addHelpText('after', `\n${TIMES_HELP}\n\n${exitCodesHelp()}`);
  addStart(program, output);
  addRun(program, output);
  addDemo(program);
  addTimeline(program, output);
  addAlerts(program, output);
  addSources(program, output);
  addSinks(program, output);
  addExplain(program, output);
  addAt(program, output);
  addVerify(program, output);
  addDeadLetters(program, output);
  addDoctor(program, output);
  addQuery(program, output);
  addRecords(program, output);
  addBackup(program, output);
  addConfigCommands(program, output);
  addToken(program, output);
  return program;
}

function addDemo(program: Command): void {
  program
    .command('demo')
    .summary('run one of the demo timelines, or all of them')
    .description('Runs a demo: health, backpressure, registry, burst, or all of them one after the other.')
    .argument('[name]', 'the demo', 'all')
    .option(
      '--virtual',
      'simulated sources under a virtual clock: done in a moment, the same to the byte for a seed',
    )
    .option('--seed <n>', 'seed of everything that is left to chance (default: 1)', wholeNumber)
    .option('--db <file>', 'the database to write (default: a new file in the temporary folder, kept)')
    .option('--json', 'one JSON document on stdout')
    .action(
      async (name: string, options: { virtual?: boolean; seed?: number; db?: string; json?: boolean }) => {
        const { runDemoCommand } = await import('./demo.ts');
        await runDemoCommand(name, options);
      },
    );
}

function addTimeline(program: Command, output: Output): void {
  const kind = new Option('--kind <kind>', 'only rows of this kind').choices(TIMELINE_KINDS);
  listCommand(program, 'timeline', 'list what happened, row by row')
    .addOption(kind)
    .action(async (file: string, options: ListOptions) => {
      const { timelineCommand } = await import('./read-commands.ts');
      await timelineCommand(file, options, output);
    });
}

function addAlerts(program: Command, output: Output): void {
  listCommand(program, 'alerts', 'list the alerts').action(async (file: string, options: ListOptions) => {
    const { alertsCommand } = await import('./read-commands.ts');
    await alertsCommand(file, options, output);
  });
}

/** What the listings have in common. */
function listCommand(program: Command, name: string, summary: string): Command {
  return readCommand(program, name, summary)
    .option('--actor <id>', 'only rows of this actor: plc-7, tenant/plc-7, registry, …')
    .option('--event <name>', 'only rows of this event: link.opened, BURST, …')
    .option('--since <time>', 'only rows of this time or later', time)
    .option('--until <time>', 'only rows of this time or earlier', time)
    .option('--limit <n>', 'only the last n rows', rowCount)
    .addOption(
      new Option('--follow', 'go on with new rows as they come; with --json one row a line').conflicts(
        'until',
      ),
    );
}

function addSources(program: Command, output: Output): void {
  readCommand(program, 'sources', 'list the sources and how they are').action(
    async (file: string, options: ReadOptions) => {
      const { sourcesCommand } = await import('./read-commands.ts');
      await sourcesCommand(file, options, output);
    },
  );
}

function addSinks(program: Command, output: Output): void {
  readCommand(program, 'sinks', 'list the sinks, how they are and how far they have come').action(
    async (file: string, options: ReadOptions) => {
      const { sinksCommand } = await import('./read-commands.ts');
      await sinksCommand(file, options, output);
    },
  );
}

function addExplain(program: Command, output: Output): void {
  readCommand(program, 'explain', 'say why an actor is in its state: the chain of causes')
    .argument('<actor>', 'the actor: plc-7, tenant/plc-7, registry, …')
    .option('--at <time>', 'the state it was in at this time, not the last one', time)
    .action(async (file: string, actor: string, options: { at?: number; json?: boolean }) => {
      const { explainCommand } = await import('./explain-command.ts');
      await explainCommand(file, actor, options, output);
    });
}

function addAt(program: Command, output: Output): void {
  readCommand(program, 'at', 'list the state of every actor at a time')
    .argument('<time>', TIME_FORMS, time)
    .action(async (file: string, atMs: number, options: ReadOptions) => {
      const { atCommand } = await import('./read-commands.ts');
      await atCommand(file, atMs, options, output);
    });
}

function addVerify(program: Command, output: Output): void {
  readCommand(
    program,
    'verify',
    'check that nothing in the file was damaged or lost',
    '{ "ok": …, … }',
  ).action(async (file: string, options: ReadOptions) => {
    const { verifyCommand } = await import('./verify-command.ts');
    await verifyCommand(file, options, output);
  });
}

/** A command that reads a database, also while an engine writes it. */
function readCommand(
  program: Command,
  name: string,
  summary: string,
  document = '{ "rows": [ … ] }',
): Command {
  return program
    .command(name)
    .description(`${summary[0]?.toUpperCase()}${summary.slice(1)}.`)
    .summary(summary)
    .argument('<file>', 'the database of an engine, running or not')
    .option('--json', `one JSON document on stdout: ${document}`);
}

function rowCount(text: string): number {
  const value = wholeNumber(text);
  if (value < 1) throw new InvalidArgumentError('At least 1.');
  return value;
}

const TIMES_HELP = `Times: ${TIME_FORMS}.`;

function exitCodesHelp(): string {
  const lines = Object.values(EXIT_CODES).map(
    ({ code, meaning }) => `  ${String(code).padStart(3)}  ${meaning}`,
  );
  return [
    'Exit codes:',
    ...lines,
    '',
    'Errors end with their code (HG_…): docs/errors.md explains each.',
  ].join('\n');
}
