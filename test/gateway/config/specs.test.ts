/** From entries to what the engine takes: expressions and modules in the place of functions. */

import { describe, expect, test } from 'vitest';
import { createEngine } from '../../../src/engine/engine.ts';
import { SILENT_LOGGER } from '../../../src/domain/logger.ts';
import { isPoison, type FlowItem } from '../../../src/domain/record.ts';
import type { OutboundRecord } from '../../../src/domain/sink.ts';
import { pushSource } from '../../../actors/sources/push-source.ts';
import { codeProblems } from '../../../src/gateway/config/code-problems.ts';
import { engineOptionsOf, sinkSpecOf, sourceSpecOf, stagesOf } from '../../../src/gateway/config/specs.ts';
import { virtualClock } from '../../../src/testing/virtual-clock.ts';
import { recordingIo } from '../../support/recording-io.ts';
import { configFolder, configOf } from './config-rig.ts';

const folder = configFolder({
  'own.js': `
export const enrich = (record) => ({ ...record.data, site: 'north' });
export const later = async (record) => ({ ...record.data, later: true });
export const fails = () => { throw new Error('no good'); };
export const positive = { kind: 'operator', stageName: 'positive', operator: () => (batches) => batches };
export const decode = (payload) => [{ bytes: payload.length }];
export const deliver = async () => {};
export const answer = 42;
export const spec = ({ id, ...options }) => ({ kind: 'sink', type: 'own', id, options, logic: {}, batch: {}, outlet: {} });
export const wrong = ({ id }) => ({ id: id + '-other', logic: {}, outlet: {} });
export default (record) => record.data;
`,
  'common.cjs': 'module.exports = (record) => record.data;',
  'typed.ts': 'export const twice = (record: { data: number }): number => record.data * 2;',
  'broken.js': 'this is no code',
  'throws.js': "throw new Error('at its load');",
});
const scope = { folder };

/** What the stages of a configuration make of some data. */
async function through(stages: string, data: readonly unknown[]): Promise<FlowItem[]> {
  const clock = virtualClock();
  const config = configOf(`stages:\n${stages}`, { folder });
  const engine = createEngine({ clock, logger: SILENT_LOGGER, seed: 1, stages: stagesOf(config) });
  const items: FlowItem[] = [];
  engine.records$.subscribe((item) => items.push(item));
  await clock.runUntil(engine.start());
  const source = pushSource({ id: 'plc-7' });
  await clock.runUntil(engine.register(source).then(() => source.pushAll(data)));
  await clock.runUntil(engine.stop());
  return items;
}

const shown = (item: FlowItem) => (isPoison(item) ? `${item.error.code}: ${item.error.message}` : item.data);

describe('stages', () => {
  const cases: [title: string, stages: string, data: unknown[], result: unknown[]][] = [
    ['filter', '  - filter: record.data > 2', [1, 3, 2, 4], [3, 4]],
    ['transform', '  - transform: "{\\"twice\\": record.data * 2}"', [1.5], [{ twice: 3 }]],
    [
      'set',
      '  - set: { a: record.data.a + 1, b: record.data.a, id: record.id }',
      [{ a: 1, c: 0 }],
      [{ a: 2, c: 0, b: 1, id: 'plc-7' }],
    ],
    ['drop', '  - drop: [a, b]', [{ a: 1, c: 2 }, {}], [{ c: 2 }, {}]],
    ['drop of one', '  - drop: a', [{ a: 1 }], [{}]],
    ['queue', '  - queue: { name: q, capacityRecords: 2 }', [1, 2, 3], [1, 2, 3]],
    ['code', '  - module: ./own.js#enrich', [{ a: 1 }], [{ a: 1, site: 'north' }]],
    [
      'asynchronous code',
      '  - { module: ./own.js#later, concurrency: 2 }',
      [{ a: 1 }, { a: 2 }],
      [
        { a: 1, later: true },
        { a: 2, later: true },
      ],
    ],
    ['the default export', '  - module: ./own.js', [5], [5]],
    ['CommonJS', '  - module: ./common.cjs', [5], [5]],
    ['TypeScript', '  - module: ./typed.ts#twice', [5], [10]],
    ['a stage of the user’s', '  - module: ./own.js#positive', [5], [5]],
    [
      'all in order',
      '  - filter: record.data.n > 1\n  - set: { m: record.data.n * 2 }\n  - drop: n',
      [{ n: 1 }, { n: 2 }],
      [{ m: 4 }],
    ],
    [
      'an expression that fails',
      '  - filter: record.data.n > 1',
      [{ n: 2 }, { m: 2 }],
      [{ n: 2 }, 'HG_EXPRESSION_FAILED: record.data.n > 1: no such key: n'],
    ],
    [
      'a filter that gives no truth value',
      '  - filter: record.data',
      [true, 5],
      [true, 'HG_EXPRESSION_FAILED: record.data: must give true or false, and gave number'],
    ],
    [
      'set on a number',
      '  - set: { a: "1" }',
      [5],
      ['HG_EXPRESSION_FAILED: set: the data has no fields, it is number'],
    ],
    [
      'drop on a list',
      '  - drop: a',
      [[1]],
      ['HG_EXPRESSION_FAILED: drop: the data has no fields, it is a list'],
    ],
    ['code that fails', '  - module: ./own.js#fails', [1], ['HG_STAGE_THREW: no good']],
  ];
  for (const [title, stages, data, result] of cases) {
    test(title, async () => expect((await through(stages, data)).map(shown)).toEqual(result));
  }

  test('leave a record that a stage failed for in its place, with its original', async () => {
    const items = await through('  - set: { a: record.data.b }', [{ b: 1 }, {}, { b: 3 }]);
    expect(items.map(isPoison)).toEqual([false, true, false]);
    expect(items[1]).toMatchObject({ originalRecord: { data: {} } });
  });

  test('bear the names they are given, or those of what they do', () => {
    const config = configOf(
      'stages: [{ filter: "true" }, { name: mine, set: { a: "1" } }, { queue: { name: q, capacityRecords: 1 } }, { module: ./own.js#enrich }, { name: other, module: ./own.js#positive }]',
      { folder },
    );
    expect(stagesOf(config).map(({ stageName }) => stageName)).toEqual([
      'filter',
      'mine',
      'q',
      'enrich',
      'other',
    ]);
  });
});

describe('sources', () => {
  test('of every kind come to their specs', () => {
    const entries = {
      mqtt: { type: 'mqtt', url: 'mqtt://h', topics: ['a', { topic: 'b', qos: 2 }] },
      http: { type: 'http', url: 'http://h', intervalMs: 5, outlet: { overflow: 'spill' } },
      file: { type: 'file', path: '/x', mode: 'read' },
      websocket: { type: 'websocket', url: 'ws://h', subscribe: 'a', protocols: 'p' },
      push: { type: 'push', rateLimit: { recordsPerSecondMax: 3 }, tenant: 'south', required: true },
      simulated: { type: 'simulated', intervalMs: 5, shownType: 'mqtt' },
    };
    const specs = Object.entries(entries).map(([id, entry]) => sourceSpecOf(id, entry));
    expect(specs.map(({ id, type }) => [id, type])).toEqual([
      ...['mqtt', 'http', 'file', 'websocket', 'push'].map((type) => [type, type]),
      ['simulated', 'mqtt'],
    ]);
    expect(specs[1]?.outlet.overflow).toBe('spill');
    expect(specs[4]).toMatchObject({
      tenant: 'south',
      rateLimit: { recordsPerSecondMax: 3, scope: 'source' },
    });
  });

  test('tell duplicates by an expression', () => {
    const { dedupKey } = sourceSpecOf('a', {
      type: 'push',
      dedupKey: 'record.id + string(record.data.?n.orValue(0))',
    });
    expect(dedupKey?.({ n: 5 }, {})).toBe('a5');
    const numbers = sourceSpecOf('a', { type: 'push', dedupKey: 'record.data.n' }).dedupKey;
    expect(numbers?.({ n: 2n ** 60n }, {})).toBe('1152921504606846976');
    expect(numbers?.({ n: 5 }, {})).toBe('5');
    expect(numbers?.({ n: null }, {})).toBeUndefined();
    expect(() => numbers?.({ n: true }, {})).toThrow(/must give text, a number or null/);
    expect(() => numbers?.({}, {})).toThrow(expect.objectContaining({ code: 'HG_EXPRESSION_FAILED' }));
  });

  test('that are simulated take their data from an expression', async () => {
    const spec = sourceSpecOf('a', {
      ...{ type: 'simulated', intervalMs: 0, count: 3 },
      value: '{"n": n, "v": random * 10.0}',
    });
    const clock = virtualClock();
    const io = recordingIo(spec, clock);
    await clock.runUntil(spec.logic.stream(io) as Promise<void>);
    expect(io.values.map((data) => (data as { n: number }).n)).toEqual([1, 2, 3]);
    for (const data of io.values) {
      const { v } = data as { v: number };
      expect(v >= 0 && v < 10).toBe(true);
    }
  });

  test('decode by code', () => {
    const spec = sourceSpecOf('a', { type: 'push', decode: { module: './own.js#decode' } }, scope);
    expect(spec.decode?.(new Uint8Array(3), undefined)).toEqual([{ bytes: 3 }]);
  });

  test('of a kind of one’s own are made by code', () => {
    const entry = { type: 'module', module: './own.js#spec', options: { channel: 'can0' } };
    expect(sourceSpecOf('a', entry, scope)).toMatchObject({ id: 'a', options: { channel: 'can0' } });
    expect(() => sourceSpecOf('a', { ...entry, module: './own.js#wrong' }, scope)).toThrow(
      /must give a source with the id "a", as defineSource\(\) makes it/,
    );
  });

  const refusals: [title: string, entry: unknown, code: string, field: string | undefined][] = [
    ['an unknown option', { type: 'push', decod: 'json' }, 'HG_OPTION_UNKNOWN', 'decod'],
    ['a wrong value', { type: 'http', url: 'x', intervalMs: 5 }, 'HG_OPTION_INVALID', 'url'],
    [
      'options that do not go together',
      { type: 'http', url: 'http://h', intervalMs: 5, body: 'x' },
      'HG_OPTION_INVALID',
      'body',
    ],
    ['a wrong expression', { type: 'push', dedupKey: 'record.' }, 'HG_OPTION_INVALID', 'dedupKey'],
    ['an unknown kind', { type: 'psh' }, 'HG_OPTION_INVALID', 'type'],
    ['no entry at all', 5, 'HG_OPTION_INVALID', '(the whole)'],
    [
      'code without a folder',
      { type: 'push', decode: { module: './own.js#decode' } },
      'HG_OPTION_INVALID',
      'decode',
    ],
    [
      'code of a kind without a folder',
      { type: 'module', module: './own.js#spec' },
      'HG_OPTION_INVALID',
      'module',
    ],
  ];
  for (const [title, entry, code, field] of refusals) {
    test(`refuse ${title}`, () => {
      expect(() => sourceSpecOf('a', entry)).toThrow(
        expect.objectContaining({ code, details: expect.objectContaining({ field }) }),
      );
    });
  }
});

describe('sinks', () => {
  const record = { sourceId: 'plc-7', tenant: 'default', seq: 9, sourceSeq: 3, incarnation: 1, key: 'g:d:9' };
  const outbound = (data: unknown) =>
    ({ ...record, atMs: 5, data, contentType: undefined, dedupKey: undefined }) as OutboundRecord;

  test('of every kind come to their specs', () => {
    const entries = {
      file: { type: 'file', path: '/x' },
      http: { type: 'http', url: 'http://h', auth: { bearer: 't' } },
      mqtt: { type: 'mqtt', url: 'mqtt://h', topic: 'a/{sourceId}' },
      jetstream: { type: 'jetstream', servers: 'nats://h', subject: 'a.{sourceId}' },
      function: { type: 'function', deliver: './own.js#deliver' },
      own: { type: 'module', module: './own.js#spec' },
    };
    const types = Object.entries(entries).map(([id, entry]) => sinkSpecOf(id, entry, scope).type);
    expect(types).toEqual(['file', 'http', 'mqtt', 'jetstream', 'function', 'own']);
  });

  test('filter and transform by expressions', () => {
    const { filter, transform } = sinkSpecOf('a', {
      ...{ type: 'file', path: '/x', filter: 'record.data.v > 1 && !has(record.dedupKey)' },
      transform: '{"v": record.data.v, "from": record.id, "seq": record.sourceSeq}',
    });
    expect(filter?.(outbound({ v: 2 }))).toBe(true);
    expect(filter?.(outbound({ v: 1 }))).toBe(false);
    expect(transform?.(outbound({ v: 2 }))).toEqual({ v: 2, from: 'plc-7', seq: 3 });
    expect(() => filter?.(outbound({}))).toThrow(expect.objectContaining({ code: 'HG_EXPRESSION_FAILED' }));
  });

  test('refuse what their kinds refuse', () => {
    expect(() => sinkSpecOf('a', { type: 'mqtt', url: 'mqtt://h', topic: 'a/{x}' })).toThrow(
      expect.objectContaining({
        code: 'HG_OPTION_INVALID',
        details: expect.objectContaining({ field: 'topic' }),
      }),
    );
    expect(() => sinkSpecOf('a', { type: 'function', deliver: './own.js#deliver' })).toThrow(
      /in the configuration file only/,
    );
  });
});

test('the options of the engine are those of the sections', () => {
  const options = engineOptionsOf(
    configOf(`
engine: { seed: 7, health: { intervalMs: 500 } }
storage: { path: ':memory:', records: { keep: false }, commit: { ageMs: 1 } }
limits: { global: { recordsPerSecondMax: 5, policy: delay } }
burst: { thresholdRecords: 30, windowMs: 500 }
stages: [{ filter: 'true' }]
`),
  );
  expect(options).toMatchObject({
    ...{ seed: 7, health: { intervalMs: 500 }, timeline: { path: ':memory:' } },
    ...{ records: { keep: false }, storage: { commit: { ageMs: 1 } } },
    rateLimit: { recordsPerSecondMax: 5, policy: 'delay', scope: 'global' },
    ...{ burst: { thresholdRecords: 30, windowMs: 500 }, stages: [{ stageName: 'filter' }] },
  });
  expect(() => createEngine(options)).not.toThrow();
});

test('code that cannot be used is told of without running anything else', () => {
  const config = configOf(
    `
sources: { a: { type: module, module: ./own.js#wrong }, b: { type: push } }
sinks: { c: { type: function, deliver: ./own.js#answer } }
stages: [{ module: ./own.js#nothing }, { module: ./broken.js#x }, { module: ./throws.js#x }, { module: ./own.js#answer }]
`,
    { folder },
  );
  const problems = codeProblems(config, 'edge.yaml').map(({ path, message }) => `${path}: ${message}`);
  expect(problems).toEqual([
    expect.stringMatching(/^sources\.a: .*must give a source with the id "a"/),
    expect.stringMatching(/^sinks\.c: .*must be a function; it is number/),
    expect.stringMatching(/^stages\[0\]: .*exports no "nothing"; it exports answer, /),
    expect.stringMatching(/^stages\[1\]: the module ".*broken\.js" cannot be loaded: /),
    expect.stringMatching(/^stages\[2\]: the module ".*throws\.js" cannot be loaded: at its load/),
    expect.stringMatching(/^stages\[3\]: .*must be a stage, as filter\(\) or transform\(\) make one/),
  ]);
});
