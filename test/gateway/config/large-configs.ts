/** Large configurations of several kinds, as texts. */

const repeated = (count: number, line: (n: number) => string) =>
  Array.from({ length: count }, (_, n) => line(n)).join('\n');

const MQTT = "type: mqtt, url: 'mqtt://b'";
const mqttSources = (count: number, topic: (n: number) => string) =>
  `sources:\n${repeated(count, (n) => `  s${n}: {${MQTT}, topics: ${topic(n)}}`)}`;
const mqttSinks = (count: number, topic: (n: number) => string) =>
  `sinks:\n${repeated(count, (n) => `  k${n}: {${MQTT}, topic: '${topic(n)}'}`)}`;

/** Each with how many of its entries fit into a file. */
export const LARGE_CONFIGS: readonly (readonly [
  title: string,
  countMax: number,
  make: (count: number) => string,
])[] = [
  ['unknown names', 20_000, (count) => repeated(count, (n) => `k${n}: 1`)],
  [
    'unknown names of sources',
    20_000,
    (count) =>
      `sources:\n${repeated(count / 10, (n) => `  s${n}:\n    type: push\n${repeated(9, (k) => `    k${k}: 1`)}`)}`,
  ],
  ['sources', 20_000, (count) => `sources:\n${repeated(count, (n) => `  s${n}: { type: push }`)}`],
  [
    'references to what is not set',
    15_000,
    (count) => `sources:\n${repeated(count, (n) => `  s${n}: { type: push, tenant: "\${X${n}}" }`)}`,
  ],
  [
    'MQTT sources beside MQTT sinks',
    15_000,
    (count) =>
      `${mqttSources(count, (n) => `in/${n}`)}\n${mqttSinks(count / 75, (n) => `out/{sourceId}/${n}`)}`,
  ],
  [
    'MQTT sinks that feed MQTT sources',
    15_000,
    (count) =>
      `${mqttSources(count, (n) => `a/s${n}/#`)}\n${mqttSinks(count / 75, (n) => `a/s${n}/{data.x}/up`)}`,
  ],
  [
    'file sources beside file sinks',
    10_000,
    (count) =>
      `sources:\n${repeated(count / 2, (n) => `  s${n}: { type: file, path: in/${n}.csv }`)}\n` +
      `sinks:\n${repeated(count / 2, (n) => `  k${n}: { type: file, path: out/${n}.ndjson }`)}`,
  ],
  [
    'misspelt fields',
    20_000,
    (count) => `sources:\n${repeated(count, (n) => `  s${n}: { type: push, decod: a }`)}`,
  ],
  ['names given twice', 20_000, (count) => `sources:\n${repeated(count, () => '  s: { type: push }')}`],
  [
    'secrets',
    10_000,
    (count) =>
      `sources:\n${repeated(count, (n) => `  s${n}: { type: push, password: "secret-${n}-${'x'.repeat(9)}" }`)}`,
  ],
  [
    'tokens',
    8_000,
    (count) =>
      `auth:\n  tokens:\n${repeated(count, (n) => `    - { name: t${n}, scopes: [read], hash: 'sha256:${String(n).padStart(64, '0')}' }`)}`,
  ],
  [
    'names of what was removed',
    20_000,
    (count) => `removed:\n  sources:\n${repeated(count, (n) => `    - s${n}`)}`,
  ],
  [
    'aliases',
    20_000,
    (count) =>
      `sources: &s { a: { type: push } }\nsinks: [${repeated(count, () => '*s,')}]`.replaceAll('\n*', ' *'),
  ],
];
