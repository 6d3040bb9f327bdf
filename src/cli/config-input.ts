/** The configuration that a command is given. */

import { readFile } from 'node:fs/promises';
import { HeadgateError, messageOf } from '../domain/errors.ts';
import type { ConfigFormat } from '../gateway/gateway-control.ts';
import { readConfig, type ReadConfigResult } from '../gateway/config/read-config.ts';

/** Reads and checks it. @throws HeadgateError HG_CONFIG_INVALID where the file cannot be read */
export async function configOf(file: string): Promise<ReadConfigResult> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new HeadgateError('HG_CONFIG_INVALID', `the file "${file}" cannot be read: ${messageOf(error)}`, {
      cause: error,
    });
  }
  return readConfig(text, { format: formatOf(file), file, env: process.env });
}

function formatOf(file: string): ConfigFormat {
  return file.endsWith('.json') ? 'json' : 'yaml';
}

export function invalidConfig(file: string, count: number): HeadgateError {
  const problems = count === 1 ? 'one problem' : `${count} problems`;
  return new HeadgateError('HG_CONFIG_INVALID', `${file}: ${problems}`);
}
