/** References lead to the environment and to files; secrets are shown nowhere. */

import { describe, expect, test } from 'vitest';
import { sourceSpecOf } from '../../../src/gateway/config/specs.ts';
import { configFolder, configOf, problemsOf, read, valid, writeIn } from './config-rig.ts';

const folder = configFolder();
writeIn(folder, 'secrets/meter', 'Bearer canary-file\n');
writeIn(folder, 'secrets/open', 'canary-open', 0o644);
writeIn(folder, 'secrets/group', 'canary-group', 0o640);
writeIn(folder, 'secrets/large', 'x'.repeat(70_000));
writeIn(folder, 'secrets/two', 'a\nb\r\n');
writeIn(folder, 'secrets/bytes', '');

const http = (rest: string) => `sources:\n  a: { type: http, url: 'http://h', intervalMs: 5, ${rest} }`;

describe('a reference', () => {
  const cases: [title: string, written: string, becomes: string, env?: Record<string, string>][] = [
    ['to the environment', '${A}', 'one', { A: 'one' }],
    ['within a text', 'x${A}y${B}z', 'x1y2z', { A: '1', B: '2' }],
    ['with a default that is not needed', '${A:-two}', 'one', { A: 'one' }],
    ['with a default, to what is not set', '${A:-two}', 'two'],
    ['with a default, to what is empty', '${A:-two}', 'two', { A: '' }],
    ['with an empty default', 'x${A:-}', 'x'],
    ['to what is empty', 'x${A}', 'x', { A: '' }],
    ['whose value looks like a reference is not followed', '${A}', '${B}', { A: '${B}', B: 'no' }],
    ['that is escaped', '$${A}', '${A}', { A: 'one' }],
    ['to a file', 'file:secrets/two', 'a\nb'],
    ['to a file in a folder of the environment', 'file:${D}/two', 'a\nb', { D: 'secrets' }],
    ['that is none', '$A {A} $ {A} file', '$A {A} $ {A} file', { A: 'one' }],
  ];
  for (const [title, written, becomes, env = {}] of cases) {
    test(title, () => {
      const { sources } = configOf(http(`method: POST, body: '${written}'`), { folder, env });
      expect(sources['a']).toMatchObject({ body: becomes });
    });
  }

  test('gives numbers and truth values where they are wanted', () => {
    const { http: options } = configOf("http: { port: '${P}', enabled: '${E:-false}' }", {
      env: { P: '80' },
    });
    expect(options).toMatchObject({ port: 80, enabled: false });
    expect(problemsOf('http: { port: "${P}" }', { env: { P: 'eighty' } })).toEqual([
      '1:15 http.port: must be a number; it is text',
    ]);
  });

  test('stays text where text is wanted, whatever it looks like', () => {
    const { sources } = configOf(http("method: POST, body: '${N}'"), { env: { N: '123456' } });
    expect(sources['a']).toMatchObject({ body: '123456' });
  });

  test('is left alone in an example', () => {
    const { examples } = configOf('examples: [{ name: a, input: [{ data: "${A} file:x" }], expect: [] }]');
    expect(examples[0]?.input[0]?.data).toBe('${A} file:x');
  });

  const failing: [title: string, written: string, message: RegExp][] = [
    [
      'to what is not set',
      '${NONE}',
      /the environment variable NONE is not set; set it, or write \$\{NONE:-default\}/,
    ],
    ['without a name', '${}', /"\$\{\}" is no reference/],
    ['that does not end', '${NONE', /"\$\{NONE" is no reference/],
    ['with a name that is none', '${A-B}', /"\$\{A-B\}" is no reference/],
    ['to no file', 'file:secrets/none', /the file "secrets\/none" does not exist/],
    ['to a folder', 'file:secrets', /the file "secrets" is a folder/],
    ['to a large file', 'file:secrets/large', /the file "secrets\/large" is larger than 65536 bytes/],
  ];
  for (const [title, written, message] of failing) {
    test(`${title} is a problem with its place`, () => {
      const [problem, ...more] = problemsOf(http(`method: POST, body: '${written}'`), { folder });
      expect(problem).toMatch(/^2:72 sources\.a\.body: /);
      expect(problem).toMatch(message);
      expect(more).toEqual([]);
    });
  }
});

describe('a file of secrets', () => {
  const header = (name: string) => http(`headers: { authorization: 'file:secrets/${name}' }`);

  test('that only its owner can read is taken', () => {
    expect(configOf(header('meter'), { folder }).sources['a']).toMatchObject({
      headers: { authorization: 'Bearer canary-file' },
    });
  });

  test.skipIf(process.platform === 'win32')('that others can read is refused', () => {
    for (const mode of [0o644, 0o660, 0o604]) {
      writeIn(folder, 'secrets/open', 'Bearer canary-file', mode);
      const [problem] = problemsOf(header('open'), { folder });
      const shown = mode.toString(8).padStart(4, '0');
      expect(problem).toContain(
        `the file "secrets/open" holds a secret and is open to other users (mode ${shown}); chmod 600 it`,
      );
    }
    writeIn(folder, 'secrets/open', 'Bearer canary-file', 0o644);
  });

  test('may be readable by its group, as Kubernetes makes it', () => {
    expect(problemsOf(header('group'), { folder })).toEqual([]);
  });

  test('may be readable by all where no one may write it, as Docker mounts it', () => {
    writeIn(folder, 'secrets/open', 'Bearer canary-file', 0o444);
    expect(problemsOf(header('open'), { folder })).toEqual([]);
    writeIn(folder, 'secrets/open', 'Bearer canary-file', 0o644);
  });

  test('may be open where what it holds is no secret', () => {
    expect(problemsOf(http("method: POST, body: 'file:secrets/open'"), { folder })).toEqual([]);
  });
});

const CANARIES = {
  sources: `
  plc: { type: mqtt, url: 'mqtts://gw:canary-url@h', topics: a, clientId: c,
         tls: { key: '-----BEGIN canary-key', cert: '-----BEGIN x' } }
  env: { type: mqtt, url: 'mqtt://h', topics: a, username: gw, password: '\${SECRET}' }
  plain: { type: mqtt, url: 'mqtt://h', topics: a, username: gw, password: canary-plain }
  meter: { type: http, url: 'http://h/v?token=canary-query', intervalMs: 1, headers: { x-key: canary-header } }
  file: { type: http, url: 'http://h', intervalMs: 1, headers: { authorization: 'file:secrets/meter' } }
  fallback: { type: mqtt, url: 'mqtt://h', topics: a, username: gw, password: '\${NONE:-canary-default}' }`,
  sinks: `
  cloud: { type: http, url: 'https://h', auth: { bearer: canary-bearer } }
  hub: { type: jetstream, servers: ['nats://h'], subject: a, auth: { creds: canary-creds } }
  basic: { type: http, url: 'https://h', auth: { username: gw, password: canary-basic } }`,
};
const withCanaries = (tail = '') => `sources:${CANARIES.sources}\nsinks:${CANARIES.sinks}\n${tail}`;
const env = { SECRET: 'canary-env' };

describe('secrets', () => {
  test('are masked in the document, references stay', () => {
    const text = withCanaries().replace("key: '-----BEGIN canary-key', cert: '-----BEGIN x'", '');
    const { document, config, digest } = valid(text, { folder, env });
    expect(JSON.stringify(document)).not.toContain('canary');
    expect(digest).not.toContain('canary');
    const sources = document['sources'] as Record<string, unknown>;
    expect(sources['env']).toMatchObject({ password: '${SECRET}' });
    expect(sources['plain']).toMatchObject({ password: '***' });
    expect(sources['plc']).toMatchObject({ url: 'mqtts://***@h' });
    expect(sources['file']).toMatchObject({ headers: { authorization: 'file:secrets/meter' } });
    expect(sources['fallback']).toMatchObject({ password: '${NONE:-***}' });
    expect(config.sources['env']).toMatchObject({ password: 'canary-env' });
  });

  test('are handed out, for the log to leave out', () => {
    const text = withCanaries().replace("key: '-----BEGIN canary-key', cert: '-----BEGIN x'", '');
    const { secrets } = valid(text, { folder, env });
    const wanted = ['url', 'env', 'plain', 'query', 'header', 'file', 'default', 'bearer', 'creds', 'basic'];
    for (const name of wanted) {
      expect(secrets.some((secret) => secret.includes(`canary-${name}`))).toBe(true);
    }
  });

  test('stand in no message, wherever the mistake is', () => {
    const mistakes: [from: string, to: string][] = [
      ["password: '${SECRET}'", "password: '${SECRET}', qos: '${SECRET}'"],
      ["password: '${SECRET}'", "password: '${SECRET}', sharedGroup: '${SECRET}/#'"],
      ["url: 'mqtts://gw:canary-url@h'", "url: 'mqtt://gw:canary-url@h/path?x=canary-url'"],
      ["url: 'mqtts://gw:canary-url@h'", "url: 'mqtts://gw:canary-url@h', username: x"],
      ["'http://h/v?token=canary-query'", "'ftp://h/v?token=canary-query'"],
      ['x-key: canary-header', 'x-key: "canary-header\\nx"'],
      ['password: canary-plain', 'password: [canary-plain]'],
      ['auth: { bearer: canary-bearer }', 'auth: { beaer: canary-bearer }'],
      ['auth: { bearer: canary-bearer }', "auth: { bearer: 'canary-bearer\\u0007' }"],
      ['auth: { creds: canary-creds }', 'auth: canary-creds'],
      ['topics: a, clientId: c', "topics: ['${SECRET}', '${SECRET}'], clientId: c"],
    ];
    for (const [from, to] of mistakes) {
      const text = withCanaries().replace(from, to);
      expect(text).not.toBe(withCanaries());
      const problems = problemsOf(text, { folder, env });
      expect(problems.length).toBeGreaterThan(0);
      expect(problems.join('\n')).not.toContain('canary');
    }
  });

  test('stand in no message about an expression', () => {
    const problems = problemsOf("stages: [{ filter: '${SECRET} +' }]", { env });
    expect(problems.join()).toContain('in the expression');
    expect(problems.join()).not.toContain('canary');
  });

  test('that come back as they were shown are refused, so that no mask becomes a password', () => {
    for (const text of [
      http('headers: { authorization: "***" }'),
      http('headers: { authorization: "${TOKEN:-***}" }'),
      "sources: { a: { type: mqtt, url: 'mqtt://***@broker', topics: a } }",
      "sources: { a: { type: http, url: 'http://host/a?***', intervalMs: 5 } }",
    ]) {
      expect(problemsOf(text).join()).toContain('as it is shown');
    }
    expect(problemsOf(http('headers: { authorization: "${TOKEN}" }'), { env: { TOKEN: 'x' } })).toEqual([]);
    const hash = 'auth: { tokens: [{ name: a, hash: "***", scopes: [read] }] }';
    expect(problemsOf(hash)).toEqual([
      expect.stringContaining('auth.tokens[0].hash: is a secret as it is shown'),
    ]);
  });

  test('are left out of the digest where they are hashes of tokens, too', () => {
    const [one, other] = ['a', 'b'].map((digit) => {
      const hash = `sha256:${digit.repeat(64)}`;
      return valid(`auth: { tokens: [{ name: a, hash: '${hash}', scopes: [read] }] }`).digest;
    });
    expect(other).toBe(one);
  });

  test('are left out of the digest, from which a weak one could be guessed', () => {
    const text = http('headers: { authorization: "${SECRET}" }');
    const [one, other] = ['one', 'two'].map((secret) => valid(text, { env: { SECRET: secret } }).digest);
    expect(other).toBe(one);
  });

  test('stand in no error of a source that is made of an entry', () => {
    const entry = { type: 'http', url: 'ftp://gw:canary@h', intervalMs: 1 };
    expect(() => sourceSpecOf('a', entry)).toThrow(expect.not.stringContaining('canary'));
    expect(() => sourceSpecOf('a', { ...entry, password: 'canary' })).toThrow(/unknown option "password"/);
  });
});

test('a document is masked whatever it is', () => {
  const result = read("sources: { a: { type: http, url: 'http://u:p@[::1]:80/x?y#z', intervalMs: 1 } }");
  expect(result.ok && result.document).toEqual({
    sources: { a: { type: 'http', url: 'http://***@[::1]:80/x?***', intervalMs: 1 } },
  });
});

test('every text below the options of a module is masked, whatever its field is called', () => {
  const folder = configFolder({ 'own.js': 'exports.plc = 1;' });
  const options = '{ pass: secret-1, slot: 3, hosts: [secret-2], ref: "${PLC_PASS}" }';
  const text = `sources: { a: { type: module, module: ./own.js, options: ${options} } }`;
  const { document, config } = valid(text, { folder, env: { PLC_PASS: 'secret-3' } });
  expect(document).toMatchObject({
    sources: { a: { options: { pass: '***', slot: 3, hosts: ['***'], ref: '${PLC_PASS}' } } },
  });
  expect(config.sources['a']).toMatchObject({ options: { pass: 'secret-1', ref: 'secret-3' } });
  expect(JSON.stringify(document)).not.toContain('secret-');
  expect(problemsOf(text.replace('secret-1', '"***"'), { folder, env: { PLC_PASS: 'x' } })).toHaveLength(1);
});
