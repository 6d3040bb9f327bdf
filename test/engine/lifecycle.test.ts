/** Starting, stopping, and starting again; several engines at once; nothing left behind. */

import { describe, expect, test } from 'vitest';
import { firstValueFrom, map, skip } from 'rxjs';
import {
  createEngine,
  defineSource,
  filter,
  simulatedSource,
  transform,
  type Batch,
  type SourceSpec,
  type Stage,
} from '../../src/index.ts';
import { virtualClock } from '../../src/testing/virtual-clock.ts';
import { query, temporaryFile } from '../storage/fixture.ts';
import { codeOf, engineRig, readAll, startedRig, type RigOptions } from '../support/engine-rig.ts';

const ticking = (id: string, intervalMs = 10) => simulatedSource({ id, intervalMs });

describe('an engine', () => {
  test('is idle until it is started: no file, no timer, no row', () => {
    const { engine, clock, query: rows } = engineRig();
    expect([engine.state, clock.pendingTimers, engine.health(), engine.activeSources()]).toEqual([
      'idle',
      0,
      [],
      [],
    ]);
    expect(() => rows('SELECT 1')).toThrow('unable to open database file');
  });

  test('carries out on its start what it was asked before, in order', async () => {
    const { engine, clock } = engineRig();
    const asked = [engine.register(ticking('a')), engine.register(ticking('a')), engine.deregister('b')];
    engine.send({ type: 'registry.register', spec: ticking('c') });
    const outcomes = Promise.all(asked.map(codeOf));
    await clock.runUntil(engine.start());
    expect(await outcomes).toEqual(['fulfilled', 'HG_SOURCE_DUPLICATE', 'HG_SOURCE_UNKNOWN']);
    expect(engine.activeSources()).toEqual(['a', 'c']);
  });

  test('is not started again, nor disturbed, by further starts', async () => {
    const { engine, clock, query: rows } = await startedRig({}, ticking('a'));
    await Promise.all([engine.start(), engine.start()]);
    await clock.advance(35);
    await engine.start();
    expect(engine.health('a').recordsProduced).toBe(3);
    expect(rows('SELECT run FROM runs')).toEqual([{ run: 1 }]);
  });

  test('is started once by several starts at a time', async () => {
    const { engine, query: rows } = engineRig();
    await Promise.all([engine.start(), engine.start(), engine.start()]);
    expect(engine.state).toBe('running');
    expect(rows('SELECT run FROM runs')).toEqual([{ run: 1 }]);
  });

  test('is stopped once by several stops at a time, and each gives the report', async () => {
    const { engine, clock } = await startedRig({}, ticking('a'));
    await clock.advance(50);
    const reports = await clock.runUntil(Promise.all([engine.stop(), engine.stop(), engine.stop()]));
    expect(reports.map(({ delivered }) => delivered)).toEqual([5, 5, 5]);
    expect((await engine.stop()).delivered).toBe(5);
    expect(engine.state).toBe('stopped');
  });

  test('that was never started can be stopped', async () => {
    const { engine } = engineRig();
    expect(await engine.stop()).toMatchObject({ sources: [], delivered: 0, lost: 0 });
    expect(engine.state).toBe('idle');
  });

  test('stopped while it starts has started, then stops', async () => {
    const { engine, clock, query: rows } = engineRig();
    const starting = engine.start();
    await clock.runUntil(Promise.all([starting, engine.stop()]));
    expect(engine.state).toBe('stopped');
    expect(rows('SELECT end FROM runs')).toEqual([{ end: 'clean' }]);
  });

  test('stopped while a start fails leaves the failure to whoever started it', async () => {
    const holder = await startedRig({});
    const { engine } = engineRig({ file: holder.file });
    const starting = codeOf(engine.start());
    expect(await engine.stop()).toMatchObject({ delivered: 0 });
    expect([await starting, engine.state]).toEqual(['HG_STORAGE_LOCKED', 'idle']);
  });

  test('started while it drains ends first, then runs anew', async () => {
    const { engine, clock, query: rows } = await startedRig({}, ticking('a'));
    await clock.advance(50);
    const stopping = engine.stop();
    expect(engine.state).toBe('draining');
    await clock.runUntil(Promise.all([stopping, engine.start(), engine.start()]));
    expect([engine.state, engine.activeSources()]).toEqual(['running', []]);
    expect(rows('SELECT run, end FROM runs')).toEqual([
      { run: 1, end: 'clean' },
      { run: 2, end: null },
    ]);
  });

  test('refuses requests while it drains and after, and answers those it had', async () => {
    const { engine, clock, timeline } = await startedRig({}, ticking('a'));
    const going = codeOf(engine.deregister('a'));
    const stopping = engine.stop();
    const late = codeOf(engine.register(ticking('b')));
    await clock.runUntil(stopping);
    expect(await Promise.all([going, late, codeOf(engine.pause('a'))])).toEqual([
      'fulfilled',
      'HG_ENGINE_STATE',
      'HG_ENGINE_STATE',
    ]);
    expect(timeline("event = 'registry.register.refused'")).toHaveLength(1);
  });

  test('runs for as long as it is told, to the millisecond', async () => {
    const { engine, clock } = engineRig();
    const registered = engine.register(ticking('a', 100));
    const report = await clock.runUntil(engine.run({ durationMs: 1_050 }));
    await registered;
    expect(report).toMatchObject({ admitted: 10, delivered: 10, dropped: 0, lost: 0 });
    expect(clock.monotonicMs()).toBe(1_050);
  });
});

describe('a second run of one engine', () => {
  test('counts rows, runs and incarnations on, and its own records from nought', async () => {
    const rig = await startedRig({}, ticking('a'));
    await rig.clock.advance(50);
    await rig.stop();
    const before = rig.timeline();
    await rig.engine.start();
    expect((await rig.engine.register(ticking('a'))).incarnation).toBe(2);
    await rig.clock.advance(30);
    const report = await rig.stop();
    const after = rig.timeline('run = 2');
    expect([report.delivered, report.admitted, rig.delivered.length]).toEqual([3, 3, 8]);
    expect(after[0]?.seq).toBe((before.at(-1)?.seq as number) + 1);
    expect(rig.timeline().map(({ seq }) => seq)).toEqual(rig.timeline().map((_, index) => index + 1));
    expect(rig.query('SELECT incarnation, source_seq FROM records ORDER BY seq')).toEqual(
      [1, 2, 3, 4, 5]
        .map((seq) => ({ incarnation: 1, source_seq: seq }))
        .concat([1, 2, 3].map((seq) => ({ incarnation: 2, source_seq: seq }))),
    );
  });

  test('has consumers of its own, and the observables of the first', async () => {
    const rig = await startedRig({}, ticking('a'));
    const first = rig.engine.consume();
    await rig.clock.advance(20);
    const reading = readAll(first);
    await rig.stop();
    expect(await reading).toHaveLength(2);
    await rig.engine.start();
    await rig.engine.register(ticking('b'));
    const second = rig.engine.consume();
    await rig.clock.advance(30);
    const readingAgain = readAll(second);
    await rig.stop();
    expect((await readingAgain).map(({ sourceId, seq }) => [sourceId, seq])).toEqual(
      [1, 2, 3].map((seq) => ['b', seq]),
    );
    expect(rig.delivered).toHaveLength(5);
  });
});

describe('a stopped engine leaves nothing on the clock', () => {
  const hanging = defineSource({
    type: 'hanging',
    connects: true,
    stream: (io) => new Promise((resolve) => io.signal.addEventListener('abort', () => resolve())),
  });
  const crashing = simulatedSource({ id: 'x', intervalMs: 5, script: ['crash'] });
  const bursting = simulatedSource({ id: 'x', burst: { recordsMin: 50, recordsMax: 50, gapMs: 1_000 } });
  const cases: [title: string, options: RigOptions, source: SourceSpec][] = [
    ['beside a source that ticks', {}, ticking('x')],
    ['beside one that connects', {}, hanging({ id: 'x' })],
    ['beside one that waits after a crash', {}, crashing],
    ['in the midst of a burst', { burst: { thresholdRecords: 30, windowMs: 500 } }, bursting],
    ['in the midst of a limit', { rateLimit: { recordsPerSecondMax: 10, policy: 'delay' } }, bursting],
    ['with dead letters to be told', { stages: [transform(() => fail())] }, ticking('x')],
    ['without a database', { records: { keep: false } }, ticking('x')],
  ];
  for (const [title, options, source] of cases) {
    test(title, async () => {
      const rig = await startedRig(options, source);
      await rig.clock.advance(20);
      expect(rig.clock.pendingTimers).toBeGreaterThan(0);
      await rig.stop({ deadlineMs: 100 });
      expect(rig.clock.pendingTimers).toBe(0);
    });
  }

  function fail(): never {
    throw new Error('for the test');
  }
});

test('an engine on the real clock leaves no timer and no handle to the process', async () => {
  const resources = () => process.getActiveResourcesInfo();
  const before = resources();
  for (let round = 0; round < 2; round++) {
    const engine = createEngine({ health: { intervalMs: 10 }, burst: { thresholdRecords: 1, windowMs: 50 } });
    const sixth = firstValueFrom(engine.records$.pipe(skip(5)));
    await engine.start();
    for (const id of ['a', 'b']) await engine.register(ticking(id, 2));
    await engine.register(simulatedSource({ id: 'x', intervalMs: 1, script: ['lost'] }));
    await sixth;
    expect(resources().length).toBeGreaterThan(before.length);
    await engine.stop();
    // The test runner's own come and go; nothing may be there that was not.
    const left = resources();
    for (const kind of before) if (left.includes(kind)) left.splice(left.indexOf(kind), 1);
    expect(left).toEqual([]);
  }
});

describe('two engines in one process', () => {
  const ids = (rig: { delivered: readonly { sourceId: string; seq: number }[] }) =>
    rig.delivered.map(({ sourceId, seq }) => `${sourceId} ${seq}`);

  test('share nothing: each does what it does alone', async () => {
    const course = async (others: number) => {
      const clock = virtualClock();
      const spec = simulatedSource({ id: 'a', intervalMs: 7, jitterMs: 5, failRate: 0.2 });
      const rig = await startedRig({ clock, seed: 5 }, spec);
      for (let other = 0; other < others; other++) {
        const beside = await startedRig({ clock, seed: 6 }, ticking('a', 3));
        await beside.engine.register(simulatedSource({ id: 'x', intervalMs: 4, script: ['crash', 'lost'] }));
      }
      await clock.advance(500);
      await rig.stop();
      const rows = rig
        .timeline()
        .map(({ seq, actor, event, to_state: to, cause }) => [seq, actor, event, to, cause]);
      return { ids: ids(rig), rows, health: rig.engine.health('a') };
    };
    const [alone, together] = [await course(0), await course(2)];
    expect(alone.ids.length).toBeGreaterThan(30);
    expect(together).toEqual(alone);
  });

  test('may be given the same sources and stages', async () => {
    const stages = [filter((record) => (record.data as { n: number }).n % 2 === 0)];
    const spec = ticking('a');
    const clock = virtualClock();
    const rigs = [await startedRig({ clock, stages }, spec), await startedRig({ clock, stages }, spec)];
    await clock.advance(60);
    for (const rig of rigs) {
      expect(ids(rig)).toEqual(['a 2', 'a 4', 'a 6']);
      expect(rig.engine.report().stages).toMatchObject([{ in: 6, out: 3, filtered: 3 }]);
    }
  });

  test('cannot use one database; the second is refused, and neither is harmed', async () => {
    const first = await startedRig({}, ticking('a'));
    const second = engineRig({ file: first.file });
    const asked = codeOf(second.engine.register(ticking('b')));
    await expect(second.engine.start()).rejects.toMatchObject({ code: 'HG_STORAGE_LOCKED', remedy: 'stop' });
    expect([second.engine.state, first.engine.state]).toEqual(['idle', 'running']);
    await first.clock.advance(50);
    await first.stop();
    expect(first.delivered).toHaveLength(5);
    await second.engine.start();
    expect(await asked).toBe('fulfilled');
    expect(first.query('SELECT run, end FROM runs')).toEqual([
      { run: 1, end: 'clean' },
      { run: 2, end: null },
    ]);
  });
});

describe('an engine that cannot start', () => {
  test('lets its database go', async () => {
    const file = temporaryFile();
    const broken = { kind: 'operator', stageName: 'broken' } as Stage;
    const engine = createEngine({
      timeline: { path: file },
      clock: virtualClock(),
      seed: 1,
      stages: [broken],
    });
    await expect(engine.start()).rejects.toThrow('is not a function');
    expect(engine.state).toBe('idle');
    expect(query(file, 'SELECT end FROM runs')).toEqual([{ end: 'clean' }]);
    await startedRig({ file });
  });

  test('starts later, when what was wrong is mended', async () => {
    const rig = await startedRig({});
    const other = engineRig({ file: rig.file });
    expect(await codeOf(other.engine.start())).toBe('HG_STORAGE_LOCKED');
    await rig.stop();
    await other.engine.start();
    expect(other.engine.state).toBe('running');
  });
});

describe('an engine that fails', () => {
  const essential = simulatedSource({
    id: 'essential',
    intervalMs: 10,
    script: ['ok', 'crash'],
    restart: { restartsMax: 0, exhausted: 'escalate' },
  });

  test('because an essential source gave up drains the others, says so, and can be started again', async () => {
    const rig = await startedRig({}, ticking('a'), essential);
    await rig.clock.advance(100);
    expect(rig.engine.state).toBe('failed');
    expect(rig.timeline("kind = 'alert'").map(({ event }) => event)).toEqual([
      'SOURCE_FAILED',
      'ENGINE_FAILED',
    ]);
    expect(rig.query('SELECT end FROM runs')).toEqual([{ end: 'clean' }]);
    expect(rig.query('SELECT source_id, state FROM sources')).toEqual([
      { source_id: 'a', state: 'stopped' },
      { source_id: 'essential', state: 'failed' },
    ]);
    expect(rig.complaints('error')).toEqual(
      expect.arrayContaining(['essential crashed; it is failed now', 'engine is failed']),
    );
    expect(rig.clock.pendingTimers).toBe(0);
    expect(await codeOf(rig.engine.register(ticking('b')))).toBe('HG_ENGINE_STATE');
    await rig.engine.start();
    await rig.engine.register(ticking('b'));
    await rig.clock.advance(30);
    expect(rig.engine.health('b').recordsProduced).toBe(3);
  });

  test('because a stage breaks stops, and says which part failed', async () => {
    const operator = () =>
      map((batch: Batch) => {
        throw new Error(`no room for ${batch.length}`);
      });
    const broken = { kind: 'operator', stageName: 'broken', operator } as unknown as Stage;
    const rig = await startedRig({ stages: [broken] }, ticking('a'));
    await rig.clock.advance(50);
    expect(rig.engine.state).toBe('failed');
    const [end] = rig.timeline("actor = 'engine' AND to_state = 'failed' AND kind = 'transition'");
    expect(end).toMatchObject({ event: 'part.failed', data: { error: { message: 'no room for 1' } } });
    expect(rig.query('SELECT state FROM sources')).toEqual([{ state: 'stopped' }]);
    expect(rig.clock.pendingTimers).toBe(0);
  });
});
