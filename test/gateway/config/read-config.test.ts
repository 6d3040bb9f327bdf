/** What is wrong with a configuration is told: all of it, each with its place, and how to mend it. */

import { describe, expect, onTestFinished, test } from 'vitest';
import { makeCertificates } from '../../support/mqtt-certificates.ts';
import { configFolder, configOf, problemsOf, valid, writeIn } from './config-rig.ts';

const EMPTY =
  ' is empty: it holds no section. Where nothing is to run, write "sources: {}"; ' +
  '`headgate init` writes a file to begin with';
const SEVERAL =
  'holds more than one document; a configuration is one: remove the line "---", or split the file';

const folder = configFolder({ 'stages.js': 'export const enrich = (record) => record.data;' });

describe('a text', () => {
  const cases: [title: string, text: string, problems: string[]][] = [
    ['that is empty', '', [EMPTY]],
    ['of white space', ' \n\t\n', [EMPTY]],
    ['of comments alone', '# nothing\n', [EMPTY]],
    ['that says null', 'null\n', [EMPTY]],
    ['of a document without content', '---\n', [EMPTY]],
    ['of two documents', 'sources: {}\n---\nsinks: {}\n', [`2:1: ${SEVERAL}`]],
    ['of a second document without content', 'sources: {}\n---\n', [`2:1: ${SEVERAL}`]],
    ['of two documents with an end between them', 'sources: {}\n...\nsinks: {}\n', [`3:1: ${SEVERAL}`]],
    ['of one document with both marks', '---\nsources: {}\n...\n', []],
    [
      'with a merge key',
      'sources: &a\n  b: { type: push }\nsinks: { <<: *a }\n',
      [
        '3:10: "<<" is a merge key, which is not supported; write the fields out, or give a whole value by an alias (*name)',
      ],
    ],
    ['with a byte order mark and Windows line ends', '\uFEFFengine: {}\r\nsources: {}\r\n', []],
    [
      'with a byte that no text has',
      'engine: {}\nsources: {\u0000}',
      ['2:11: holds the control character 0x00; it must be UTF-8 text'],
    ],
    [
      'with a word that older YAML takes for false',
      'http: { enabled: off }',
      ['1:18 http.enabled: must be true or false; it is text (write false)'],
    ],
    [
      'that asks for older YAML',
      '%YAML 1.1\n---\nhttp: { enabled: on }',
      ['3:18 http.enabled: must be true or false; it is text (write true)'],
    ],
    [
      'with a number that older YAML takes for octal',
      'http: { port: 0123 }',
      [
        '1:15: begins with a zero: some programs take it for octal; remove the zero, or put it in quotes where it is text',
      ],
    ],
    [
      'with a number that older YAML counts in sixties',
      'http: { port: 1:30 }',
      ['1:15 http.port: must be a number; it is text (write it as one number, without ":")'],
    ],
    [
      'with a number in groups',
      'http: { port: 8_080 }',
      ['1:15 http.port: must be a number; it is text (write it without "_")'],
    ],
    [
      'with more digits than a number holds',
      'engine: { seed: 9007199254740993 }',
      ['1:17: has more digits than a number can hold (2^53); put it in quotes where it is text'],
    ],
    ['with a number without end', 'http: { port: .inf }', ['1:15: must be a finite number']],
    ['that is no map', '- a', ['1:1: must be a map of named values; it is a list']],
    ['with a key twice', 'engine: {}\nengine: {}', ['2:1: names a key twice; each may stand once']],
    [
      'with a source twice',
      'sources:\n  a: { type: push }\n  a: { type: push }',
      ['3:3: names a key twice; each may stand once'],
    ],
    [
      'with a tag',
      'engine: !js/function x',
      ['1:9: the tag !js/function has no meaning here; remove it, and write a map, a list, text or a number'],
    ],
    [
      'with a name that JavaScript abuses',
      'sources: { __proto__: {} }',
      ['1:12: no key may be called __proto__'],
    ],
    [
      'that is indented with tabs',
      'engine:\n\tseed: 1',
      ['2:1: is no YAML: Tabs are not allowed as indentation; indent with spaces'],
    ],
  ];
  for (const [title, text, problems] of cases) {
    test(title, () => expect(problemsOf(text)).toEqual(problems));
  }

  test('whose aliases would fill the memory is refused', () => {
    const levels = Array.from({ length: 12 }, (_, n) =>
      n === 0
        ? 'a0: &a0 [x, x]'
        : `a${n}: &a${n} [${Array(10)
            .fill(`*a${n - 1}`)
            .join(', ')}]`,
    );
    expect(problemsOf(levels.join('\n'))).toEqual([
      expect.stringMatching(/^12:12: is written out to too many values: .*; write the values out/),
    ]);
  });

  test('that nests without end is refused', () => {
    const tooDeep = expect.stringMatching(/^1:\d+: nests deeper than 64 levels; no section does$/);
    for (const levels of [65, 1_000, 50_000]) {
      expect(problemsOf(`sources: ${'['.repeat(levels)}${']'.repeat(levels)}`), String(levels)).toEqual([
        tooDeep,
      ]);
    }
    const asJson = `{"sources":${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}}`;
    expect(problemsOf(asJson, { format: 'json' })).toEqual([tooDeep]);
    expect(problemsOf('a: '.repeat(20_000)).length).toBeGreaterThan(0);
  });

  test('that is too large is refused', () => {
    expect(problemsOf(`# ${'x'.repeat(1024 * 1024)}`)).toEqual([' is larger than 1048576 bytes']);
  });
});

describe('JSON', () => {
  const cases: [text: string, problems: string[]][] = [
    ['{ "engine": { "seed": 1 } }', []],
    [
      '{\n\t"sources": {\n\t\t"a": { "type": "psh" }\n\t}\n}',
      [
        '3:18 sources.a.type: must be one of mqtt, http, file, websocket, push, simulated, module; did you mean "push"?',
      ],
    ],
    ['{ "engine": {}, }', ['1:17: is no JSON: Expected double-quoted property name']],
    ['{ "engine": { } ', ["1:17: is no JSON: Expected ',' or '}' after property value"]],
    ['engine: {}', ['1:1: is no JSON: Unexpected token']],
  ];
  for (const [text, problems] of cases) {
    test(text, () => expect(problemsOf(text, { format: 'json' })).toEqual(problems));
  }

  test('shows nothing of what stands around a mistake', () => {
    const [problem] = problemsOf('{ "password": "hushhush" "x" }', { format: 'json' });
    expect(problem).not.toContain('hush');
  });
});

describe('a field', () => {
  const cases: [text: string, problem: string][] = [
    ['loging: {}', '1:1 loging: is unknown; did you mean "logging"?'],
    ['zzzzzzzzz: {}', '1:1 zzzzzzzzz: is unknown; known here: $schema, engine, storage,'],
    ['http: { port: eighty }', '1:15 http.port: must be a number; it is text'],
    ['http: { port: 70000 }', '1:15 http.port: must be at most 65535'],
    ['http: { port: 1.5 }', '1:15 http.port: must be a whole number; it is a number that is not whole'],
    ['http: [1]', '1:7 http: must be a map of named values; it is a list'],
    [
      'logging: { level: infos }',
      '1:19 logging.level: must be one of trace, debug, info, warn, error, silent; did you mean "info"?',
    ],
    ['sources: { a: {} }', '1:12 sources.a.type: is missing; it must be one of mqtt,'],
    ['sources: { a: { type: http, intervalMs: 1 } }', '1:12 sources.a.url: is missing; it must be text'],
    [
      'sources: { a: { type: push, decode: jsn } }',
      '1:37 sources.a.decode: must be one of json, ndjson, csv, text, bytes, or a map of named values; did you mean "json"?',
    ],
    ['sources: { a b: { type: push } }', '1:12 sources.a b: "a b" must be 1 to 128 letters'],
    ['sources: { registry: { type: push } }', '1:12 sources.registry: "registry" is the name of an actor'],
    ['sources: { "sink:a": { type: push } }', '1:12 sources.sink:a: "sink:a" must not begin with "sink:"'],
    [
      'sources: { a: { type: http, url: ftp://x, intervalMs: 1 } }',
      '1:34 sources.a.url: must be an http:// or https:// address',
    ],
    [
      'sources: { a: { type: mqtt, url: 10.0.0.1, topics: a } }',
      '1:34 sources.a.url: must be a URL like mqtt://host:1883',
    ],
    ['sources: { a: { type: mqtt, url: "mqtt://x", topics: [a/#/b] } }', '1:55 sources.a.topics[0]:'],
    [
      'sources: { a: { type: mqtt, url: "mqtt://x", topics: [{ topic: a, qos: 3 }] } }',
      '1:72 sources.a.topics[0].qos: must be one of 0, 1, 2',
    ],
    [
      'sources: { a: { type: simulated } }',
      '1:12 sources.a.intervalMs: exactly one of intervalMs, burst and stream',
    ],
    [
      'sinks: { a: { type: fiel, path: x } }',
      '1:21 sinks.a.type: must be one of file, http, mqtt, jetstream, function, module; did you mean "file"?',
    ],
    [
      'sinks: { a: { type: file, path: x, columns: [seq] } }',
      '1:45 sinks.a.columns: goes with format "csv" only',
    ],
    [
      'burst: { thresholdRecords: 3, windowMs: 5, clearRecords: 4 }',
      '1:58 burst.clearRecords: must not be above thresholdRecords',
    ],
    [
      'storage: { retention: { fileBytesMax: 1048576 } }',
      '1:39 storage.retention.fileBytesMax: must be at least 4 times',
    ],
    [
      'limits: { global: { recordsPerSecond: 3 } }',
      '1:21 limits.global.recordsPerSecond: is unknown; did you mean "recordsPerSecondMax"?',
    ],
    [
      'auth: { tokens: [{ name: a, hash: secret, scopes: [read] }] }',
      '1:35 auth.tokens[0].hash: must be "sha256:" and 64 hex digits',
    ],
    ['metrics: { otlp: { url: nowhere } }', '1:25 metrics.otlp.url: must be an http:// or https:// address'],
    ['control: { mqtt: { url: nowhere } }', '1:25 control.mqtt.url: must be a URL like mqtt://host:1883'],
    [
      'stages: [{ filter: "true", drop: a }]',
      '1:10 stages[0]: must have one of filter, transform, set, drop, queue, module; it has filter and drop',
    ],
    [
      'stages: [{}]',
      '1:10 stages[0]: must have one of filter, transform, set, drop, queue, module; it has none',
    ],
    ['stages: [{ set: {} }]', '1:17 stages[0].set: must name at least one field'],
    ['stages: [{ module: stages }]', '1:20 stages[0].module: must be FILE#EXPORT'],
    [
      'examples: [{ name: a, input: [], expect: [{}] }]',
      '1:43 examples[0].expect[0]: must have one of data and poison',
    ],
  ];
  for (const [text, problem] of cases) {
    test(text, () => {
      const problems = problemsOf(text);
      expect(problems).toHaveLength(1);
      expect(problems[0]?.slice(0, problem.length)).toBe(problem);
    });
  }
});

describe('an expression that is wrong is told with its place:', () => {
  const cases: [title: string, text: string, problem: string][] = [
    [
      'in quotes',
      "stages: [{ filter: 'record.dta.x > 1' }]",
      '1:28 stages[0].filter: in the expression: record has no "dta"; did you mean "record.data"?',
    ],
    [
      'without quotes',
      'stages:\n  - filter: record.data.x >\n',
      '2:28 stages[0].filter: in the expression: it ends too soon',
    ],
    [
      'in a block',
      'stages:\n  - filter: |-\n      true\n      && recrd.data.x\n',
      '4:10 stages[0].filter: in the expression: unknown variable: recrd; did you mean "record"?',
    ],
    [
      'in a set',
      'stages:\n  - set: { a: "1", b: "1 +* 2" }\n',
      '2:27 stages[0].set.b: in the expression: unexpected "*"',
    ],
    [
      'of a type that cannot be',
      'stages: [{ filter: "1 + 2" }]',
      '1:21 stages[0].filter: must give true or false, and gives int',
    ],
    [
      'in a dedup key',
      'sources: { a: { type: push, dedupKey: record.seq } }',
      '1:46 sources.a.dedupKey: in the expression: record has no "seq"; it has id, data, atMs, contentType',
    ],
    ['in a sink', 'sinks: { a: { type: file, path: x, filter: record.id } }', ''],
    [
      'a pattern',
      'stages: [{ filter: \'record.id.matches("(a")\' }]',
      '1:39 stages[0].filter: in the expression: the pattern is none of RE2: error parsing regexp: missing closing ): `(a`',
    ],
  ];
  for (const [title, text, problem] of cases) {
    test(title, () => expect(problemsOf(text)).toEqual(problem === '' ? [] : [problem]));
  }
});

describe('what no field shows by itself:', () => {
  const file = (id: string, path: string) => `${id}: { type: file, path: ${path} }`;
  const mqtt = (id: string) => `${id}: { type: mqtt, url: 'mqtt://h', topics: a, clientId: one }`;
  const token = (name: string, hash: string) =>
    `{ name: ${name}, hash: 'sha256:${hash.repeat(64)}', scopes: [read] }`;
  const cases: [title: string, text: string, problem: RegExp][] = [
    [
      'two sinks write one file',
      `sinks:\n  ${file('a', 'x')}\n  ${file('b', './x')}`,
      /^3:26 sinks\.b\.path: ".*x" is written by another part/,
    ],
    [
      'a sink writes the database',
      `storage: { path: x }\nsinks:\n  ${file('a', 'x')}`,
      /^3:26 sinks\.a\.path: .* written by another part/,
    ],
    [
      'a source reads what a sink writes',
      `sources:\n  ${file('a', 'x')}\nsinks:\n  ${file('b', 'x')}`,
      /^2:26 sources\.a\.path: .* by this gateway itself/,
    ],
    [
      'two clients bear one id',
      `sources:\n  ${mqtt('a')}\n  ${mqtt('b')}`,
      /^3:58 sources\.b\.clientId: another client/,
    ],
    [
      'two stages bear one name',
      'stages:\n  - { name: a, filter: "true" }\n  - { queue: { name: a, capacityRecords: 1 } }',
      /^3:22 stages\[1\]\.queue\.name: another stage/,
    ],
    [
      'two tokens bear one name',
      `auth:\n  tokens:\n    - ${token('a', 'a')}\n    - ${token('a', 'b')}`,
      /^4:15 auth\.tokens\[1\]\.name/,
    ],
    [
      'two tokens are the same',
      `auth:\n  tokens:\n    - ${token('a', 'a')}\n    - ${token('b', 'a')}`,
      /^4:24 auth\.tokens\[1\]\.hash/,
    ],
    [
      'an origin is none',
      'http: { allowedOrigins: [scada.example/x] }',
      /^1:26 http\.allowedOrigins\[0\]: must be an origin/,
    ],
    [
      'code is not there',
      'stages: [{ module: ./none.js#a }]',
      /^1:20 stages\[0\]\.module: there is no file "\/.*\/none\.js"/,
    ],
    [
      'a certificate is not there',
      'http: { tls: { certFile: none.pem, keyFile: stages.js } }',
      /^1:26 http\.tls\.certFile: the file "none\.pem" does not exist/,
    ],
    [
      'the door stands open to the network',
      'http: { host: 0.0.0.0, allowPlaintext: true }',
      /^1:15 http\.host: others can reach this address and auth\.tokens is empty/,
    ],
    [
      'it is overheard',
      `http: { host: '::' }\nauth: { tokens: [${token('a', 'a')}] }`,
      /^1:15 http\.host: others can reach this address and http\.tls is not set/,
    ],
  ];
  for (const [title, text, problem] of cases) {
    test(title, () => {
      const problems = problemsOf(text, { folder });
      expect(problems[0]).toMatch(problem);
      expect(problems.filter((line) => problem.test(line))).toHaveLength(1);
    });
  }

  const topic = (more: string, rest = '') => `control: { mqtt: { url: '${more}' } }\n${rest}`;
  const known = `auth: { tokens: [${token('a', 'a')}] }`;

  test('a control topic on a broker of others needs tokens and TLS, or a field that says otherwise', () => {
    const open = /^1:\d+ control\.mqtt\.url: the broker is on another machine and auth\.tokens is empty/;
    const plain =
      /^1:\d+ control\.mqtt\.url: the broker is on another machine and commands, with their tokens/;
    const expectEach = (text: string, each: readonly RegExp[]) => {
      const found = problemsOf(text);
      expect([text, found.length]).toEqual([text, each.length]);
      for (const [index, pattern] of each.entries()) expect(found[index]).toMatch(pattern);
    };
    expectEach(topic('mqtt://10.0.0.1'), [open, plain]);
    expectEach(topic('mqtts://broker.example'), [open]);
    expectEach(topic('mqtt://broker.example', known), [plain]);
    expectEach(topic('ws://[2001:db8::1]:80/mqtt', known), [plain]);
    expectEach(topic('wss://broker.example/mqtt', known), []);
    for (const host of ['127.0.0.1', '127.9.9.9', 'localhost', '[::1]'])
      expectEach(topic(`mqtt://${host}`), []);
    const allowed = "control: { mqtt: { url: 'mqtt://10.0.0.1', allowOpen: true, allowPlaintext: true } }";
    expectEach(allowed, []);
    expect(valid(allowed).warnings).toMatchObject([{ path: 'control.mqtt.topic', line: 1 }]);
    expect(valid(topic('mqtt://127.0.0.1')).warnings).toHaveLength(1);
    expect(valid(topic('mqtt://127.0.0.1', known)).warnings).toEqual([]);
  });

  test('characters in the credentials of an address that end it are told, without the address', () => {
    const source = (url: string) => `sources: { a: { type: mqtt, url: "${url}", topics: a } }`;
    const wrong = [
      'mqtt://user:p@ss/word#1@host',
      'mqtt://user:pa/ss@host',
      'mqtt://user:pa?ss@host',
      'mqtt://user:pa#ss@host',
      'mqtt://user:p@ss@host',
      'mqtt://us/er:pass@host:1883',
      'mqtt://user:100%@host',
      'mqtt://user:%ff@host',
    ];
    for (const url of wrong) {
      const found = problemsOf(source(url));
      expect([url, found.length]).toEqual([url, 1]);
      expect(found[0]).toMatch(/^1:\d+ sources\.a\.url: the name or password in it holds a character/);
      expect(found[0]).not.toContain(url.slice(8));
    }
    expect(problemsOf(source(' mqtt://host'))[0]).toContain('white space');
    const http = (url: string) => `sources: { a: { type: http, url: "${url}", intervalMs: 1000 } }`;
    for (const url of [
      'http://host/users/@me',
      'http://[::1]:80/a@b',
      'http://host:80/?q=a@b',
      'http://u:p%40@h/',
    ])
      expect([url, problemsOf(http(url))]).toEqual([url, []]);
    expect(valid(http('http://u:secret@h/')).warnings).toMatchObject([{ path: 'sources.a.url' }]);
    const env = { PASSWORD: 'secret' };
    expect(valid(http('http://u:${PASSWORD}@h/'), { env }).warnings).toEqual([]);
  });

  test('an open door that is asked for in so many words is let be', () => {
    expect(problemsOf('http: { host: 0.0.0.0, allowOpen: true, allowPlaintext: true }')).toEqual([]);
    expect(problemsOf('http: { enabled: false, host: 0.0.0.0 }')).toEqual([]);
    expect(problemsOf('http: { host: localhost }')).toEqual([]);
    expect(problemsOf('http: { host: 127.3.2.1 }')).toEqual([]);
  });
});

test('everything is told at once, in the order of the file', () => {
  const text = `sources:
  plc-7: { type: mqtt, url: 'mqtt://h', topcs: [a], qos: 5 }
  meter: { type: http, url: 'http://h', intervalMs: soon }
stages:
  - filter: record.data.x >
sinks:
  archive: { type: file, path: x, columns: [seq] }
  other: { type: file, path: x }
http: { port: -1 }
snks: {}
`;
  expect(problemsOf(text).map((line) => line.split(': ')[0])).toEqual([
    '2:41 sources.plc-7.topcs',
    '2:58 sources.plc-7.qos',
    '3:53 sources.meter.intervalMs',
    '5:28 stages[0].filter',
    '7:44 sinks.archive.columns',
    '8:30 sinks.other.path',
    '9:15 http.port',
    '10:1 snks',
  ]);
});

test('of very many problems the first hundred are told, and how many more there are', () => {
  const lines = Array.from({ length: 130 }, (_, n) => `s${n}: 1`);
  const problems = problemsOf(lines.join('\n'));
  expect(problems).toHaveLength(101);
  expect(problems.at(-1)).toBe(' and 30 more problems');
});

test('a file of its own is seen from the folder of the configuration', () => {
  writeIn(folder, 'x.ndjson', '');
  const text = `
storage: { path: db/edge.db, retention: { timeline: { ageMsMax: 1, archiveFolder: old } } }
sources: { a: { type: file, path: x.ndjson }, b: { type: push, decode: { module: ./stages.js#enrich } } }
sinks: { a: { type: file, path: /abs/out }, b: { type: function, deliver: ./stages.js#enrich } }
stages: [{ module: stages.js }]
`;
  const { storage, sources, sinks, stages } = configOf(text, { folder });
  expect(storage.path).toBe(`${folder}/db/edge.db`);
  expect(storage.retention.timeline?.archiveFolder).toBe(`${folder}/old`);
  expect(sources['a']).toMatchObject({ path: `${folder}/x.ndjson` });
  expect(sources['b']).toMatchObject({ decode: { module: `${folder}/stages.js#enrich` } });
  expect(sinks['a']).toMatchObject({ path: '/abs/out' });
  expect(sinks['b']).toMatchObject({ deliver: `${folder}/stages.js#enrich` });
  expect(stages[0]).toMatchObject({ module: `${folder}/stages.js#default` });
});

test('a limit for each source goes to those that have none of their own', () => {
  const { sources } = configOf(`
limits: { perSource: { recordsPerSecondMax: 7 } }
sources:
  a: { type: push }
  b: { type: push, rateLimit: { recordsPerSecondMax: 3, policy: delay } }
`);
  expect(sources['a']).toMatchObject({ rateLimit: { recordsPerSecondMax: 7, policy: 'auto' } });
  expect(sources['b']).toMatchObject({ rateLimit: { recordsPerSecondMax: 3, policy: 'delay' } });
});

test('what runs is found in the configuration as the process takes it', () => {
  const certificates = makeCertificates();
  onTestFinished(() => certificates.remove());
  const { certFile, keyFile, client } = certificates;
  writeIn(folder, 'other.pem', client.key);
  const http = (key: string) =>
    `http: { host: 0.0.0.0, tls: { certFile: '${certFile}', keyFile: '${key}' } }`;
  expect(problemsOf(`${http('other.pem')}\nauth: { open: true }`, { folder }).join()).toContain(
    'http.tls: the key and the certificate cannot be used together: key values mismatch; replace both',
  );
  const { config, files } = valid(
    `
${http(keyFile)}
auth: { tokens: [{ name: a, hash: 'sha256:${'0a'.repeat(32)}', scopes: [admin], expiresAt: 2030-01-01 }] }
`,
    { folder },
  );
  expect([...files.keys()]).toEqual([certFile, keyFile]);
  expect(config.http.tls).toMatchObject({
    cert: expect.stringContaining('CERTIFICATE'),
    key: expect.stringContaining('KEY'),
  });
  expect(config.auth.tokens[0]).toEqual({
    ...{ name: 'a', hash: `sha256:${'0a'.repeat(32)}`, scopes: ['admin'], sources: null },
    expiresAtMs: Date.UTC(2030, 0, 1),
  });
});

test('the digest is that of what is meant, not of how it is written', () => {
  const one = valid('http: { port: 8484 }\nlogging: { level: info }').digest;
  expect(valid('# other words\nlogging: {level: "info"}').digest).toBe(one);
  expect(valid('examples: [{ name: a, input: [], expect: [] }]').digest).toBe(one);
  expect(valid('http: { port: 8485 }').digest).not.toBe(one);
  expect(one).toMatch(/^[0-9a-f]{64}$/);
});
