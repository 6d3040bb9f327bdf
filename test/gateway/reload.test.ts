/** The reloader alone, over an engine that notes what is asked of it and refuses what it is told to refuse.
 */

import { describe, expect, test, vi } from 'vitest';
import { pushSource } from '../../actors/sources/push-source.ts';
import { fileSink } from '../../actors/sinks/file/file-sink.ts';
import { addressOf } from '../../src/domain/address.ts';
import { HeadgateError } from '../../src/domain/errors.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import type { ChangeableEngine, ChangeStep } from '../../src/gateway/change-steps.ts';
import type { PreparedConfig } from '../../src/gateway/prepared-config.ts';
import { createReloader } from '../../src/gateway/reload.ts';
import { virtualClock } from '../../src/testing.ts';

interface Plan {
  readonly sources?: Readonly<Record<string, number>>;
  readonly sinks?: Readonly<Record<string, number>>;
  readonly stages?: readonly string[];
  /** Of all entries. */
  readonly tenant?: string;
  readonly port?: number;
}

/** A prepared configuration in which entries differ by a number. */
function prepared({ sources = {}, sinks = {}, stages = [], port = 1, tenant }: Plan): PreparedConfig {
  const own = tenant === undefined ? {} : { tenant };
  const config = { sources, sinks, stages, http: { port } };
  const specs = <Spec>(entries: Readonly<Record<string, number>>, make: (id: string) => Spec) =>
    new Map(Object.keys(entries).map((id) => [id, make(id)]));
  return {
    ...{
      config,
      document: config,
      digest: JSON.stringify(config),
      text: JSON.stringify(config),
      secrets: [],
    },
    sources: specs(sources, (id) => pushSource({ id, ...own })),
    sinks: specs(sinks, (id) => fileSink({ id, path: `${id}.ndjson`, ...own })),
    engine: { stages, rateLimit: null, burst: null },
  } as unknown as PreparedConfig;
}

/** A reloader that starts with a plan. `refuse` names commands that fail, as `update a`. */
function bench(
  plan: Plan,
  refuse: Record<string, HeadgateError> = {},
  besideEngine: (next: PreparedConfig) => readonly ChangeStep[] = () => [],
) {
  const asked: string[] = [];
  const rows: { event: string; data: Readonly<Record<string, unknown>> }[] = [];
  const log: string[] = [];
  let gate: Promise<void> = Promise.resolve();
  const command = async (name: string, cause: number | undefined) => {
    turns.push((turns.pop() ?? 0) + 1);
    await gate;
    asked.push(`${name}${cause === undefined ? '' : ` by ${cause}`}`);
    const refusal = refuse[name];
    if (refusal !== undefined) throw refusal;
    return { id: name, incarnation: 1 };
  };
  const engine: ChangeableEngine = {
    register: (spec, by) => command(`register ${spec.id}`, by?.cause),
    update: (spec, by) => command(`update ${spec.id}`, by?.cause),
    deregister: (id, by) => command(`deregister ${id}`, by?.cause),
    registerSink: (spec, by) => command(`registerSink ${addressOf(spec)}`, by?.cause),
    updateSink: (spec, by) => command(`updateSink ${spec.id}`, by?.cause),
    deregisterSink: (id, by) =>
      command(`deregisterSink ${id}${by?.keepCursor === true ? ' keeping its cursor' : ''}`, by?.cause),
    reconfigure: async (changes, by) => {
      await command(`reconfigure ${Object.keys(changes).join('+')} ${JSON.stringify(changes)}`, by?.cause);
    },
    noteConfig: ({ event, data }) => rows.push({ event, data: data as Readonly<Record<string, unknown>> }),
  };
  const noteLine = (_fields: object, message: string) => void log.push(message);
  const started = prepared(plan);
  const applied: PreparedConfig[] = [];
  const takenBack: PreparedConfig[] = [];
  /** Commands by the turn of the event loop in which they were begun. */
  const turns = [0];
  const pause = () => Promise.resolve(void turns.push(0));
  const reloader = createReloader({
    ...{ clock: virtualClock(), engine, started, pause, besideEngine },
    log: { debug: noteLine, info: noteLine, warn: noteLine, error: noteLine },
    isKept: () => false,
    mask: (text) => text,
    onApplied: (next) => void applied.push(next),
    onTakenBack: (next) => void takenBack.push(next),
  });
  return {
    ...{ reloader, asked, rows, log, applied, takenBack, turns },
    reload: (next: Plan, persist?: () => void) =>
      reloader.reload({
        origin: 'api',
        prepare: () => prepared(next),
        ...(persist === undefined ? {} : { persist }),
      }),
    reloadFile: (next: Plan) => reloader.reload({ origin: 'file', prepare: () => prepared(next) }),
    /** Commands wait until the returned function is called. */
    hold: () => {
      const held = Promise.withResolvers<void>();
      gate = held.promise;
      return held.resolve;
    },
  };
}

const PROBLEM = { file: null, line: 3, column: 1, path: 'sources.a', message: 'no' };

describe('a new version', () => {
  test('touches only what differs, ends before it begins, and its commands name its row as their cause', async () => {
    const { reload, asked, rows, reloader } = bench({ sources: { a: 1, b: 1, c: 1 }, sinks: { x: 1, y: 1 } });
    const outcome = await reload({ sources: { a: 1, b: 2, d: 1 }, sinks: { x: 2, z: 1 }, stages: ['s'] });
    expect(asked).toEqual([
      'reconfigure stages {"stages":["s"]} by 1',
      'deregister c by 1',
      'update b by 1',
      'register d by 1',
      'deregisterSink y keeping its cursor by 1',
      'updateSink x by 1',
      'registerSink z by 1',
    ]);
    expect(outcome).toMatchObject({ outcome: 'applied', version: 2, problems: [], needsRestart: [] });
    expect(rows.map(({ event }) => event)).toEqual(['config.applying', 'config.applied']);
    expect(rows[0]?.data['changes']).toEqual(outcome.changes);
    expect(reloader.version).toBe(2);
  });

  test('that says what runs already does nothing', async () => {
    const { reload, asked, rows, reloader } = bench({ sources: { a: 1 } });
    expect(await reload({ sources: { a: 1 } })).toMatchObject({ outcome: 'unchanged', version: 1 });
    expect([asked, rows, reloader.version]).toEqual([[], [], 1]);
  });

  test('with a setting for the next start runs, and says so, until it is as it was', async () => {
    const { reload, log } = bench({ port: 1 });
    expect(await reload({ port: 2 })).toMatchObject({ outcome: 'applied', needsRestart: ['http.port'] });
    expect(log).toContain('some settings count only from the next start on');
    expect(await reload({ port: 1 })).toMatchObject({ outcome: 'applied', needsRestart: [], version: 3 });
  });

  test('that is invalid is refused with a row, and changes nothing', async () => {
    const { reloader, asked, rows } = bench({ sources: { a: 1 } });
    const outcome = await reloader.reload({ origin: 'signal', prepare: () => [PROBLEM] });
    expect(outcome).toMatchObject({ outcome: 'refused', version: 1, problems: [PROBLEM] });
    expect(asked).toEqual([]);
    expect(rows).toMatchObject([{ event: 'config.refused', data: { origin: 'signal' } }]);
    expect(reloader.last).toBe(outcome);
  });

  test('of the file that takes a refused one back leaves a row, once', async () => {
    const { reloader, reload, reloadFile, rows } = bench({ sources: { a: 1 } });
    await reloader.reload({ origin: 'file', prepare: () => [PROBLEM] });
    // The file is as it was, whatever comes another way.
    expect(await reload({ sources: { a: 1 } })).toMatchObject({ outcome: 'unchanged' });
    for (let time = 0; time < 2; time++)
      expect(await reloadFile({ sources: { a: 1 } })).toMatchObject({ outcome: 'unchanged' });
    expect(rows.map(({ event }) => event)).toEqual(['config.refused', 'config.unchanged']);
  });

  test('that is written to a file that was refused leaves a row, and one that is refused itself none', async () => {
    const { reloader, reload, rows } = bench({ sources: { a: 1 } });
    await reloader.reload({ origin: 'api', prepare: () => [PROBLEM] });
    await reload({ sources: { a: 1 } }, () => undefined);
    await reloader.reload({ origin: 'signal', prepare: () => [PROBLEM] });
    await reload({ sources: { a: 1 } }, () => undefined);
    expect(rows.map(({ event, data }) => [event, data['origin'], data['persisted']])).toEqual([
      ['config.refused', 'api', undefined],
      ['config.refused', 'signal', undefined],
      ['config.unchanged', 'api', true],
    ]);
  });

  test('that cannot even be read fails', async () => {
    const { reloader } = bench({});
    const prepare = () => {
      throw new HeadgateError('HG_CONFIG_INVALID', 'no such file');
    };
    expect(await reloader.reload({ origin: 'file', prepare })).toMatchObject({
      outcome: 'failed',
      problems: [{ message: 'no such file (HG_CONFIG_INVALID)' }],
    });
  });
});

describe('a version of which a part fails', () => {
  const failing = new HeadgateError('HG_OPTION_INVALID', 'not here');

  test('is taken back, last first, and the version before goes on', async () => {
    const { reload, asked, rows, reloader, applied } = bench(
      { sources: { a: 1, b: 1 }, stages: ['old'] },
      { 'register c': failing },
    );
    const outcome = await reload({ sources: { b: 2, c: 1 }, stages: ['new'] });
    expect(asked.map((one) => one.replace(/ by 1$/, ''))).toEqual([
      'reconfigure stages {"stages":["new"]}',
      'deregister a',
      'update b',
      'register c',
      'update b',
      'register a',
      'reconfigure stages {"stages":["old"]}',
    ]);
    expect(outcome).toMatchObject({
      outcome: 'failed',
      version: 1,
      problems: [{ path: 'sources.c', message: 'not here (HG_OPTION_INVALID)' }],
    });
    expect(rows.map(({ event }) => event)).toEqual(['config.applying', 'config.failed']);
    expect(reloader.running.config.stages).toEqual(['old']);
    expect(applied).toEqual([]);
  });

  test('beside the engine is taken back with the rest, and the parts beside it that were changed', async () => {
    const beside: string[] = [];
    const step = (path: string, error: HeadgateError | null = null): ChangeStep => ({
      path,
      apply: async () => {
        beside.push(`change ${path}`);
        if (error !== null) throw error;
      },
      revert: async () => beside.push(`take back ${path}`),
    });
    const { reload, asked, takenBack } = bench({}, {}, () => [step('http.tls'), step('metrics', failing)]);
    expect(await reload({ sources: { a: 1 } })).toMatchObject({
      outcome: 'failed',
      problems: [{ path: 'metrics' }],
    });
    expect(beside).toEqual(['change http.tls', 'change metrics', 'take back http.tls']);
    expect(asked).toEqual(['register a by 1', 'deregister a by 1']);
    expect(takenBack.map(({ sources }) => [...sources.keys()])).toEqual([['a']]);
  });

  test('side by side with others takes back only those that came about', async () => {
    const { reload, asked } = bench({}, { 'register b': failing });
    await reload({ sources: { a: 1, b: 1, c: 1 } });
    expect(asked.filter((one) => one.startsWith('deregister')).sort()).toEqual([
      'deregister a by 1',
      'deregister c by 1',
    ]);
  });

  test('and cannot be taken back says that, too', async () => {
    const { reload } = bench(
      { sources: { a: 1 } },
      { 'register b': failing, 'register a': new HeadgateError('HG_ENGINE_STATE', 'gone') },
    );
    const { problems } = await reload({ sources: { b: 1 } });
    expect(problems.map(({ path, message }) => `${path}: ${message}`)).toEqual([
      'sources.b: not here (HG_OPTION_INVALID)',
      'sources.a: could not be taken back: gone (HG_ENGINE_STATE); restart the gateway',
    ]);
  });

  test('brings a sink back with the cursor it left, and takes one it had added out with its own', async () => {
    const { reload, asked } = bench({ sinks: { x: 1 } }, { 'registerSink z': failing });
    await reload({ sinks: { y: 1, z: 1 } });
    expect(asked.map((one) => one.replace(/ by 1$/, ''))).toEqual([
      'deregisterSink x keeping its cursor',
      'registerSink y',
      'registerSink z',
      'deregisterSink y',
      'registerSink x',
    ]);
  });

  test('where a sink is to have another tenant leaves the one before at work', async () => {
    const { reload, asked } = bench({ sinks: { x: 1 } }, { 'registerSink acme/x': failing });
    const outcome = await reload({ sinks: { x: 2 }, tenant: 'acme' });
    expect(outcome).toMatchObject({ outcome: 'failed', problems: [{ path: 'sinks.x' }] });
    expect(asked).toEqual([
      'deregisterSink x keeping its cursor by 1',
      'registerSink acme/x by 1',
      'registerSink x by 1',
    ]);
  });

  test('because its file cannot be replaced is taken back', async () => {
    const { reload, asked, reloader } = bench({});
    const outcome = await reload({ sources: { a: 1 } }, () => {
      throw new Error('read-only');
    });
    expect(outcome.outcome).toBe('failed');
    expect(outcome.problems[0]?.message).toBe('the file could not be replaced: read-only');
    expect(asked).toEqual(['register a by 1', 'deregister a by 1']);
    expect(reloader.version).toBe(1);
  });
});

test('a sink that goes on under another tenant leaves its cursor under the one before', async () => {
  const { reload, asked } = bench({ sinks: { x: 1 } });
  expect((await reload({ sinks: { x: 2 }, tenant: 'acme' })).outcome).toBe('applied');
  expect(asked).toEqual(['deregisterSink x keeping its cursor by 1', 'registerSink acme/x by 1']);
});

describe('what was changed past the file', () => {
  const cases: [title: string, before: Plan, after: Plan, refusals: [string, string][], asked: string[]][] = [
    [
      'a source that is there already is updated',
      {},
      { sources: { a: 1 } },
      [['register a', 'HG_SOURCE_DUPLICATE']],
      ['register a', 'update a'],
    ],
    [
      'a source that is gone is registered',
      { sources: { a: 1 } },
      { sources: { a: 2 } },
      [['update a', 'HG_SOURCE_UNKNOWN']],
      ['update a', 'register a'],
    ],
    [
      'a source that is gone need not be removed',
      { sources: { a: 1 } },
      {},
      [['deregister a', 'HG_SOURCE_UNKNOWN']],
      ['deregister a'],
    ],
    [
      'a sink that is there already is updated',
      {},
      { sinks: { x: 1 } },
      [['registerSink x', 'HG_SINK_DUPLICATE']],
      ['registerSink x', 'updateSink x'],
    ],
    [
      'a sink that is gone need not be removed',
      { sinks: { x: 1 } },
      {},
      [['deregisterSink x keeping its cursor', 'HG_SINK_UNKNOWN']],
      ['deregisterSink x keeping its cursor'],
    ],
  ];
  for (const [title, before, after, refusals, commands] of cases) {
    test(title, async () => {
      const refuse = Object.fromEntries(
        refusals.map(([command, code]) => [command, new HeadgateError(code as 'HG_SOURCE_UNKNOWN', 'x')]),
      );
      const { reload, asked } = bench(before, refuse);
      expect((await reload(after)).outcome).toBe('applied');
      expect(asked).toEqual(commands.map((command) => `${command} by 1`));
    });
  }
});

describe('of versions that come together', () => {
  test('one runs at a time, and of those that wait only the newest has its turn', async () => {
    const { reload, hold, asked, reloader } = bench({});
    const release = hold();
    const outcomes = [1, 2, 3, 4].map((n) => reload({ sources: { a: n } }));
    release();
    expect((await Promise.all(outcomes)).map(({ outcome, version }) => [outcome, version])).toEqual([
      ['applied', 2],
      ['refused', 1],
      ['refused', 1],
      ['applied', 3],
    ]);
    expect(asked).toEqual(['register a by 1', 'update a by 3']);
    expect(reloader.running.config.sources).toEqual({ a: 4 });
  });

  test('those that read the same file have one answer', async () => {
    const { reloader, reload, hold } = bench({});
    const release = hold();
    const first = reload({ sources: { a: 1 } });
    let reads = 0;
    const read = () =>
      reloader.reload({
        origin: 'file',
        key: 'file',
        prepare: () => prepared({ sources: { a: 1, b: (reads += 1) } }),
      });
    const both = [read(), read()];
    release();
    await first;
    const [one, other] = await Promise.all(both);
    expect(one).toBe(other);
    expect([one?.outcome, reads]).toEqual(['applied', 1]);
  });
});

test('a row repeats only so many of a thousand changes, and their number', async () => {
  const { reload, rows } = bench({});
  const names = Array.from({ length: 1_000 }, (_, index) => [`s${index}`, 1] as const);
  const { changes } = await reload({ sources: Object.fromEntries(names) });
  expect(changes).toHaveLength(1_000);
  expect(rows[0]?.data['changes']).toHaveLength(100);
  expect(rows[0]?.data['changesTotal']).toBe(1_000);
});

describe('a version of many entries leaves turns to the event loop', () => {
  const many = Object.fromEntries(Array.from({ length: 1_000 }, (_, index) => [`s${index}`, 1]));

  test('while it is compared', async () => {
    const { reload, turns } = bench({ sources: many, sinks: many });
    expect(await reload({ sources: many, sinks: many })).toMatchObject({ outcome: 'unchanged' });
    expect(turns.length).toBeGreaterThanOrEqual(2_000 / LIMITS.configEntriesPerTurn - 2);
  });

  test('while its commands are begun, and none waits for those before it', async () => {
    const { reload, turns, hold, asked } = bench({});
    const release = hold();
    const outcome = reload({ sources: many });
    await vi.waitFor(() => expect(turns.reduce((sum, count) => sum + count)).toBe(1_000));
    expect(asked).toEqual([]);
    release();
    expect(await outcome).toMatchObject({ outcome: 'applied' });
    expect(Math.max(...turns)).toBe(LIMITS.configStepsPerTurn);
  });

  test('while they are taken back', async () => {
    const refusal = new HeadgateError('HG_ENGINE_STATE', 'no');
    const { reload, turns, asked } = bench({}, { 'register s999': refusal });
    expect(await reload({ sources: many })).toMatchObject({ outcome: 'failed' });
    expect(asked.filter((command) => command.startsWith('deregister'))).toHaveLength(999);
    expect(Math.max(...turns)).toBe(LIMITS.configStepsPerTurn);
  });
});
