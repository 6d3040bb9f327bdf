/** Sinks in whole engines under the virtual clock: what each gets, what one that is dead does to the rest,
 *  and how they come, change and go. */

import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import {
  fileSink,
  defineSink,
  functionSink,
  HeadgateError,
  openTimelineReader,
  simulatedSource,
  type FunctionSinkOptions,
  type OutboundRecord,
} from '../../src/index.ts';
import { temporaryFolder } from '../storage/fixture.ts';
import { codeOf, engineRig, startedRig, type EngineRig } from '../support/engine-rig.ts';

const counting = (id = 'a', intervalMs = 10) => simulatedSource({ id, intervalMs, value: (n) => n });
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, n) => from + n);

/** A sink that keeps what it gets in `got`. */
function collecting(id = 'out', options: Partial<FunctionSinkOptions> = {}) {
  const got: unknown[] = [];
  const spec = functionSink({
    id,
    deliver: async (batch) => void got.push(...batch.map(({ data }) => data)),
    ...options,
  });
  return { spec, got };
}

const dead = (id = 'dead', options: Partial<FunctionSinkOptions> = {}) =>
  functionSink({
    id,
    deliver: async () => {
      throw new HeadgateError('HG_LINK_LOST', 'for the test');
    },
    ...options,
  });

const stored = (rig: EngineRig) =>
  rig.query('SELECT data FROM records ORDER BY seq').map(({ data }) => JSON.parse(data as string) as unknown);
const cursors = (rig: EngineRig) => rig.query('SELECT sink_id, seq, reads FROM sink_cursors');

describe('a sink', () => {
  test('has delivered everything that is stored when the engine has stopped', async () => {
    const rig = await startedRig({}, counting());
    const { spec, got } = collecting();
    await rig.engine.registerSink(spec);
    await rig.clock.advance(1_005);
    await rig.stop();
    expect(got).toEqual(stored(rig));
    expect(got.length).toBeGreaterThanOrEqual(100);
    expect(rig.course('sink:out')).toEqual([
      'connecting>delivering',
      'delivering>draining',
      'draining>stopped',
    ]);
    expect(rig.query('SELECT state, delivered, type FROM sinks')).toEqual([
      { state: 'stopped', delivered: got.length, type: 'function' },
    ]);
    expect(rig.complaints()).toEqual([]);
  });

  test('may be registered before the start, and begins with what is stored already', async () => {
    const rig = await startedRig({}, counting());
    await rig.clock.advance(300);
    await rig.stop();
    const { spec, got } = collecting();
    const again = engineRig({ file: rig.file });
    const registered = again.engine.registerSink(spec);
    await again.engine.start();
    expect(await registered).toMatchObject({ id: 'out' });
    await again.clock.advance(100);
    expect(got).toEqual(stored(rig));
  });

  test('that is to start with the next record gets none that was stored before', async () => {
    const rig = await startedRig({}, counting());
    await rig.clock.advance(500);
    const { spec, got } = collecting('out', { startAt: 'next' });
    await rig.engine.registerSink(spec);
    await rig.clock.advance(500);
    await rig.stop();
    expect(got.length).toBeGreaterThan(40);
    expect(got).toEqual(stored(rig).slice(-got.length));
    expect(got[0]).toBeGreaterThan(45);
  });

  test('goes on after a restart where it was', async () => {
    const rig = await startedRig({}, counting());
    const { spec, got } = collecting('out', { startAt: 'next' });
    await rig.engine.registerSink(spec);
    await rig.clock.advance(500);
    await rig.stop();
    const before = got.length;
    const again = await startedRig({ file: rig.file }, counting());
    await again.clock.advance(300);
    await again.engine.registerSink(spec);
    await again.clock.advance(300);
    await again.stop();
    expect(got).toEqual(stored(again));
    expect(got.length).toBeGreaterThan(before + 50);
  });

  test('of alerts gets those of the engine, with their place in the timeline', async () => {
    const rig = await startedRig({});
    const got: OutboundRecord[] = [];
    const spec = functionSink({
      id: 'bell',
      reads: 'alerts',
      deliver: async (batch) => void got.push(...batch),
    });
    await rig.engine.registerSink(spec);
    await rig.engine.registerSink(dead('dead', { breaker: { failures: 1, coolDownMs: 60_000 } }));
    await rig.engine.register(counting());
    await rig.clock.advance(1_000);
    expect(got.map(({ sourceId, data }) => [sourceId, (data as { event: string }).event])).toEqual([
      ['sink:dead', 'SINK_CIRCUIT_OPEN'],
    ]);
    expect(rig.query('SELECT seq FROM alerts')).toEqual(got.map(({ seq }) => ({ seq })));
  });

  test('keeps what its far end refuses as dead letters, under its name', async () => {
    const rig = await startedRig({}, counting());
    await rig.engine.registerSink(
      functionSink({
        id: 'out',
        deliver: async (batch) =>
          batch.flatMap(({ data }, index) =>
            data === 7 ? [{ index, error: { code: 'HG_SINK_REFUSED', message: 'no sevens' } }] : [],
          ),
      }),
    );
    await rig.clock.advance(500);
    expect(rig.query('SELECT source_id, stage, code, message, payload, status FROM dead_letters')).toEqual([
      {
        ...{ source_id: 'a', stage: 'sink:out', code: 'HG_SINK_REFUSED', message: 'no sevens' },
        ...{ payload: '7', status: 'new' },
      },
    ]);
    const [row] = rig.timeline("kind = 'dead_letter'");
    expect([row?.actor, row?.data]).toEqual([
      'sink:out',
      { stage: 'sink:out', code: 'HG_SINK_REFUSED', count: 1 },
    ]);
    expect(rig.engine.sinkHealth('out')).toMatchObject({ deadLettered: 1, state: 'delivering' });
  });
});

test(
  'a sink that is dead for hours costs the others nothing, and has everything when it comes back',
  { tags: 'full' },
  async () => {
    const rig = await startedRig({ health: { intervalMs: 60_000 } }, counting('a', 10_000));
    const { spec, got } = collecting();
    let isDead = true;
    const late: unknown[] = [];
    await rig.engine.registerSink(spec);
    await rig.engine.registerSink(
      functionSink({
        id: 'late',
        breaker: { failures: 5, coolDownMs: 60_000 },
        deliver: async (batch) => {
          if (isDead) throw new HeadgateError('HG_LINK_REFUSED', 'for the test');
          late.push(...batch.map(({ data }) => data));
        },
      }),
    );
    await rig.clock.advance(3 * 3_600_000);
    expect(got).toEqual(stored(rig));
    expect(got.length).toBeGreaterThanOrEqual(1_079);
    expect(rig.engine.health('a')).toMatchObject({ state: 'streaming', droppedCount: 0, queueDepth: 0 });
    const health = rig.engine.sinkHealth('late');
    expect(health).toMatchObject({ delivered: 0, cursor: 0, state: 'circuitOpen' });
    expect(health.lagRecords).toBeGreaterThan(1_000);
    expect(health.lagSeconds).toBeGreaterThan(10_000);
    expect(rig.query('SELECT event FROM alerts')).toEqual([{ event: 'SINK_CIRCUIT_OPEN' }]);
    isDead = false;
    await rig.clock.advance(120_000);
    expect(late).toEqual(stored(rig));
    expect(rig.engine.sinkHealth('late')).toMatchObject({
      lagRecords: 0,
      lagSeconds: 0,
      consecutiveErrors: 0,
    });
  },
);

test('how far a sink is behind is told as of now, whenever it is asked', async () => {
  const rig = await startedRig({ health: { intervalMs: 600_000 } }, counting('a', 1_000));
  let isDead = true;
  await rig.engine.registerSink(
    functionSink({
      id: 'out',
      backoff: { kind: 'constant', initialMs: 1_000, maxMs: 1_000, jitter: 'none' },
      breaker: { failures: 10_000 },
      deliver: async () => {
        if (isDead) throw new HeadgateError('HG_LINK_REFUSED', 'for the test');
      },
    }),
  );
  for (const seconds of [7, 5, 20]) {
    await rig.clock.advance(seconds * 1_000);
    const { lagRecords, lagSeconds } = rig.engine.sinkHealth('out');
    const waiting = stored(rig).length;
    expect(lagRecords).toBe(waiting);
    expect(lagSeconds).toBeCloseTo(waiting - 1, 0);
  }
  isDead = false;
  await rig.clock.advance(1_100);
  expect(rig.engine.sinkHealth('out')).toMatchObject({ lagRecords: 0, lagSeconds: 0 });
  await rig.clock.advance(100);
  const [row] = rig.query('SELECT delivered FROM sinks');
  expect(row?.['delivered'], 'the row goes with the cursor').toBe(rig.engine.sinkHealth('out').delivered);
});

test('a sink that is removed before it has delivered everything is an alert, unless that is said', async () => {
  const dead = (id: string) =>
    functionSink({
      id,
      deliver: async () => Promise.reject(new HeadgateError('HG_LINK_REFUSED', 'for the test')),
    });
  const rig = await startedRig({}, counting('a', 100));
  const { spec } = collecting('done');
  for (const sink of [dead('lost'), dead('said'), dead('kept'), spec]) await rig.engine.registerSink(sink);
  await rig.clock.advance(1_050);
  const now = { mode: 'now' } as const;
  await rig.engine.deregisterSink('lost', now);
  await rig.engine.deregisterSink('said', { ...now, keepCursor: false });
  await rig.engine.deregisterSink('kept', { ...now, keepCursor: true });
  await rig.clock.runUntil(rig.engine.deregisterSink('done'));
  await rig.clock.advance(50);
  const alerts = () =>
    rig
      .query("SELECT data FROM timeline WHERE kind = 'alert' AND event = 'SINK_REMOVED_UNDELIVERED'")
      .map(({ data }) => (JSON.parse(data as string) as { details: object }).details);
  expect(alerts()).toMatchObject([{ sink: 'lost', reads: 'records', undelivered: 10 }]);
  await rig.engine.deregisterSink('kept');
  await rig.clock.advance(50);
  expect(alerts()[1]).toMatchObject({ sink: 'kept', reads: 'records' });
});

test(
  'a far end that takes nothing is an alert with its answer; nothing is given up, and all arrives later',
  { tags: 'full' },
  async () => {
    const rig = await startedRig({}, counting('a', 5));
    let isRefusing = true;
    const late: unknown[] = [];
    await rig.engine.registerSink(
      functionSink({
        id: 'cloud',
        deliver: async (batch) => {
          if (isRefusing) throw new HeadgateError('HG_SINK_REFUSED', 'answered 400: no such bucket');
          late.push(...batch.map(({ data }) => data));
        },
      }),
    );
    await rig.clock.advance(5_000);
    expect(rig.engine.sinkHealth('cloud')).toMatchObject({ state: 'backingOff', deadLettered: 0, cursor: 0 });
    const raised = rig.query("SELECT data FROM timeline WHERE kind = 'alert' AND event = 'SINK_REFUSES_ALL'");
    expect(raised).toHaveLength(1);
    expect(raised[0]?.['data']).toContain('no such bucket');
    isRefusing = false;
    await rig.clock.advance(30_000);
    expect(late).toEqual(stored(rig).slice(0, late.length));
    expect(late.length).toBeGreaterThan(1_000);
  },
);

test('a dead sink holds up the stop until its deadline and no longer; the next start goes on', async () => {
  const rig = await startedRig({}, counting());
  await rig.engine.registerSink(dead('out', { drainDeadlineMs: 2_000 }));
  await rig.clock.advance(500);
  const sinceMs = rig.clock.monotonicMs();
  await rig.stop();
  expect(rig.clock.monotonicMs() - sinceMs).toBeLessThan(2_200);
  expect(cursors(rig)).toEqual([{ sink_id: 'out', seq: 0, reads: 'records' }]);
  const again = await startedRig({ file: rig.file });
  const { spec, got } = collecting();
  await again.engine.registerSink(spec);
  await again.clock.advance(100);
  expect(got).toEqual(stored(again));
});

test('no two sinks write one file, whatever they call it', async () => {
  const folder = temporaryFolder();
  const path = join(folder, 'out.ndjson');
  symlinkSync(folder, join(folder, 'link'));
  const rig = await startedRig({}, counting());
  await rig.engine.registerSink(fileSink({ id: 'first', path }));
  const others = [path, join(folder, 'x', '..', 'out.ndjson'), join(folder, 'link', 'out.ndjson')];
  for (const [index, other] of others.entries()) {
    const second = rig.engine.registerSink(fileSink({ id: `second-${index}`, path: other }));
    await expect(second).rejects.toThrow(/sink "first" writes "file:.*out\.ndjson"; give each a path/);
  }
  const elsewhere = fileSink({ id: 'second', path: join(folder, 'other.ndjson') });
  await rig.engine.registerSink(elsewhere);
  expect(await codeOf(rig.engine.updateSink(fileSink({ id: 'second', path })))).toBe('HG_OPTION_INVALID');
  // A sink may take its own place, and another one when that is free.
  await rig.clock.runUntil(rig.engine.updateSink(fileSink({ id: 'first', path, fsync: 'never' })));
  await rig.clock.runUntil(rig.engine.deregisterSink('first', { mode: 'now' }));
  await rig.clock.runUntil(rig.engine.updateSink(fileSink({ id: 'second', path })));
  expect(rig.timeline("event = 'sinks.register.refused'")).toHaveLength(3);
});

describe('commands', () => {
  test('pause and resume', async () => {
    const rig = await startedRig({}, counting());
    const { spec, got } = collecting();
    await rig.engine.registerSink(spec);
    await rig.clock.advance(300);
    await rig.engine.pauseSink('out');
    await rig.clock.advance(50);
    const before = got.length;
    await rig.clock.advance(1_000);
    expect([got.length, rig.engine.sinkHealth('out').state]).toEqual([before, 'paused']);
    await rig.engine.resumeSink('out');
    await rig.clock.advance(1_000);
    await rig.stop();
    expect(got).toEqual(stored(rig));
  });

  test('deregister takes a sink out after it has delivered, and its cursor with it', async () => {
    const rig = await startedRig({}, counting());
    const { spec, got } = collecting();
    await rig.engine.registerSink(spec);
    await rig.clock.advance(300);
    await rig.engine.pauseSink('out');
    await rig.clock.advance(300);
    await rig.engine.resumeSink('out');
    await rig.clock.runUntil(rig.engine.deregisterSink('out'));
    await rig.clock.advance(50);
    expect(got.length).toBeGreaterThanOrEqual(59);
    expect(got).toEqual(stored(rig).slice(0, got.length));
    expect([cursors(rig), rig.engine.sinkHealth('out').state]).toEqual([[], 'stopped']);
    expect(await codeOf(rig.engine.pauseSink('out'))).toBe('HG_SINK_UNKNOWN');
    expect(rig.query('SELECT deregistered_at_ms IS NULL AS here FROM sinks')).toEqual([{ here: 0 }]);
  });

  test('deregister now gives up what is under way', async () => {
    const rig = await startedRig({}, counting());
    const never = functionSink({ id: 'out', deliver: () => new Promise(() => {}) });
    await rig.engine.registerSink(never);
    await rig.clock.advance(100);
    const sinceMs = rig.clock.monotonicMs();
    await rig.clock.runUntil(rig.engine.deregisterSink('out', { mode: 'now' }));
    expect(rig.clock.monotonicMs() - sinceMs).toBeLessThan(20);
    await rig.clock.advance(50);
    expect(cursors(rig)).toEqual([]);
  });

  test('deregister forgets the cursor of a sink that only an earlier run had', async () => {
    const rig = await startedRig({}, counting());
    await rig.engine.registerSink(collecting().spec);
    await rig.clock.advance(100);
    await rig.stop();
    const again = await startedRig({ file: rig.file });
    expect(await codeOf(again.engine.pauseSink('out'))).toBe('HG_SINK_UNKNOWN');
    await again.engine.deregisterSink('out');
    expect(await codeOf(again.engine.deregisterSink('out'))).toBe('HG_SINK_UNKNOWN');
    await again.clock.advance(50);
    expect(cursors(again)).toEqual([]);
  });

  test('deregister may leave the cursor to a sink that comes after it', async () => {
    const rig = await startedRig({}, counting());
    const { spec, got } = collecting('out', { startAt: 'next' });
    await rig.engine.registerSink(spec);
    await rig.clock.advance(100);
    await rig.clock.runUntil(rig.engine.deregisterSink('out', { keepCursor: true }));
    await rig.clock.advance(100);
    expect(cursors(rig)).toMatchObject([{ sink_id: 'out', seq: got.length }]);
    expect(await codeOf(rig.engine.deregisterSink('out', { keepCursor: true }))).toBe('HG_SINK_UNKNOWN');
    await rig.engine.registerSink(spec);
    await rig.clock.advance(100);
    await rig.clock.runUntil(rig.engine.deregisterSink('out', { keepCursor: true }));
    expect(got).toEqual(range(1, got.length));
    expect(got.length).toBeGreaterThan(25);
    await rig.clock.advance(50);
    expect(rig.timeline("kind = 'deregistered'").map(({ data }) => data)).toEqual([
      { mode: 'drain', keepCursor: true },
      { mode: 'drain', keepCursor: true },
    ]);
    await rig.engine.deregisterSink('out');
    await rig.clock.advance(50);
    expect(cursors(rig)).toEqual([]);
  });

  test('update replaces a sink; the new one goes on where the old one was', async () => {
    const rig = await startedRig({}, counting());
    const { spec, got } = collecting();
    await rig.engine.registerSink(spec);
    await rig.clock.advance(500);
    const changed = functionSink({
      id: 'out',
      transform: ({ data }) => -Number(data),
      deliver: async (batch) => void got.push(...batch.map(({ data }) => data)),
    });
    await rig.clock.runUntil(rig.engine.updateSink(changed));
    await rig.clock.advance(500);
    await rig.stop();
    expect(got.map((value) => Math.abs(Number(value)))).toEqual(stored(rig));
    expect(got.filter((value) => Number(value) < 0).length).toBeGreaterThan(40);
    expect(rig.query('SELECT incarnation FROM sinks')).toEqual([{ incarnation: 3 }]);
  });

  /** Why `act` is refused; the refusal is a row, too. */
  const check = async (rig: EngineRig, act: Promise<unknown>, code: string, event: string) => {
    expect(await codeOf(act)).toBe(code);
    await rig.clock.advance(20);
    const row = rig.timeline(`event = '${event}.refused'`).at(-1);
    expect([row?.actor, row?.kind, row?.data]).toMatchObject(['sinks', 'command', { code }]);
  };

  test('that cannot be carried out are refused, with a row', async () => {
    const rig = await startedRig({});
    const { spec } = collecting();
    const { engine } = rig;
    await engine.registerSink(spec);
    await check(rig, engine.registerSink(spec), 'HG_SINK_DUPLICATE', 'sinks.register');
    await check(rig, engine.updateSink(collecting('b').spec), 'HG_SINK_UNKNOWN', 'sinks.update');
    await check(rig, engine.resumeSink('b'), 'HG_SINK_UNKNOWN', 'sinks.resume');
    await check(rig, engine.deregisterSink('b'), 'HG_SINK_UNKNOWN', 'sinks.deregister');
    const alerts = collecting('out', { reads: 'alerts' }).spec;
    await check(rig, engine.updateSink(alerts), 'HG_OPTION_INVALID', 'sinks.update');
    await check(rig, engine.registerSink({} as never), 'HG_OPTION_INVALID', 'sinks.register');
    await check(rig, engine.registerSink(counting() as never), 'HG_OPTION_INVALID', 'sinks.register');
    await check(rig, engine.register(spec as never), 'HG_SOURCE_NO_STREAM', 'registry.register').catch(
      () => {},
    );
    expect(engine.sinks().map(({ sinkId, state }) => [sinkId, state])).toEqual([['out', 'delivering']]);
  });

  test('may be sent as messages', async () => {
    const rig = await startedRig({}, counting());
    const { spec } = collecting();
    rig.engine.send({ type: 'sinks.register', spec });
    rig.engine.send({ type: 'sinks.pause', id: 'out' });
    rig.engine.send({ type: 'sinks.list' });
    await rig.clock.advance(20);
    expect(rig.engine.sinkHealth('out').state).toBe('paused');
    rig.engine.send({ type: 'sinks.deregister', id: 'out', mode: 'now' });
    rig.engine.send({ type: 'sinks.deregister', id: 'out', mode: 'later' } as never);
    await rig.clock.advance(20);
    expect(rig.engine.sinkHealth('out').state).toBe('stopped');
    expect(rig.timeline("event = 'sinks.deregister.refused'")).toHaveLength(1);
  });

  test('a sink is refused where there is no log that it could read', async () => {
    const rig = await startedRig({ records: { keep: false } });
    const act = rig.engine.registerSink(collecting().spec);
    await expect(act).rejects.toThrow('records.keep is false');
    await rig.engine.registerSink(collecting('bell', { reads: 'alerts' }).spec);
  });
});

test('a source cannot bear the name of a sink; both may have the same id', async () => {
  expect(() => counting('sink:a')).toThrow('must not begin with "sink:"');
  const rig = await startedRig({}, counting());
  await rig.engine.registerSink(collecting('a').spec);
  await rig.clock.advance(100);
  expect([rig.course('a'), rig.course('sink:a')]).toEqual([
    ['connecting>streaming'],
    ['connecting>delivering'],
  ]);
});

test('a sink that fails for good is an alert and leaves its cursor', async () => {
  const rig = await startedRig({}, counting());
  const hopeless = defineSink({
    type: 'hopeless',
    open: async () => {
      throw new HeadgateError('HG_OPTION_INVALID', 'for the test');
    },
  });
  await rig.engine.registerSink(hopeless({ id: 'out' }));
  await rig.clock.advance(100);
  expect(rig.engine.sinkHealth('out')).toMatchObject({ state: 'failed', cursor: 0 });
  expect(rig.query('SELECT actor, event FROM alerts')).toEqual([{ actor: 'sink:out', event: 'SINK_FAILED' }]);
  const { spec, got } = collecting();
  await rig.engine.registerSink(spec);
  await rig.clock.advance(100);
  expect(got).toEqual(stored(rig));
});

test('damaged records are passed over by every sink, and one alert says so', async () => {
  const rig = await startedRig({}, counting());
  await rig.clock.advance(200);
  await rig.stop();
  const db = new Database(rig.file);
  db.prepare('UPDATE records SET data = ? WHERE seq = 3').run('99');
  db.close();
  const again = await startedRig({ file: rig.file });
  const sinks = [collecting('one'), collecting('two')];
  for (const { spec } of sinks) await again.engine.registerSink(spec);
  await again.clock.advance(100);
  for (const { got } of sinks) expect(got.slice(0, 4)).toEqual([1, 2, 4, 5]);
  const [alert, ...others] = again.query("SELECT actor, data FROM alerts WHERE event = 'RECORD_DAMAGED'");
  expect([alert?.['actor'], others]).toEqual(['sink:one', []]);
  expect(JSON.parse(alert?.['data'] as string)).toMatchObject({
    details: { code: 'HG_RECORD_DAMAGED', seqs: [3] },
  });
});

test('the reader of the timeline knows the state of a sink at any time, and why it is so', async () => {
  const rig = await startedRig({}, counting());
  await rig.engine.registerSink(dead('out', { breaker: { failures: 1, coolDownMs: 60_000 } }));
  await rig.clock.advance(1_000);
  await rig.stop({ deadlineMs: 10 });
  const reader = openTimelineReader(rig.file);
  const at = [...reader.stateAt(Date.UTC(2020, 0, 1) + 900)].find(({ actor }) => actor === 'sink:out');
  const causes = rig.timeline("actor = 'sink:out' AND to_state = 'circuitOpen'");
  reader.close();
  expect(at).toMatchObject({ state: 'circuitOpen' });
  expect(causes[0]?.data).toMatchObject({ error: { code: 'HG_LINK_LOST' } });
  expect(causes[0]?.data?.['waitMs']).toBeGreaterThanOrEqual(54_000);
});

test('a hundred sinks each get everything', async () => {
  const rig = await startedRig({}, counting());
  const sinks = range(1, 100).map((n) => collecting(`s${n}`));
  for (const { spec } of sinks) await rig.engine.registerSink(spec);
  await rig.clock.advance(500);
  await rig.stop();
  const all = stored(rig);
  for (const { got } of sinks) expect(got).toEqual(all);
  expect(rig.query("SELECT count(*) AS n FROM sinks WHERE state = 'stopped'")).toEqual([{ n: 100 }]);
});
