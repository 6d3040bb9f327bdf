/** The file a gateway is configured by: read whole, replaced whole. */

import { chmodSync, closeSync, openSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { extname } from 'node:path';
import { replaceFile } from '../../storage/durable-file.ts';
import { HeadgateError, messageOf } from '../domain/errors.ts';
import type { ConfigFormat } from './gateway-control.ts';

/** JSON where its name ends in `.json`, else YAML. */
export function formatOf(file: string): ConfigFormat {
  return extname(file).toLowerCase() === '.json' ? 'json' : 'yaml';
}

/** @throws HeadgateError HG_CONFIG_INVALID where it cannot be read. */
export function readConfigFile(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new HeadgateError(
      'HG_CONFIG_INVALID',
      `the configuration cannot be read: ${messageOf(error)}; name a file that is there and readable, ` +
        'or write one with `headgate init`',
      { cause: error },
    );
  }
}

/** Puts a new text in its place: after a power cut there is the old one or the new one. Who may read it stays
 *  as it was; a symlink goes on leading to the file it led to.
 *  @throws Error of the file system. */
export function replaceConfigFile(file: string, text: string): void {
  const real = realpathSync(file);
  const mode = statSync(real).mode & 0o777;
  // Made first with the rights it is to have: it may hold what others must not read.
  closeSync(openSync(`${real}${UNFINISHED}`, 'w', 0o600));
  chmodSync(`${real}${UNFINISHED}`, mode);
  replaceFile(real, text, UNFINISHED);
}

const UNFINISHED = '.headgate-new';
