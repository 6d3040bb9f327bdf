/** The command that writes an example of a configuration. */

import { writeFile } from 'node:fs/promises';
import { HeadgateError, messageOf } from '../domain/errors.ts';
import { EXAMPLE_CONFIG } from '../gateway/config/example-config.ts';
import type { Output } from './output.ts';

/** @throws HeadgateError HG_CONFIG_EXISTS, HG_OPTION_INVALID */
export async function initCommand(file: string, options: { force?: boolean }, output: Output): Promise<void> {
  if (!/\.ya?ml$/.test(file)) {
    throw new HeadgateError('HG_OPTION_INVALID', `"${file}" must end in .yaml: the example has comments`);
  }
  try {
    // Not looked for first: another process may write it between the look and the writing.
    // It will hold hashes of tokens, and may hold secrets: its owner alone may read it.
    await writeFile(file, EXAMPLE_CONFIG, { flag: options.force === true ? 'w' : 'wx', mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') {
      throw new HeadgateError('HG_CONFIG_EXISTS', `"${file}" is there already; --force overwrites it`);
    }
    throw new HeadgateError('HG_OPTION_INVALID', `"${file}" cannot be written: ${messageOf(error)}`, {
      cause: error,
    });
  }
  await output.write(`${file}\n`);
  output.note(`Next: headgate validate ${file}; headgate test ${file}; headgate run ${file}`);
}
