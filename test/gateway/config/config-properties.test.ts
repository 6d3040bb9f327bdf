/** Whatever is written: a misspelling gets the right name at the right place, what is valid comes through
 *  whole, and what is damaged is told of, never thrown. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { EXAMPLE_CONFIG } from '../../../src/gateway/config/example-config.ts';
import { engineOptionsOf, sinkSpecOf, sourceSpecOf } from '../../../src/gateway/config/specs.ts';
import { CONFIGURATION_EXAMPLES } from '../../repo/configuration-examples.ts';
import { configOf, read } from './config-rig.ts';

/** Names of the example that stand alone on their line, and so can be misspelled there. */
const NAMES = EXAMPLE_CONFIG.split('\n').flatMap((line, index) => {
  const [, indent, name] =
    /^( *)(storage|sources|stages|limits|burst|sinks|http|logging|examples|path|retention|type|intervalMs|failRate|decode|rotate|host|port):/.exec(
      line,
    ) ?? [];
  return name === undefined ? [] : [{ line: index + 1, column: (indent?.length ?? 0) + 1, name }];
});

/** One slip of a finger within a word. */
const misspelling = (name: string) =>
  fc
    .record({
      at: fc.nat(name.length - 2),
      letter: fc.constantFrom('a', 'e', 'i', 'm', 'r', 's', 't', 'x', 'z'),
      slip: fc.nat(3),
    })
    .map(({ at, letter, slip }) => {
      const [before, here, next, after] = [name.slice(0, at), name[at], name[at + 1], name.slice(at + 2)];
      switch (slip) {
        case 0:
          return before + next + here + after;
        case 1:
          return before + here + letter + next + after;
        case 2:
          return before + letter + next + after;
        default:
          return before + here + after;
      }
    })
    // One letter from two names: either is right.
    .filter((slipped) => slipped !== name && slipped !== 'post');

test('a misspelled name is found where it stands, and the right one is named', { tags: 'full' }, () => {
  const slip = fc
    .constantFrom(...NAMES)
    .chain((place) => misspelling(place.name).map((slipped) => ({ ...place, slipped })));
  fc.assert(
    fc.property(slip, ({ line, column, name, slipped }) => {
      const lines = EXAMPLE_CONFIG.split('\n');
      lines[line - 1] = (lines[line - 1] ?? '').replace(`${name}:`, `${slipped}:`);
      const result = read(lines.join('\n'));
      if (result.ok) throw new Error('it was let pass');
      const problem = result.problems.find((one) => one.line === line && one.column === column);
      // Where the kind of an entry is misspelled, nothing is known of what it may hold.
      if (name === 'type') {
        expect(result.problems.map(({ path }) => path.split('.').at(-1))).toContain('type');
        return;
      }
      expect(problem?.path.split('.').at(-1)).toBe(slipped);
      expect(problem?.suggestion).toBe(name);
    }),
    { numRuns: 300 },
  );
});

const word = fc.stringMatching(/^[a-z][a-z0-9]{0,11}$/);
const count = fc.integer({ min: 1, max: 100_000 });
const maybe = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined });
const common = {
  tenant: maybe(word),
  outlet: maybe(
    fc.record({ capacityRecords: count, overflow: fc.constantFrom('block', 'drop-newest', 'spill') }),
  ),
  breaker: maybe(fc.record({ failures: count, coolDownMs: count })),
  rateLimit: maybe(fc.record({ recordsPerSecondMax: count, policy: fc.constantFrom('drop', 'delay') })),
  dedupKey: maybe(
    fc.constantFrom('record.id', 'string(record.data.n)', 'has(record.data.k) ? record.data.k : null'),
  ),
};
const source = fc.oneof(
  fc.record({ type: fc.constant('push'), ...common, pendingMax: maybe(count) }),
  fc.record({
    type: fc.constant('http'),
    ...common,
    url: word.map((host) => `http://${host}/x`),
    intervalMs: count,
  }),
  fc.record({
    type: fc.constant('mqtt'),
    ...common,
    url: word.map((host) => `mqtt://${host}`),
    topics: fc.uniqueArray(word, { minLength: 1, maxLength: 4 }),
    qos: fc.constantFrom(0, 1, 2),
  }),
  fc.record({
    type: fc.constant('simulated'),
    ...common,
    intervalMs: count,
    failRate: maybe(fc.double({ min: 0, max: 1, noNaN: true })),
  }),
);
const sink = fc.record({
  type: fc.constant('http'),
  url: word.map((host) => `https://${host}/in`),
  filter: maybe(fc.constantFrom('record.data.v > 1', 'record.id == "a"')),
  batch: maybe(fc.record({ rowsMax: count, lingerMs: fc.nat(60_000) })),
});
const stage = fc.oneof(
  fc.record({ filter: fc.constantFrom('record.data.v > 1', 'true', 'has(record.data.x)') }),
  fc.record({
    set: fc.dictionary(word, fc.constantFrom('1', 'record.data.a + 1', '"x"'), {
      minKeys: 1,
      maxKeys: 3,
      noNullPrototype: true,
    }),
  }),
  fc.record({ drop: fc.array(word, { minLength: 1, maxLength: 3 }) }),
);
const dictionary = <Value>(value: fc.Arbitrary<Value>) =>
  fc.dictionary(
    word.map((name) => `s-${name}`),
    value,
    { maxKeys: 5, noNullPrototype: true },
  );
const config = fc.record({
  engine: maybe(fc.record({ stopDeadlineMs: count })),
  sources: dictionary(source),
  sinks: dictionary(sink),
  stages: fc.array(stage, { maxLength: 4 }),
  limits: maybe(fc.record({ global: fc.record({ recordsPerSecondMax: count }) })),
  http: maybe(fc.record({ port: fc.integer({ min: 0, max: 65_535 }) })),
});

test('a valid configuration comes through YAML and JSON to sources, sinks and options', () => {
  fc.assert(
    fc.property(config, (written) => {
      const json = JSON.stringify(written);
      const plain = JSON.parse(json) as Record<string, Record<string, Record<string, unknown>>>;
      const fromYaml = configOf(stringify(plain));
      expect(configOf(json, { format: 'json' })).toEqual(fromYaml);
      expect(fromYaml.sources).toMatchObject(plain['sources'] ?? {});
      expect(fromYaml.sinks).toMatchObject(plain['sinks'] ?? {});
      for (const [id, entry] of Object.entries(fromYaml.sources)) {
        const spec = sourceSpecOf(id, entry);
        expect(spec.id).toBe(id);
        expect(spec.outlet).toMatchObject(plain['sources']?.[id]?.['outlet'] ?? {});
      }
      for (const [id, entry] of Object.entries(fromYaml.sinks)) expect(sinkSpecOf(id, entry).id).toBe(id);
      expect(engineOptionsOf(fromYaml).stages).toHaveLength(written.stages.length);
    }),
    { numRuns: 60 },
  );
});

const TEXTS = [EXAMPLE_CONFIG, ...Object.values(CONFIGURATION_EXAMPLES)];
const PIECES = [
  ': ',
  '- ',
  '[',
  ']',
  '{',
  '}',
  '"',
  "'",
  '\n',
  '\t',
  '&a ',
  '*a',
  '!!x ',
  '|',
  '>-',
  '#',
  '${',
  '}',
  'file:',
  '\0',
  '\u{1F600}',
  '---\n',
  '%',
  '?',
  '@',
  '`',
  '<<: ',
  '~',
  '0x',
  '1e999',
  '.inf',
];
const mutation = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  cut: fc.nat(12),
  put: fc.constantFrom('', ...PIECES),
});

/** Of processor time, for one damaged text, on the average. */
const CPU_MS_MAX = 50;

test('a damaged text is told of, never thrown, and soon', () => {
  const damaged = fc
    .record({
      text: fc.constantFrom(...TEXTS),
      mutations: fc.array(mutation, { minLength: 1, maxLength: 6 }),
    })
    .map(({ text, mutations }) =>
      mutations.reduce((whole, { at, cut, put }) => {
        const place = Math.floor(at * whole.length);
        return whole.slice(0, place) + put + whole.slice(place + cut);
      }, text),
    );
  let runs = 0;
  const before = process.threadCpuUsage();
  fc.assert(
    fc.property(damaged, fc.constantFrom('yaml' as const, 'json' as const), (text, format) => {
      runs++;
      const result = read(text, { format });
      if (result.ok) return;
      expect(result.problems.length).toBeGreaterThan(0);
      for (const { line, column, message } of result.problems) {
        expect(message).not.toBe('');
        if (line === null) continue;
        expect(line).toBeLessThanOrEqual(text.split('\n').length + 1);
        expect(column).toBeGreaterThan(0);
      }
    }),
    { numRuns: 400 },
  );
  const { user, system } = process.threadCpuUsage(before);
  expect((user + system) / 1_000 / runs).toBeLessThan(CPU_MS_MAX);
});
