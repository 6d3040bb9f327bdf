/** Reads a configuration of any size without stopping the event loop: a short one at once, any other in a
 *  thread of its own, which ends with the reading. */

import { startThread } from '../../../storage/worker/start-thread.ts';
import { HeadgateError, messageOf } from '../../domain/errors.ts';
import { LIMITS } from '../../domain/limits.ts';
import { readConfig, type ReadConfigOptions, type ReadConfigResult } from './read-config.ts';

/** Input of the thread. */
export interface ThreadReading {
  readonly text: string;
  readonly options: ReadConfigOptions;
}

/** As {@link readConfig}, with the same result.
 *  @throws HeadgateError HG_CONFIG_INVALID where the thread ends before it has an answer. */
export async function readConfigInThread(
  text: string,
  options: ReadConfigOptions,
): Promise<ReadConfigResult> {
  if (isShort(text)) return readConfig(text, options);
  // The environment of the process is no plain object.
  const workerData: ThreadReading = { text, options: { ...options, env: { ...options.env } } };
  const program = new URL('./read-thread', import.meta.url);
  const thread = startThread(program, { name: 'headgate-config', workerData });
  return new Promise((resolve, reject) => {
    const ended = (reason: string) => {
      const message = `the configuration could not be read: its thread has ended: ${reason}; make it smaller`;
      reject(new HeadgateError('HG_CONFIG_INVALID', message));
    };
    thread.once('message', (result: ReadConfigResult) => resolve(result));
    thread.once('error', (error: unknown) => ended(messageOf(error)));
    thread.once('exit', (code) => ended(`it exited with code ${code}`));
  });
}

/** With aliases (`&name`, `*name`) a short text can stand for a large one. */
function isShort(text: string): boolean {
  return text.length <= LIMITS.configCharsInTurn && !text.includes('&');
}
