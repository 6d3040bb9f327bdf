/** `headgate token create`, run as a user does. */

import { describe, expect, test } from 'vitest';
import { hashOf } from '../../src/http/token-text.ts';
import { headgate } from '../support/command-line.ts';

interface Created {
  readonly token: string;
  readonly entry: { readonly name: string; readonly hash: string } & Record<string, unknown>;
}

const create = (...args: string[]) => headgate(['token', 'create', ...args]);

describe('token create', () => {
  test('gives a token and the entry that knows its digest only', async () => {
    const ended = await create('--name', 'scada', '--scopes', 'read,ingest', '--source', 'a', 'b', '--json');
    const { token, entry } = JSON.parse(ended.stdout) as Created;
    expect(token).toMatch(/^hg_[\w-]{43}$/);
    expect(entry).toEqual({
      ...{ name: 'scada', hash: hashOf(token), scopes: ['read', 'ingest'], sources: ['a', 'b'] },
    });
    expect(JSON.stringify(entry)).not.toContain(token);
    expect([ended.exitCode, ended.stderr]).toEqual([0, '']);
  });

  test('puts nothing but the token on stdout, so that it can go into a file', async () => {
    const ended = await create('--name', 'x', '--scopes', 'admin', '--expires', '90d');
    expect(ended.stdout).toMatch(/^hg_[\w-]{43}\n$/);
    expect(ended.stderr).toContain(hashOf(ended.stdout.trim()));
    const expiresAt = /"expiresAt":"([^"]+)"/.exec(ended.stderr)?.[1] ?? '';
    const days = (Date.parse(expiresAt) - Date.now()) / 86_400_000;
    expect(days).toBeGreaterThan(89.9);
    expect(days).toBeLessThanOrEqual(90);
  });

  const wrong: [args: string[], complaint: string][] = [
    [['--scopes', 'read'], "required option '--name <name>'"],
    [['--name', 'x'], "required option '--scopes <list>'"],
    [['--name', 'x', '--scopes', 'reed'], 'There is no scope "reed"'],
    [['--name', 'x', '--scopes', 'read', '--expires', '2001-01-01'], 'past already'],
    [['--name', 'x', '--scopes', 'read', '--expires', 'soon'], '90d from now'],
  ];
  for (const [args, complaint] of wrong) {
    test.concurrent(`refuses ${args.join(' ')}`, async ({ expect: expectHere }) => {
      const ended = await create(...args);
      expectHere([ended.exitCode, ended.stdout]).toEqual([2, '']);
      expectHere(ended.stderr).toContain(complaint);
    });
  }
});
