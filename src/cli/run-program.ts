/** How the command `run` is asked for. */

import { InvalidArgumentError, Option, type Command } from 'commander';
import { LOG_LEVELS } from '../gateway/log-levels.ts';
import type { Output } from './output.ts';
import type { RunOptions } from './run-command.ts';

export function addRun(program: Command, output: Output): void {
  program
    .command('run')
    .summary('run a gateway from its configuration')
    .description(
      'Runs a gateway from its configuration, YAML or JSON, until it is told to end. SIGTERM and SIGINT ' +
        'drain and end it, a second one ends it at once; SIGHUP, or a change of the file, applies what ' +
        'differs in it. The log goes to stderr: for people on a terminal, else a JSON document a line.',
    )
    .argument('<file>', 'the configuration')
    .option('--check', 'only say what is wrong with the configuration')
    .option('--pretty', 'a log for people, wherever it goes')
    .option('--no-pretty', 'a JSON document a line, wherever it goes')
    .addOption(new Option('--log-level <level>', 'the least weighty lines to write').choices(LOG_LEVELS))
    .option('--duration <seconds>', 'end by itself after so long', seconds)
    .action(async (file: string, options: RunOptions) => {
      const { runCommand } = await import('./run-command.ts');
      await runCommand(file, options, output);
    });
}

export function seconds(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value < 0) {
    throw new InvalidArgumentError('A number of seconds is needed, 0 or more.');
  }
  return value;
}
