/** What a gateway remembers of its configuration, over an engine that notes what is asked of it: under the
 *  virtual clock, over several lives. */

import { describe, expect, test } from 'vitest';
import { fileSink } from '../../actors/sinks/file/file-sink.ts';
import { pushSource } from '../../actors/sources/push-source.ts';
import { HeadgateError } from '../../src/domain/errors.ts';
import { Continuity, type ContinuityPorts } from '../../src/gateway/continuity.ts';
import { isHalfWritten } from '../../src/gateway/continuity-rules.ts';
import type { PreparedConfig } from '../../src/gateway/prepared-config.ts';
import { virtualClock } from '../../src/testing.ts';

interface Version {
  readonly sources?: readonly string[];
  readonly sinks?: readonly string[];
  readonly tokens?: number;
  readonly open?: boolean;
  readonly graceMs?: number;
  readonly removed?: { readonly sources?: readonly string[]; readonly sinks?: readonly string[] };
}

function version(plan: Version): PreparedConfig {
  const { sources = [], sinks = [], tokens = 0, open = false, graceMs = DAY_MS, removed = {} } = plan;
  const document = {
    ...(plan.sources === undefined ? {} : { sources: Object.fromEntries(sources.map((id) => [id, {}])) }),
    ...(plan.sinks === undefined ? {} : { sinks: Object.fromEntries(sinks.map((id) => [id, {}])) }),
  };
  return {
    document,
    text: JSON.stringify(plan),
    config: {
      file: null,
      auth: { tokens: Array.from({ length: tokens }, (_, n) => ({ name: `t${n}` })), open },
      engine: { removedGraceMs: graceMs },
      removed: { sources: [], sinks: [], ...removed },
    },
    sources: new Map(sources.map((id) => [id, pushSource({ id })])),
    sinks: new Map(sinks.map((id) => [id, fileSink({ id, path: `${id}.ndjson` })])),
  } as unknown as PreparedConfig;
}

const DAY_MS = 24 * 60 * 60 * 1_000;

/** One database, and the gateways that use it one after the other. */
function lives(backlog: Record<string, number> = {}, cursors: readonly string[] = []) {
  const clock = virtualClock();
  const rows: [event: string, about: unknown][] = [];
  const forgotten: string[] = [];
  const log: string[] = [];
  /** Sources and sinks that were registered by call. */
  const registered = new Set<string>();
  const withCursor = new Set(cursors);
  let stored: string | null = null;
  let isFull = false;
  const engine: ContinuityPorts['engine'] = {
    loadState: async () => stored,
    saveState: async (_, text) => {
      if (isFull) throw new HeadgateError('HG_STORAGE_FULL', 'the disk is full');
      stored = text;
    },
    undelivered: async (sink) => ({ reads: 'records', records: backlog[sink] ?? 0, oldestAtMs: 1 }),
    isSinkRegistered: (id) => registered.has(id),
    hasSource: (id) => registered.has(id),
    hasSourceCursor: (id) => withCursor.has(id),
    forgetSources: async (ids) => {
      if (isFull) throw new HeadgateError('HG_STORAGE_FULL', 'the disk is full');
      forgotten.push(...ids);
      for (const id of ids) withCursor.delete(id);
    },
    deregisterSink: async (id) => {
      forgotten.push(id);
      return { id, incarnation: 0 };
    },
    noteConfig: ({ event, data }) => {
      const about =
        event === 'config.sourcesForgotten' ? data?.['sources'] : (data?.['sink'] ?? data?.['sinks']);
      return rows.push([event, about ?? null]);
    },
  };
  const line = (_: object, message: string) => void log.push(message);
  const begin = async (plan: Version) => {
    const continuity = new Continuity({
      ...{ clock, engine },
      log: { debug: line, info: line, warn: line, error: line },
    });
    await continuity.open();
    const problems = continuity.problemsWith(version(plan), 'start').map(({ path }) => path);
    if (problems.length === 0) await continuity.applied(version(plan), 1);
    return { continuity, problems };
  };
  return {
    ...{ clock, rows, forgotten, log, begin, registered },
    fill: (full: boolean) => {
      isFull = full;
    },
  };
}

describe('the cursor of a sink that is gone', () => {
  test('is kept for the time of grace, and the sink that has records left is an alert at both ends', async () => {
    const { begin, clock, rows, forgotten } = lives({ cloud: 500 });
    const { continuity } = await begin({ sinks: ['cloud', 'archive'] });
    await continuity.applied(version({ sinks: [] }), 2);
    expect(rows).toEqual([
      ['config.removed', ['cloud', 'archive']],
      ['config.sinkRemoved', 'cloud'],
    ]);
    await clock.advance(DAY_MS - 1);
    expect(forgotten).toEqual([]);
    expect(continuity.isKept('cloud')).toBe(true);
    await clock.advance(1_001);
    expect(forgotten).toEqual(['cloud', 'archive']);
    expect(rows.at(-1)).toEqual(['config.sinkForgotten', 'cloud']);
  });

  test('is no longer counted once the sink is back', async () => {
    const { begin, clock, forgotten } = lives();
    const { continuity } = await begin({ sinks: ['cloud'] });
    await continuity.applied(version({ sinks: [] }), 2);
    await clock.advance(DAY_MS / 2);
    await continuity.applied(version({ sinks: ['cloud'] }), 3);
    await clock.advance(2 * DAY_MS);
    expect(forgotten).toEqual([]);
  });

  test('is given up at once, without an alert, where the configuration names it under removed', async () => {
    const { begin, rows, forgotten } = lives({ cloud: 500 });
    const { continuity } = await begin({ sinks: ['cloud'] });
    await continuity.applied(version({ sinks: [], removed: { sinks: ['default/cloud'] } }), 2);
    expect(forgotten).toEqual(['cloud']);
    expect(rows).toEqual([['config.removed', ['cloud']]]);
  });

  test('is given up when a later version names it', async () => {
    const { begin, forgotten } = lives();
    const { continuity } = await begin({ sinks: ['cloud'] });
    await continuity.applied(version({ sinks: [] }), 2);
    expect(forgotten).toEqual([]);
    await continuity.applied(version({ sinks: [], removed: { sinks: ['cloud'] } }), 3);
    expect(forgotten).toEqual(['cloud']);
  });

  test('outlives restarts; the grace is time that the gateway runs, whatever the wall clock does', async () => {
    const { begin, clock, forgotten } = lives();
    const first = await begin({ sinks: ['cloud'] });
    await first.continuity.applied(version({ sinks: [] }), 2);
    await clock.advance(DAY_MS / 2);
    await first.continuity.close();
    // Years pass while it is down.
    await clock.advance(1_000 * DAY_MS);
    const second = await begin({ sinks: [] });
    expect(forgotten).toEqual([]);
    await clock.advance(DAY_MS / 2 - 1);
    expect(forgotten).toEqual([]);
    await clock.advance(1_001);
    expect(forgotten).toEqual(['cloud']);
    await second.continuity.close();
  });
});

test('a sink that is registered by call after it was removed from the configuration is left at work', async () => {
  const { begin, clock, rows, forgotten, registered } = lives({ cloud: 500 });
  const { continuity } = await begin({ sinks: ['cloud'] });
  await continuity.applied(version({ sinks: [] }), 2);
  registered.add('cloud');
  await clock.advance(2 * DAY_MS);
  expect(forgotten).toEqual([]);
  expect(rows.map(([event]) => event)).not.toContain('config.sinkForgotten');
});

describe('the cursor of a source that is gone', () => {
  const gone = { sources: [] };

  test('is kept for the time of grace, and then given up with a row', async () => {
    const { begin, clock, rows, forgotten, log } = lives({}, ['meter', 'press']);
    const { continuity } = await begin({ sources: ['meter', 'press', 'door'] });
    await continuity.applied(version(gone), 2);
    await clock.advance(DAY_MS - 1);
    expect(forgotten).toEqual([]);
    await clock.advance(1_001);
    // The row names those that had a cursor.
    expect(forgotten).toEqual(['meter', 'press', 'door']);
    expect(rows.slice(1)).toEqual([['config.sourcesForgotten', ['meter', 'press']]]);
    expect(log.at(-1)).toBe('the cursors of sources that are gone were given up');
  });

  test('stays where the source is back in time', async () => {
    const { begin, clock, forgotten } = lives({}, ['meter']);
    const { continuity } = await begin({ sources: ['meter'] });
    await continuity.applied(version(gone), 2);
    await clock.advance(DAY_MS / 2);
    await continuity.applied(version({ sources: ['meter'] }), 3);
    await clock.advance(2 * DAY_MS);
    expect(forgotten).toEqual([]);
    // It has the whole time again.
    await continuity.applied(version(gone), 4);
    await clock.advance(DAY_MS - 1);
    expect(forgotten).toEqual([]);
  });

  test('stays where a source of that id was registered by call', async () => {
    const { begin, clock, forgotten, registered } = lives({}, ['meter']);
    const { continuity } = await begin({ sources: ['meter'] });
    await continuity.applied(version(gone), 2);
    registered.add('meter');
    await clock.advance(2 * DAY_MS);
    expect(forgotten).toEqual([]);
  });

  test('is given up at once, without a row of its own, where the configuration names it under removed', async () => {
    const { begin, rows, forgotten } = lives({}, ['north/meter']);
    const { continuity } = await begin({ sources: ['meter'] });
    await continuity.applied(version({ sources: [], removed: { sources: ['default/meter', 'other'] } }), 2);
    expect(forgotten).toEqual(['meter']);
    expect(rows.map(([event]) => event)).toEqual(['config.removed']);
  });

  test('outlives restarts; no jump of the wall clock uses the grace up', async () => {
    const { begin, clock, forgotten } = lives({}, ['meter']);
    const first = await begin({ sources: ['meter'] });
    await first.continuity.close();
    // It is removed while the gateway is down, and years pass.
    await clock.advance(1_000 * DAY_MS);
    const second = await begin(gone);
    await clock.advance(DAY_MS / 2);
    clock.jumpWall(1_000 * DAY_MS);
    await clock.advance(DAY_MS / 4);
    await second.continuity.close();
    const third = await begin(gone);
    clock.jumpWall(-2_000 * DAY_MS);
    await clock.advance(DAY_MS / 4 - 1);
    expect(forgotten).toEqual([]);
    await clock.advance(1_001);
    expect(forgotten).toEqual(['meter']);
    await third.continuity.close();
  });

  test('is given up in time, too, where only a version that was taken back had the source', async () => {
    const { begin, clock, forgotten, rows } = lives({}, ['meter', 'tried']);
    const { continuity } = await begin({ sources: ['meter'] });
    await continuity.takenBack(version({ sources: ['meter', 'tried'] }));
    await clock.advance(DAY_MS / 2);
    // It was tried again: that begins no new time.
    await continuity.takenBack(version({ sources: ['meter', 'tried'] }));
    await clock.advance(DAY_MS / 2 + 1_000);
    expect(forgotten).toEqual(['tried']);
    expect(rows).toEqual([['config.sourcesForgotten', ['tried']]]);
  });

  test('that cannot be deleted is tried again', async () => {
    const { begin, clock, fill, forgotten } = lives({}, ['meter']);
    const { continuity } = await begin({ sources: ['meter'] });
    await continuity.applied(version(gone), 2);
    fill(true);
    await clock.advance(DAY_MS + 60_000);
    expect(forgotten).toEqual([]);
    fill(false);
    await clock.advance(60_000);
    expect(forgotten).toEqual(['meter']);
  });
});

test('a sink that is removed while the gateway is down is told at the next start', async () => {
  const { begin, rows } = lives({ cloud: 3 });
  await (await begin({ sources: ['door'], sinks: ['cloud'] })).continuity.close();
  await begin({ sources: ['door'], sinks: [] });
  expect(rows).toEqual([
    ['config.removed', ['cloud']],
    ['config.sinkRemoved', 'cloud'],
  ]);
});

test('what cannot be written down is tried again until it can', async () => {
  const { begin, clock, fill } = lives();
  fill(true);
  const { continuity } = await begin({ tokens: 1 });
  fill(false);
  await clock.advance(15 * 60_000);
  await continuity.close();
  expect((await begin({})).problems).toEqual(['auth.tokens']);
});

describe('a gateway that had tokens', () => {
  test('refuses a version without any, while it runs and after a restart', async () => {
    const { begin } = lives();
    const { continuity } = await begin({ tokens: 1 });
    for (const origin of ['file', 'api', 'signal', 'mqtt'] as const)
      expect(continuity.problemsWith(version({}), origin)).toMatchObject([
        { path: 'auth.tokens', message: expect.stringContaining('auth.open: true') as string },
      ]);
    await continuity.close();
    expect((await begin({})).problems).toEqual(['auth.tokens']);
  });

  test('runs without where the version says so, with a row and a warning, and asks again later', async () => {
    const { begin, rows, log } = lives();
    const { continuity } = await begin({ tokens: 1 });
    expect(continuity.problemsWith(version({ open: true }), 'file')).toEqual([]);
    await continuity.applied(version({ open: true }), 2);
    expect(rows).toEqual([['config.opened', null]]);
    expect(log).toContain('the gateway runs without tokens: whoever reaches it may do everything');
    expect(continuity.problemsWith(version({}), 'file')).toHaveLength(1);
  });

  test('may change them', async () => {
    const { begin } = lives();
    const { continuity } = await begin({ tokens: 2 });
    expect(continuity.problemsWith(version({ tokens: 1 }), 'file')).toEqual([]);
  });
});

test('a gateway that never had tokens runs without', async () => {
  const { begin } = lives();
  await (await begin({})).continuity.close();
  expect((await begin({})).problems).toEqual([]);
});

describe('a section that ran', () => {
  test('may be emptied, and not be left out, while the gateway runs and after a restart', async () => {
    const { begin } = lives();
    const { continuity } = await begin({ sources: ['door'], sinks: ['cloud'] });
    expect(continuity.problemsWith(version({}), 'file')).toMatchObject([
      { path: 'sources', message: expect.stringContaining('sources: {}') as string },
      { path: 'sinks' },
    ]);
    expect(continuity.problemsWith(version({ sources: [], sinks: [] }), 'file')).toEqual([]);
    await continuity.close();
    expect((await begin({ sources: ['door'] })).problems).toEqual(['sinks']);
  });

  test('that said nothing may be left out', async () => {
    const { begin } = lives();
    const { continuity } = await begin({ sources: [], sinks: [] });
    expect(continuity.problemsWith(version({}), 'file')).toEqual([]);
  });
});

describe('a text is half-written', () => {
  const running = 'a: 100\nb: 2000\n';
  const cases: [title: string, next: string, expected: boolean][] = [
    ['where it ends within a line', 'a: 100\nb: 20', true],
    ['where it ends within the first line', 'a: 1', true],
    ['not where it ends with a line', 'a: 100\n', false],
    ['not where only the last line end is missing', 'a: 100\nb: 2000', false],
    ['not where it ends before a line end', 'a: 100', false],
    ['not where it says something else', 'a: 200\nb', false],
    ['not where it is longer', `${running}c: 3\n`, false],
    ['not where it is the same', running, false],
  ];
  for (const [title, next, expected] of cases)
    test(title, () => expect(isHalfWritten(running, next)).toBe(expected));
});
