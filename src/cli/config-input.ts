/** The configuration that a command is given. */

import { HeadgateError } from '../domain/errors.ts';
import { readConfig, type ReadConfigResult } from '../gateway/config/read-config.ts';
import { realClock } from '../platform/real-clock.ts';
import { ConfigFile } from '../gateway/config-file.ts';

/** Reads and checks it. @throws HeadgateError HG_CONFIG_INVALID where the file cannot be read */
export function configOf(file: string): ReadConfigResult {
  const { text, format } = new ConfigFile(file).read();
  return readConfig(text, { format, file, env: process.env, nowMs: realClock.wallMs() });
}

export function invalidConfig(file: string, count: number): HeadgateError {
  const problems = count === 1 ? 'one problem' : `${count} problems`;
  return new HeadgateError('HG_CONFIG_INVALID', `${file}: ${problems}`);
}
