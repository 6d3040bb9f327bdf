/** The commands about the configuration file: what they take. */

import type { Command } from 'commander';
import type { Output } from './output.ts';

export function addConfigCommands(program: Command, output: Output): void {
  program
    .command('init')
    .summary('write an example of a configuration')
    .description('Writes a commented configuration that runs as it is. Never overwrites a file unasked.')
    .argument('[file]', 'the file to write', 'headgate.yaml')
    .option('--force', 'overwrite the file if it is there')
    .action(async (file: string, options: { force?: boolean }) => {
      const { initCommand } = await import('./init-command.ts');
      await initCommand(file, options, output);
    });
  program
    .command('validate')
    .summary('say what is wrong with a configuration, and where')
    .description('Checks a configuration, what it refers to and the code it names. Starts nothing.')
    .argument('<file>', 'the configuration: YAML, or JSON where its name ends in .json')
    .option('--json', 'one JSON document on stdout: { "ok": …, "problems": [ … ] }')
    .action(async (file: string, options: { json?: boolean }) => {
      const { validateCommand } = await import('./validate-command.ts');
      await validateCommand(file, options, output);
    });
  program
    .command('schema')
    .summary('print the JSON Schema of the configuration, for editors')
    .description('Prints the JSON Schema (draft 2020-12) of the configuration file.')
    .action(async () => {
      const { schemaCommand } = await import('./schema-command.ts');
      await schemaCommand(output);
    });
  program
    .command('test')
    .summary('try the examples of a configuration on its stages')
    .description('Sends the input of each example through the stages, without any source, and compares.')
    .argument('<file>', 'the configuration')
    .option('--json', 'one JSON document on stdout: { "passed": …, "failed": …, "examples": [ … ] }')
    .action(async (file: string, options: { json?: boolean }) => {
      const { testCommand } = await import('./test-command.ts');
      await testCommand(file, options, output);
    });
}
