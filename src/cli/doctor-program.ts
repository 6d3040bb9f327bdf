/** The command line of `doctor`. */

import type { Command } from 'commander';
import type { Output } from './output.ts';

export function addDoctor(program: Command, output: Output): void {
  program
    .command('doctor')
    .summary('look whether everything a gateway needs is there and well')
    .description(
      'Looks at Node, disk, database, brokers, servers, clock and limits, and says what to do about each ' +
        'problem. Exit code 1 where there are problems, 69 where they are those of services only.',
    )
    .argument('[file]', 'a configuration (.yaml, .yml, .json), or the database of an engine, running or not')
    .option('--json', 'one JSON document on stdout: { "ok": …, "findings": [ … ] }')
    .action(async (file: string | undefined, options: { json?: boolean }) => {
      const { doctorCommand } = await import('./doctor-command.ts');
      await doctorCommand(file, options, output);
    });
}
