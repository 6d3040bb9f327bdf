/** `token create`: a token for the API. It is shown this once; the configuration keeps its digest. */

import { randomBytes } from 'node:crypto';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { hashOf, TOKEN_BYTES, tokenOf } from '../http/token-text.ts';
import type { Scope } from '../http/http-deps.ts';
import { realClock } from '../platform/real-clock.ts';
import { parseTime } from '../domain/time-text.ts';
import type { Output } from './output.ts';

export interface TokenOptions {
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** Epoch milliseconds. */
  readonly expires?: number;
  readonly source?: readonly string[];
  readonly json?: boolean;
}

const SCOPES: readonly Scope[] = ['read', 'ingest', 'operate', 'admin'];

export function addToken(program: Command, output: Output): void {
  const token = program
    .command('token')
    .description('Tokens for the API.')
    .summary('make tokens for the API');
  token
    .command('create')
    .summary('make a token, and the entry that goes into the configuration')
    .description('Makes a token and shows it, this once, with the entry that goes into the configuration.')
    .requiredOption('--name <name>', 'who is to use it, for logs and for whoever takes it away again')
    .addOption(
      new Option('--scopes <list>', `what it allows: ${SCOPES.join(', ')}`)
        .argParser(scopeList)
        .makeOptionMandatory(),
    )
    .option('--expires <when>', '2027-01-01, another ISO 8601 time, or 90d (s, m, h, d) from now', expiry)
    .option('--source <id...>', 'only for sending records to these sources')
    .option('--json', 'one JSON document on stdout: { "token": …, "entry": { … } }')
    .action((options: TokenOptions) => createTokenCommand(options, output));
}

async function createTokenCommand(options: TokenOptions, output: Output): Promise<void> {
  const token = tokenOf(randomBytes(TOKEN_BYTES));
  const entry = {
    name: options.name,
    hash: hashOf(token),
    scopes: options.scopes,
    ...(options.expires === undefined ? {} : { expiresAt: new Date(options.expires).toISOString() }),
    ...(options.source === undefined ? {} : { sources: options.source }),
  };
  if (options.json === true) {
    await output.write(`${JSON.stringify({ token, entry }, null, 2)}\n`);
    return;
  }
  output.note('The token, shown this once. It is sent as Authorization: Bearer TOKEN');
  await output.write(`${token}\n`);
  output.note('Its entry in the configuration:');
  output.note(`auth:\n  tokens:\n    - ${JSON.stringify(entry)}`);
}

function scopeList(text: string): Scope[] {
  const names = text.split(',').map((name) => name.trim());
  for (const name of names) {
    if (!SCOPES.includes(name as Scope)) {
      throw new InvalidArgumentError(`There is no scope "${name}"; there are ${SCOPES.join(', ')}.`);
    }
  }
  return [...new Set(names as Scope[])];
}

function expiry(text: string): number {
  const nowMs = realClock.wallMs();
  const inMs = /^\d+[smhd]$/.test(text) ? nowMs - (parseTime(`-${text}`, 0) ?? 0) : parseTime(text, nowMs);
  if (inMs === null) throw new InvalidArgumentError('An ISO 8601 time, or 90d from now.');
  if (inMs <= nowMs) throw new InvalidArgumentError('That time is past already.');
  return inMs;
}
