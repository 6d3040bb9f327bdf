/** The command line of `dead-letters`: its commands and what they take. */

import { InvalidArgumentError, Option, type Command } from 'commander';
import type { LettersOptions } from './dead-letters-command.ts';
import type { Output } from './output.ts';
import type { ReadOptions } from './read-commands.ts';

const STATUSES = ['new', 'queued', 'delivered', 'parked'] as const;

export function addDeadLetters(program: Command, output: Output): void {
  const letters = program
    .command('dead-letters')
    .summary('list, show, retry or purge what could not be used')
    .description('What could not be used: records and payloads, with the stage that gave up and why.');
  withSelection(withFile(letters, 'list', 'list the dead letters')).action(
    async (file: string, options: LettersOptions) => {
      const { listLettersCommand } = await import('./dead-letters-command.ts');
      await listLettersCommand(file, options, output);
    },
  );
  withFile(letters, 'show', 'show one dead letter')
    .argument('<id>', 'its number', letterNumber)
    .action(async (file: string, id: number, options: ReadOptions) => {
      const { showLetterCommand } = await import('./dead-letters-command.ts');
      await showLetterCommand(file, id, options, output);
    });
  addChange(letters, 'retry', 'queue dead letters for another try at the next start of the engine', output);
  addChange(letters, 'purge', 'delete dead letters', output);
}

function addChange(letters: Command, action: 'retry' | 'purge', summary: string, output: Output): void {
  const command = withSelection(withFile(letters, action, summary));
  command
    .argument('[ids...]', 'their numbers', (text, ids: number[] | undefined) => [
      ...(ids ?? []),
      letterNumber(text),
    ])
    .option('--all', 'all that --source, --stage and --status select')
    .action(async (file: string, ids: number[] = [], options: LettersOptions & { all?: boolean }) => {
      const isSelecting = options.all === true;
      const hasSelection = [options.source, options.stage, options.status].some((each) => each !== undefined);
      if (isSelecting === ids.length > 0 || (hasSelection && !isSelecting)) {
        command.error('error: name dead letters by number, or select them with --all');
      }
      const { changeLettersCommand } = await import('./dead-letters-command.ts');
      await changeLettersCommand(file, action, ids, options, output);
    });
}

function withFile(letters: Command, name: string, summary: string): Command {
  return letters
    .command(name)
    .description(`${summary[0]?.toUpperCase()}${summary.slice(1)}.`)
    .summary(summary)
    .argument('<file>', 'the database of an engine')
    .option('--json', 'one JSON document on stdout: { "rows": [ … ] }');
}

function withSelection(command: Command): Command {
  return command
    .option('--source <id>', 'only those of this source: plc-7, tenant/plc-7')
    .option('--stage <name>', 'only those of this stage: decode, record, sink:ID, or a stage’s name')
    .addOption(new Option('--status <status>', 'only those of this status').choices(STATUSES));
}

function letterNumber(text: string): number {
  const id = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(id) || id < 1) {
    throw new InvalidArgumentError('The number of a dead letter is needed.');
  }
  return id;
}
