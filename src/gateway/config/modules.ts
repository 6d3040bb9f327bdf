/** Code of the user's that a configuration names. It is loaded in the caller's turn and once a process: a
 *  file that was changed counts from the next start on. */

import { createRequire } from 'node:module';
import { isAbsolute, resolve } from 'node:path';
import { regularFileProblem } from '../../../storage/file/bounded-file.ts';
import { HeadgateError, messageOf } from '../../domain/errors.ts';
import { LIMITS } from '../../domain/limits.ts';

export interface ModuleReference {
  /** Absolute. */
  readonly file: string;
  readonly name: string;
}

/** Takes `./stages.js#enrich` apart; the default export where no name is given. */
export function moduleReference(text: string, folder: string): ModuleReference {
  const [file = '', name = 'default'] = text.split('#');
  return { file: isAbsolute(file) ? file : resolve(folder, file), name };
}

/** Why there can be no such code, without loading it; null where there is a file. */
export function moduleProblem(text: string, folder: string): string | null {
  const { file } = moduleReference(text, folder);
  const problem = regularFileProblem(file, LIMITS.moduleBytesMax);
  if (problem === null) return null;
  return problem === 'does not exist' ? `there is no file "${file}"` : `"${file}" ${problem}`;
}

/** What the file exports under the name.
 *  @throws HeadgateError HG_MODULE_FAILED */
export function loadExport(text: string, folder: string): unknown {
  const { file, name } = moduleReference(text, folder);
  let loaded: Record<string, unknown>;
  const problem = moduleProblem(text, folder);
  if (problem !== null) throw new HeadgateError('HG_MODULE_FAILED', problem, { details: { file } });
  try {
    loaded = createRequire(file)(file) as Record<string, unknown>;
  } catch (error) {
    throw new HeadgateError(
      'HG_MODULE_FAILED',
      `the module "${file}" cannot be loaded: ${messageOf(error)}`,
      {
        cause: error,
        details: { file },
      },
    );
  }
  if (loaded !== null && typeof loaded === 'object' && name in loaded) return loaded[name];
  // The whole of a CommonJS module is its default.
  if (name === 'default' && typeof loaded === 'function') return loaded;
  const names = Object.keys(loaded ?? {})
    .filter((one) => one !== '__esModule')
    .join(', ');
  throw new HeadgateError(
    'HG_MODULE_FAILED',
    `"${file}" exports no "${name}"; it exports ${names || 'nothing'}`,
    {
      details: { file, name },
    },
  );
}

/** As {@link loadExport}, of a function. */
export function loadFunction(text: string, folder: string): (...args: never[]) => unknown {
  const value = loadExport(text, folder);
  if (typeof value === 'function') return value as (...args: never[]) => unknown;
  throw new HeadgateError('HG_MODULE_FAILED', `"${text}" must be a function; it is ${typeof value}`);
}
