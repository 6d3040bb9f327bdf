/** Reads configurations for tests: in a folder of their own, with an environment of their own. */

import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll } from 'vitest';
import type { GatewayConfig } from '../../../src/gateway/config/gateway-config.ts';
import { formatProblem } from '../../../src/gateway/config/problems.ts';
import { readConfig, type ReadConfigResult } from '../../../src/gateway/config/read-config.ts';

/** A folder that goes after the tests of the file. */
export function configFolder(files: Readonly<Record<string, string>> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-config-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) writeIn(folder, name, text);
  return folder;
}

export function writeIn(folder: string, name: string, text: string, mode = 0o600): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

export interface Reading {
  readonly folder?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly format?: 'yaml' | 'json';
}

export function read(text: string, { folder = '/nowhere', env = {}, format = 'yaml' }: Reading = {}) {
  return readConfig(text, { format, file: join(folder, 'edge.yaml'), env });
}

/** The lines of the problems, without the name of the file; none where it is valid. */
export function problemsOf(text: string, reading: Reading = {}): string[] {
  const result = read(text, reading);
  return result.ok ? [] : result.problems.map((problem) => formatProblem({ ...problem, file: '' }).slice(1));
}

export function valid(text: string, reading: Reading = {}): Extract<ReadConfigResult, { ok: true }> {
  const result = read(text, reading);
  if (!result.ok) throw new Error(result.problems.map(formatProblem).join('\n'));
  return result;
}

export function configOf(text: string, reading: Reading = {}): GatewayConfig {
  return valid(text, reading).config;
}
