import { expect, test } from 'vitest';
import { compareConfigs, isSameConfig } from '../../src/gateway/compare.ts';

const BASE = {
  engine: { seed: 1, stopDeadlineMs: 10_000, health: { intervalMs: 10_000 } },
  storage: { path: 'edge.db', retention: null },
  sources: {
    a: { type: 'http', url: 'http://one', intervalMs: 100, headers: { authorization: 'secret' } },
    b: { type: 'push' },
  },
  stages: [{ filter: 'true' }],
  limits: { global: { recordsPerSecondMax: 10 } },
  burst: null,
  sinks: { out: { type: 'file', path: 'x' } },
  http: { host: '127.0.0.1', port: 8_484, tls: null },
  auth: { tokens: [{ name: 'scada', hash: 'sha256:1' }] },
  logging: { level: 'info', format: 'json' },
};

type Config = typeof BASE;

/** What is told of the base changed in one way. */
function difference(change: (config: Config & Record<string, unknown>) => unknown) {
  const next = structuredClone(BASE) as Config & Record<string, unknown>;
  change(next);
  return compareConfigs(BASE, next);
}

const cases: [
  title: string,
  change: Parameters<typeof difference>[0],
  changes: unknown[],
  restart: string[],
][] = [
  ['nothing', () => undefined, [], []],
  [
    'a source more',
    (next) => Object.assign(next.sources, { c: { type: 'push' } }),
    [{ path: 'sources.c', action: 'added' }],
    [],
  ],
  [
    'a source less',
    (next) => delete (next.sources as Record<string, unknown>)['b'],
    [{ path: 'sources.b', action: 'removed' }],
    [],
  ],
  [
    'fields of a source, one deep',
    (next) => Object.assign(next.sources.a, { intervalMs: 5, headers: { authorization: 'other' } }),
    [{ path: 'sources.a', action: 'changed', fields: ['intervalMs', 'headers.authorization'] }],
    [],
  ],
  [
    'the stages as a whole',
    (next) => (next.stages = [{ filter: 'false' }]),
    [{ path: 'stages', action: 'changed' }],
    [],
  ],
  [
    'a limit',
    (next) => (next.limits.global.recordsPerSecondMax = 20),
    [{ path: 'limits.global', action: 'changed', fields: ['recordsPerSecondMax'] }],
    [],
  ],
  [
    'a burst, where there was none',
    (next) => Object.assign(next, { burst: { thresholdRecords: 1 } }),
    [{ path: 'burst', action: 'added' }],
    [],
  ],
  [
    'a token by its name',
    (next) => (next.auth.tokens = [{ name: 'other', hash: 'sha256:1' }]),
    [
      { path: 'auth.tokens.scada', action: 'removed' },
      { path: 'auth.tokens.other', action: 'added' },
    ],
    [],
  ],
  [
    'the level of the log',
    (next) => (next.logging.level = 'debug'),
    [{ path: 'logging', action: 'changed', fields: ['level'] }],
    [],
  ],
  ['the port', (next) => (next.http.port = 1), [], ['http.port']],
  [
    'TLS, where there was none',
    (next) => Object.assign(next.http, { tls: { certFile: 'a' } }),
    [],
    ['http.tls'],
  ],
  ['where it is stored', (next) => (next.storage.path = 'other.db'), [], ['storage.path']],
  [
    'the control topic and the export of metrics, where there were none',
    (next) => Object.assign(next, { control: { mqtt: {} }, metrics: { otlp: null } }),
    [
      { path: 'control', action: 'added' },
      { path: 'metrics', action: 'added' },
    ],
    [],
  ],
];

for (const [title, change, changes, needsRestart] of cases) {
  test(`what differs: ${title}`, () => {
    expect(difference(change)).toEqual({ changes, needsRestart });
  });
}

test('no value is told, only names', () => {
  const told = difference((next) => (next.sources.a.headers.authorization = 'another secret'));
  expect(JSON.stringify(told)).not.toContain('secret');
});

test('a certificate that is replaced counts at once', () => {
  const withTls = (cert: string) => ({ ...BASE, http: { ...BASE.http, tls: { cert, key: 'k' } } });
  expect(compareConfigs(withTls('a'), withTls('b'))).toEqual({
    changes: [{ path: 'http.tls', action: 'changed', fields: ['cert'] }],
    needsRestart: [],
  });
  // Without TLS at the start there is no certificate to replace.
  expect(compareConfigs(withTls('a'), withTls('b'), BASE).needsRestart).toEqual(['http.tls']);
  expect(compareConfigs(withTls('a'), BASE)).toEqual({ changes: [], needsRestart: ['http.tls'] });
});

test('a setting that counts from the next start is compared with the start, not with the version before', () => {
  const second = structuredClone(BASE);
  second.http.port = 1;
  const third = structuredClone(second);
  third.stages = [];
  expect(compareConfigs(second, third, BASE).needsRestart).toEqual(['http.port']);
  expect(compareConfigs(second, BASE, BASE).needsRestart).toEqual([]);
  expect(isSameConfig(second, BASE)).toBe(false);
});

test('the order of fields is no difference, that of stages is', () => {
  const { sources, ...rest } = structuredClone(BASE);
  expect(isSameConfig(BASE, { ...rest, sources: { b: sources.b, a: sources.a } })).toBe(true);
  expect(isSameConfig({ stages: [1, 2] }, { stages: [2, 1] })).toBe(false);
});
