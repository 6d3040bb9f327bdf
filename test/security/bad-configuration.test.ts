// @module-tag full
/** Configurations that must not start, and what is said of them: the place, and what to do. */

import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { makeCertificates } from '../support/mqtt-certificates.ts';
import { headgate } from '../support/command-line.ts';
import { temporaryFolder } from '../storage/fixture.ts';
import { ask, refusedStart, startGateway, testToken, type GatewayStart } from './gateway-process.ts';

const CONFIGURATION = 78;
const token = testToken('panel', ['read']);
const open = { host: '0.0.0.0', port: 0 };
const tokens = { tokens: [token.stored] };
const push = { line: { type: 'push', decode: 'json' } };

describe('does not start, and says why:', () => {
  const texts: readonly (readonly [title: string, yaml: string, says: readonly RegExp[]])[] = [
    ['an unknown section', 'sauces: {}\n', [/1:1/, /sauces/, /sources/]],
    ['an unknown key', 'http:\n  prt: 8484\n', [/2:3/, /http\.prt/, /port/]],
    [
      'an unknown key of a source',
      'sources:\n  a:\n    type: push\n    decod: json\n',
      [/4:5/, /sources\.a\.decod/, /decode/],
    ],
    ['an unknown kind of source', 'sources:\n  a: { type: mqqt }\n', [/2:\d+/, /sources\.a\.type/, /mqtt/]],
    ['a text for a number', 'http: { port: many }\n', [/1:\d+/, /http\.port/, /number/]],
    ['a number out of range', 'http: { port: 70000 }\n', [/http\.port/, /65,?535/]],
    ['a number for a text', 'storage: { path: 7 }\n', [/storage\.path/, /text/]],
    ['a list for a map', 'sources: [a]\n', [/sources/, /map/]],
    ['a key given twice', 'http: { port: 1 }\nhttp: { port: 2 }\n', [/2:1/, /twice/]],
    ['no YAML', 'http: {\n', [/headgate\.yaml:/]],
    ['an alias within itself', 'sources: &a\n  b: *a\n', [/2:6/, /itself/]],
    [
      'an alias bomb',
      `a: &a [x, x]\n${'bcdefghijklmnop'
        .split('')
        .map(
          (name, n) =>
            `${name}: &${name} [*${'abcdefghijklmnop'[n]}, *${'abcdefghijklmnop'[n]}, *${'abcdefghijklmnop'[n]}]\n`,
        )
        .join('')}`,
      [/headgate\.yaml/],
    ],
    ['a tag that makes objects', 'sources: !!js/function "function () {}"\n', [/headgate\.yaml/]],
    ['a key that reaches the prototype', 'sources: { __proto__: { type: push } }\n', [/__proto__/]],
    ['an expression that is none', 'stages:\n  - filter: "record.data >"\n', [/2:\d+/, /stages\.?\[?0/]],
    ['an expression over what is not there', 'stages:\n  - filter: "recrd.data > 1"\n', [/recrd/]],
    [
      'a variable that is not set',
      'sources:\n  a: { type: mqtt, url: "mqtt://127.0.0.1", topics: a, password: "${NOT_SET_ANYWHERE}" }\n',
      [/NOT_SET_ANYWHERE/],
    ],
    [
      'a secret file that is not there',
      'sources:\n  a: { type: mqtt, url: "mqtt://127.0.0.1", topics: a, password: "file:nowhere" }\n',
      [/nowhere/, /not exist/],
    ],
    [
      'a token in place of its hash',
      `auth: { tokens: [{ name: a, hash: "hg_secretsecret", scopes: [read] }] }\n`,
      [/hash/, /sha256/],
    ],
    [
      'an unknown scope',
      `auth: { tokens: [{ name: a, hash: "sha256:${'0'.repeat(64)}", scopes: [root] }] }\n`,
      [/scopes/, /read/],
    ],
    ['a source id with a script', 'sources: { "<script>": { type: push } }\n', [/letters, digits/]],
  ];
  for (const [title, yaml, says] of texts) {
    test(title, async () => {
      const { code, output } = await refusedStart(yaml);
      expect(code).toBe(CONFIGURATION);
      for (const what of says) expect(output).toMatch(what);
      expect(output).not.toMatch(/^\s+at .*\(/m);
      expect(output).not.toContain('hg_secretsecret');
    });
  }
});

describe('does not listen to other machines', () => {
  const cases: readonly (readonly [
    title: string,
    config: GatewayStart['config'],
    says: readonly RegExp[],
  ])[] = [
    ['without tokens and TLS', { http: open }, [/http\.host/, /http\.tls/, /auth\.tokens/]],
    ['without tokens', { http: { ...open, allowPlaintext: true } }, [/token/, /allowOpen/]],
    ['without TLS', { http: open, auth: tokens }, [/http\.tls/, /allowPlaintext/]],
    [
      'without tokens, by an IPv6 address',
      { http: { ...open, host: '::', allowPlaintext: true } },
      [/token/],
    ],
    ['by a name that is not of this machine alone', { http: { ...open, host: 'gateway.example' } }, [/http/]],
  ];
  for (const [title, config, says] of cases) {
    test(title, async () => {
      const { code, output } = await refusedStart({ config: { sources: push, ...config } });
      expect(code).toBe(CONFIGURATION);
      for (const what of says) expect(output).toMatch(what);
    });
  }

  test('unless it is told to in so many words, and then says so in the log', async () => {
    const http = { ...open, allowOpen: true, allowPlaintext: true };
    await using gateway = await startGateway({ config: { http } });
    const warnings = gateway.logLines().filter(({ level }) => level === 'warn');
    expect(JSON.stringify(warnings)).toMatch(/http/);
    expect((await gateway.ask({ path: '/healthz' })).status).toBe(200);
  });
});

describe('a file with a secret', () => {
  const config = {
    sources: {
      a: { type: 'mqtt', url: 'mqtt://127.0.0.1:1', topics: 'a', username: 'a', password: 'file:secret' },
    },
  };

  test('that others may read is refused', { tags: 'full' }, async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'headgate.json'), JSON.stringify(config));
    writeFileSync(join(folder, 'secret'), 'cnrySecretF1le');
    for (const mode of [0o644, 0o604, 0o666, 0o660]) {
      chmodSync(join(folder, 'secret'), mode);
      const { exitCode, stdout, stderr } = await headgate(['run', join(folder, 'headgate.json')], {
        cwd: folder,
      });
      expect(exitCode).toBe(CONFIGURATION);
      expect(stderr).toMatch(/chmod 600/);
      expect(stdout + stderr).not.toContain('cnrySecretF1le');
    }
  });

  test('of its owner’s alone is read', async () => {
    await using gateway = await startGateway({ config, files: { secret: 'cnrySecretF1le' } });
    expect((await gateway.ask({ path: '/api/sources/a' })).status).toBe(200);
  });
});

test('a key for TLS that everybody may read is not used', async () => {
  const certificates = makeCertificates();
  try {
    chmodSync(certificates.keyFile, 0o644);
    const tls = { certFile: certificates.certFile, keyFile: certificates.keyFile };
    const { code, output } = await refusedStart({ config: { http: { ...open, tls }, auth: tokens } });
    expect(code).toBe(CONFIGURATION);
    expect(output).toMatch(/chmod 600/);
    expect(output).not.toContain('PRIVATE KEY');
  } finally {
    certificates.remove();
  }
});

test(
  'what it says when it is not started well, it says when a running one is to change',
  { tags: 'full' },
  async () => {
    await using gateway = await startGateway({ config: { auth: { tokens: [] } } });
    const yaml = { 'content-type': 'application/yaml' };
    for (const body of ['http: { prt: 1 }', 'sauces: {}', 'a: &a [*a]', 'http: { host: 0.0.0.0 }']) {
      const { status, json } = await ask(gateway.port, {
        method: 'PUT',
        path: '/api/config',
        headers: yaml,
        body,
      });
      expect(`${body} ${status}`).toBe(`${body} 422`);
      expect((json as { problems: unknown[] }).problems.length).toBeGreaterThan(0);
    }
    expect((await gateway.ask({ path: '/api/sources/line' })).status).toBe(200);
  },
);
