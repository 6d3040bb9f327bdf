import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { engineOptionsSchema } from '../../src/config/engine-options.ts';
import { resolveOptions } from '../../src/config/resolve-options.ts';
import { commonSpec, decodeSchema, sourceSchema } from '../../src/config/source-options.ts';
import { HeadgateError } from '../../src/domain/errors.ts';
import { DEFAULT_RETENTION } from '../../src/domain/retention.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import { filter } from '../../src/pipeline/stages.ts';
import { virtualClock } from '../../src/testing/virtual-clock.ts';

const source = sourceSchema({ intervalMs: z.number().int().min(1).default(100) });

function errorOf(resolve: () => unknown): HeadgateError {
  try {
    resolve();
  } catch (error) {
    if (error instanceof HeadgateError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** The options are refused for `field`; the message names it, and the remedy where there is one. */
function check(
  schema: z.ZodType,
  input: unknown,
  code: string,
  field: string,
  ...words: (string | RegExp)[]
): void {
  const error = errorOf(() => resolveOptions(schema, input, 'thing'));
  expect([error.code, error.details['field']]).toEqual([code, field]);
  expect(error.message).toContain('thing: ');
  expect(error.message).toContain(`"${field}"`);
  for (const word of words) expect(error.message).toMatch(word);
}

describe('a misspelled option', () => {
  const unknown = (input: unknown, field: string, meant: string, schema: z.ZodType = source) => {
    check(schema, input, 'HG_OPTION_UNKNOWN', field, `did you mean "${meant}"`);
    expect(errorOf(() => resolveOptions(schema, input, 'thing')).details['suggestion']).toBe(meant);
  };
  const engine = (input: unknown, field: string, meant: string) =>
    unknown(input, field, meant, engineOptionsSchema);

  test('of a source', () => unknown({ id: 'a', intervalMS: 5 }, 'intervalMS', 'intervalMs'));
  test('of all sources', () =>
    unknown({ id: 'a', degradeAfterErrors: 5 }, 'degradeAfterErrors', 'degradedAfterErrors'));
  test('is told first, though it makes another one missing', () => unknown({ Id: 'a' }, 'Id', 'id'));
  test('one level down', () =>
    unknown({ id: 'a', outlet: { capacity: 5 } }, 'outlet.capacity', 'capacityRecords'));
  test('one level down, where the level may be left out', () =>
    unknown({ id: 'a', breaker: { cooldownMs: 5 } }, 'breaker.cooldownMs', 'coolDownMs'));
  test('one level down, where the level may be null', () =>
    unknown(
      { id: 'a', rateLimit: { recordsPerSecond: 5 } },
      'rateLimit.recordsPerSecond',
      'recordsPerSecondMax',
    ));
  test('two levels down', () =>
    unknown(
      { id: 'a', restart: { backoff: { maxDelayMs: 5, initalMs: 3 } } },
      'restart.backoff.maxDelayMs',
      'maxMs',
    ));
  test('of the engine', () => engine({ stage: [] }, 'stage', 'stages'));
  test('of the engine’s burst', () =>
    engine({ burst: { treshold: 5 } }, 'burst.treshold', 'thresholdRecords'));
  test('of the engine’s records', () => engine({ records: { kept: true } }, 'records.kept', 'keep'));
  test('where one may also say something else', () =>
    engine({ timeline: { pth: 'edge.db' } }, 'timeline.pth', 'path'));

  test('that is near to nothing is told what there is', () =>
    check(
      source,
      { id: 'a', outlet: { xyzzy: 1 } },
      'HG_OPTION_UNKNOWN',
      'outlet.xyzzy',
      /known options: capacityRecords, overflow, waitMsMax/,
    ));
});

describe('a wrong value', () => {
  const wrong = (input: object, field: string, ...words: (string | RegExp)[]) =>
    check(source, { id: 'a', ...input }, 'HG_OPTION_INVALID', field, ...words);
  const engine = (input: unknown, field: string, ...words: (string | RegExp)[]) =>
    check(engineOptionsSchema, input, 'HG_OPTION_INVALID', field, ...words);

  test('of another type', () => wrong({ intervalMs: '100' }, 'intervalMs', /number/));
  test('below its range', () => wrong({ intervalMs: 0 }, 'intervalMs', /at least 1/));
  test('above its range', () =>
    wrong({ outlet: { capacityRecords: 1e7 } }, 'outlet.capacityRecords', /at most 1000000/));
  test('between whole numbers', () => wrong({ intervalMs: 1.5 }, 'intervalMs', /int/));
  test('not a number at all', () => wrong({ intervalMs: Number.NaN }, 'intervalMs', /NaN|number/));
  test('without end', () => wrong({ connectTimeoutMs: Infinity }, 'connectTimeoutMs'));
  test('of a list of words', () =>
    wrong({ outlet: { overflow: 'flood' } }, 'outlet.overflow', /drop-oldest/));
  test('two levels down', () =>
    wrong({ restart: { backoff: { factor: 0.5 } } }, 'restart.backoff.factor', /at least 1/));
  test('for a function', () => wrong({ dedupKey: 'id' }, 'dedupKey', /function/));
  test('for one of several forms', () =>
    check(
      z.strictObject({ decode: decodeSchema }),
      { decode: 'jsno' },
      'HG_OPTION_INVALID',
      'decode',
      /one of json, ndjson.*; or: .*function/,
    ));
  test('for one of several forms, in the words of its schema', () =>
    check(
      z.union([z.string(), z.number()], 'must be text or a number'),
      true,
      'HG_OPTION_INVALID',
      '(the whole)',
      /must be text or a number/,
    ));
  test('for the name of one of several forms', () =>
    check(
      z.discriminatedUnion('type', [
        z.strictObject({ type: z.literal('mqtt') }),
        z.strictObject({ type: z.literal('http') }),
      ]),
      { type: 'mqqt' },
      'HG_OPTION_INVALID',
      'type',
      /must be one of mqtt, http; did you mean "mqtt"\?/,
    ));
  test('for an object', () => wrong({ outlet: 5 }, 'outlet', /map of named values/));
  test('for an object, a list', () => wrong({ outlet: [] }, 'outlet', /map of named values/));
  test('an id with a slash', () => wrong({ id: 'a/b' }, 'id', /letters, digits/));
  test('an id of nothing', () => wrong({ id: '' }, 'id', /1 to 128/));
  test('the id of a part of the engine', () => wrong({ id: 'registry' }, 'id', /choose another/));
  test('a tenant with a space', () => wrong({ tenant: 'a b' }, 'tenant', /letters, digits/));
  test('a missing id', () => check(source, {}, 'HG_OPTION_INVALID', 'id'));
  test.each([undefined, null, 5, 'id', [], () => 1])('options that are none: %s', (input) => {
    const error = errorOf(() => resolveOptions(source, input, 'thing'));
    expect([error.code, error.details['field']]).toEqual(['HG_OPTION_INVALID', '(the whole)']);
  });

  test('a calm above the threshold', () =>
    engine(
      { burst: { thresholdRecords: 5, windowMs: 100, clearRecords: 6 } },
      'burst.clearRecords',
      /thresholdRecords/,
    ));
  test('a callback that is none', () =>
    engine({ burst: { thresholdRecords: 5, windowMs: 100, onBurst: 'log' } }, 'burst.onBurst', /function/));
  test('a clock without all its methods', () =>
    engine({ clock: { wallMs: () => 0 } }, 'clock', /monotonicMs/));
  test('a logger without all its methods', () =>
    engine({ logger: { info() {} } }, 'logger', /debug, info, warn, error/));
  test('a stage that is a function', () => engine({ stages: [() => 1] }, 'stages.0', /filter\(\)/));
  test('a timeline in a file without a name', () => engine({ timeline: { path: '' } }, 'timeline.path'));
  test('a timeline that is a path', () =>
    engine(
      { timeline: 'edge.db' },
      'timeline',
      /must be false; or: must be a map of named values; it is text/,
    ));
  test('a limit of nothing', () =>
    engine({ rateLimit: { recordsPerSecondMax: 0 } }, 'rateLimit.recordsPerSecondMax'));
});

describe('what comes out', () => {
  test('has every default', () =>
    expect(resolveOptions(source, { id: 'plc-7' }, 'thing')).toEqual({
      id: 'plc-7',
      tenant: 'default',
      outlet: {
        capacityRecords: LIMITS.outletCapacityRecords,
        overflow: 'block',
        waitMsMax: null,
        spillRecordsMax: LIMITS.spillRecordsMax,
      },
      restart: {
        policy: 'transient',
        restartsMax: 5,
        windowMs: 30_000,
        backoff: { kind: 'exponential', initialMs: 100, maxMs: 30_000, factor: 2, jitter: 'tenth' },
        exhausted: 'quarantine',
      },
      breaker: { failures: 10, coolDownMs: 30_000 },
      rateLimit: null,
      dedupKey: null,
      connectTimeoutMs: 10_000,
      degradedAfterErrors: 3,
      drainDeadlineMs: 5_000,
      intervalMs: 100,
    }));

  test('has the defaults beside what was given, at depth', () => {
    const { restart } = resolveOptions(source, { id: 'a', restart: { backoff: { maxMs: 7 } } }, 'thing');
    expect(restart.backoff).toEqual({
      kind: 'exponential',
      initialMs: 100,
      maxMs: 7,
      factor: 2,
      jitter: 'tenth',
    });
    expect(restart.restartsMax).toBe(5);
  });

  test('is shared by sources that say nothing of their own', () => {
    const [first, second] = [
      resolveOptions(source, { id: 'a' }, 'thing'),
      resolveOptions(source, { id: 'b' }, 'thing'),
    ];
    expect(first.outlet).toBe(second.outlet);
    expect(first.restart).toBe(second.restart);
  });

  test('is frozen, at depth', () => {
    const options = resolveOptions(source, { id: 'a', outlet: { capacityRecords: 5 } }, 'thing');
    for (const part of [options, options.outlet, options.restart, options.restart.backoff, options.breaker]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
  });

  test('takes over what a spec needs, and not what only the kind knows', () => {
    const spec = commonSpec(resolveOptions(source, { id: 'a', drainDeadlineMs: 7 }, 'thing'));
    expect(spec).toMatchObject({ id: 'a', tenant: 'default', drainDeadlineMs: 7 });
    expect('intervalMs' in spec).toBe(false);
  });

  test('for an engine without options is an engine that keeps everything in memory', () =>
    expect(resolveOptions(engineOptionsSchema, {}, 'createEngine')).toEqual({
      timeline: { path: ':memory:' },
      records: { keep: true, bytesMax: 1_048_576 },
      reconnectsPerSecondMax: 300,
      storage: {
        commit: { rowsMax: 4_096, bytesMax: 4_194_304, ageMs: 5 },
        retention: DEFAULT_RETENTION,
      },
      rateLimit: null,
      burst: null,
      stages: [],
      health: { intervalMs: 10_000 },
    }));
});

describe('what the caller handed in', () => {
  test('stays as it was', () => {
    const input = { id: 'a', outlet: { capacityRecords: 5 }, restart: { backoff: { maxMs: 7 } } };
    const before = structuredClone(input);
    resolveOptions(source, input, 'thing');
    expect(input).toEqual(before);
    for (const part of [input, input.outlet, input.restart, input.restart.backoff]) {
      expect(Object.isFrozen(part)).toBe(false);
    }
  });

  test('may be frozen', () => {
    const input = Object.freeze({ id: 'a', outlet: Object.freeze({ capacityRecords: 5 }) });
    expect(resolveOptions(source, input, 'thing').outlet.capacityRecords).toBe(5);
  });

  test('is not frozen where it goes through as it is: a clock, a logger, stages', () => {
    const clock = { ...virtualClock(), nowMs: 0 };
    const logger = { debug() {}, info() {}, warn() {}, error() {}, lines: [] as string[] };
    const stages = [filter(() => true)];
    const options = resolveOptions(engineOptionsSchema, { clock, logger, stages }, 'createEngine');
    expect(options.clock).toBe(clock);
    expect(options.stages[0]).toBe(stages[0]);
    clock.nowMs = 5;
    logger.lines.push('still mine');
    for (const part of [clock, logger, logger.lines, stages, stages[0]])
      expect(Object.isFrozen(part)).toBe(false);
    expect(Object.isFrozen(options.stages)).toBe(true);
  });

  test('cannot change what came out, afterwards', () => {
    const input = { id: 'a', outlet: { capacityRecords: 5 } };
    const options = resolveOptions(source, input, 'thing');
    input.outlet.capacityRecords = 9;
    expect(options.outlet.capacityRecords).toBe(5);
  });
});

test.each([
  [{ name: z.string() }, {}, 'option "name": is missing; it must be text'],
  [{ name: z.string() }, { name: 5 }, 'option "name": must be text; it is a number'],
  [{ name: z.string().min(1) }, { name: '' }, 'option "name": must not be empty'],
  [{ list: z.array(z.number()) }, { list: ['1'] }, 'option "list.0": must be a number; it is text'],
  [{ isOn: z.boolean() }, { isOn: 'yes' }, 'must be true or false; it is text (write true)'],
  [{ rate: z.number().max(5) }, { rate: 6 }, 'option "rate": must be at most 5'],
  [{ rate: z.number('must be a rate') }, {}, 'option "rate": must be a rate'],
])('the schema %j says of %j: %s', (shape, input, message) => {
  expect(() => resolveOptions(z.strictObject(shape), input, 'x')).toThrow(message);
});
