/** How the command `start` is asked for. */

import { InvalidArgumentError, type Command } from 'commander';
import type { Output } from './output.ts';
import { seconds } from './run-program.ts';
import type { StartOptions } from './start-command.ts';

const FOLDER = 'headgate-data';
const PORT_MAX = 65_535;

export function addStart(program: Command, output: Output): void {
  program
    .command('start')
    .summary('start a gateway with nothing configured, and a field of devices to try it on')
    .description(
      'Starts a gateway with nothing configured: an MQTT broker, stations that publish real measurements ' +
        'to it, two HTTP sensors, the database, the API. Says where everything is and what to try, and ' +
        'shows it while it runs. Its configuration lies in the folder; change it while it runs.',
    )
    .option('--duration <seconds>', 'end by itself after so long, with a summary', seconds)
    .option('--folder <folder>', 'where configuration, database and archive lie', FOLDER)
    .option('--port <port>', 'of the API; 0: any that is free (default: 8484)', port)
    .action(async (options: StartOptions) => {
      const { startCommand } = await import('./start-command.ts');
      await startCommand(options, output);
    });
}

function port(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > PORT_MAX) {
    throw new InvalidArgumentError(`A number from 0 to ${PORT_MAX} is needed.`);
  }
  return value;
}
