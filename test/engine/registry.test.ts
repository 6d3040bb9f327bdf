/** Sources come and go while the engine runs; what stays does not notice. */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test, vi } from 'vitest';
import { defineSource, pushSource, simulatedSource, type SourceSpec } from '../../src/index.ts';
import { INACTIVE_STATES, type SourceState } from '../../src/domain/health.ts';
import { seededRandom } from '../../src/domain/random.ts';
import { allChildren, lastRoot, liveStates } from '../support/engine-actors.ts';
import { codeOf, type EngineRig, handedIn, startedRig } from '../support/engine-rig.ts';

vi.mock('../../src/engine/engine-actor.ts', async (original) => {
  const { watched } = await import('../support/engine-actors.ts');
  return watched(await original());
});

const ticking = (id: string, intervalMs = 10) => simulatedSource({ id, intervalMs });
const recordsOf = (rig: EngineRig, id: string) => rig.delivered.filter(({ sourceId }) => sourceId === id);

describe('a registration', () => {
  test('is in the timeline before the first record', async () => {
    const rig = await startedRig({}, ticking('a'));
    await rig.clock.advance(50);
    const [row] = rig.timeline("kind = 'registered'");
    expect(row).toMatchObject({
      actor: 'a',
      incarnation: 1,
      event: 'registry.register',
      data: { type: 'simulated' },
    });
    expect(rig.timeline("actor = 'a'").map(({ event }) => event)).toEqual([
      'registry.register',
      'born',
      'link.opened',
    ]);
    const [first] = rig.query('SELECT min(at_ms) AS at FROM records');
    expect(first?.['at']).toBe((row?.at_ms as number) + 10);
  });

  test('says which incarnation it made', async () => {
    const rig = await startedRig({});
    expect(await rig.engine.register(ticking('a'))).toEqual({ id: 'a', incarnation: 1 });
    expect(await rig.engine.register(simulatedSource({ id: 'a', tenant: 'north', intervalMs: 1 }))).toEqual({
      id: 'north/a',
      incarnation: 2,
    });
    expect(rig.engine.activeSources()).toEqual(['a', 'north/a']);
  });

  test('of an id that was removed makes another incarnation, whose records count from one', async () => {
    const rig = await startedRig({}, ticking('a'));
    for (const incarnation of [2, 3]) {
      await rig.clock.advance(25);
      await rig.clock.runUntil(rig.engine.deregister('a'));
      expect(await rig.engine.register(ticking('a'))).toEqual({ id: 'a', incarnation });
    }
    await rig.clock.advance(25);
    await rig.stop();
    expect(rig.query('SELECT incarnation, source_seq AS seq FROM records ORDER BY records.seq')).toEqual(
      [1, 2, 3].flatMap((incarnation) => [1, 2].map((seq) => ({ incarnation, seq }))),
    );
    expect(rig.query('SELECT source_id, incarnation, state FROM sources')).toEqual([
      { source_id: 'a', incarnation: 3, state: 'stopped' },
    ]);
  });
});

describe('a deregistration', () => {
  /** A source whose ten records all wait in its outlet, one leaving every 100 ms. */
  async function full(): Promise<EngineRig> {
    const source = pushSource({
      id: 'full',
      rateLimit: { recordsPerSecondMax: 10, policy: 'delay', algorithm: 'token-bucket' },
    });
    const rig = await startedRig({}, source);
    await handedIn(source.pushAll(Array.from({ length: 30 }, (_, n) => n)));
    await rig.clock.advance(1);
    return rig;
  }

  test('drains first: what was taken in goes on, then the source is stopped and nothing follows', async () => {
    const rig = await full();
    const before = rig.delivered.length;
    expect(before).toBeLessThan(30);
    await rig.clock.runUntil(rig.engine.deregister('full'));
    await rig.clock.advance(1_000);
    expect(rig.delivered).toHaveLength(30);
    expect(rig.course('full').slice(1)).toEqual(['streaming>draining', 'draining>stopped']);
    const [end] = rig.timeline("actor = 'full' AND event = 'drain.finished'");
    expect(end?.data).toEqual({ forced: false, lostRecords: 0 });
  });

  test('now stops at once, and counts what is lost', async () => {
    const rig = await full();
    const { length: before } = rig.delivered;
    await rig.engine.deregister('full', { mode: 'now' });
    await rig.clock.advance(5_000);
    expect(rig.delivered).toHaveLength(before);
    const [end] = rig.timeline("actor = 'full' AND event = 'drain.finished'");
    expect(end?.data).toEqual({ forced: true, lostRecords: 30 - before });
    expect(rig.engine.health('full')).toMatchObject({ state: 'stopped', droppedCount: 30 - before });
  });

  test('that takes longer than its deadline is cut short there', async () => {
    const rig = await full();
    const atMs = rig.clock.monotonicMs();
    await rig.clock.runUntil(rig.engine.deregister('full', { deadlineMs: 500 }));
    expect(rig.clock.monotonicMs() - atMs).toBe(500);
    const { droppedCount } = rig.engine.health('full');
    await rig.clock.advance(5_000);
    expect(droppedCount).toBeGreaterThan(10);
    expect(rig.delivered.length + droppedCount).toBe(30);
  });

  test('while the source waits after a crash ends it at once', async () => {
    const rig = await startedRig({}, simulatedSource({ id: 'a', intervalMs: 5, script: ['crash'] }));
    await rig.clock.advance(6);
    expect(rig.engine.health('a').state).toBe('backingOff');
    await rig.engine.deregister('a');
    expect(rig.engine.health('a').state).toBe('stopped');
    expect(lastRoot().getSnapshot()).toMatchObject({ status: 'active' });
  });

  test('aborts what the source is at', async () => {
    const aborted = Promise.withResolvers<unknown>();
    const waiting = defineSource({
      type: 'waiting',
      stream: (io) =>
        new Promise((resolve) => {
          io.signal.addEventListener('abort', () => {
            aborted.resolve(io.signal.reason);
            resolve();
          });
        }),
    });
    const rig = await startedRig({}, waiting({ id: 'a' }));
    const atMs = rig.clock.monotonicMs();
    await rig.engine.deregister('a');
    expect(await aborted.promise).toMatchObject({ code: 'HG_SOURCE_STOPPED' });
    expect(rig.clock.monotonicMs()).toBe(atMs);
  });
});

describe('an update', () => {
  test('drains the old source and lets the new one follow, in the place of the old', async () => {
    const rig = await startedRig({}, ticking('a', 10));
    await rig.clock.advance(35);
    await rig.clock.runUntil(rig.engine.update(ticking('a', 50)));
    await rig.clock.advance(120);
    await rig.stop();
    expect(rig.delivered.map(({ incarnation, seq }) => [incarnation, seq])).toEqual([
      ...[1, 2, 3].map((seq) => [1, seq]),
      ...[1, 2].map((seq) => [2, seq]),
    ]);
    const registered = rig.timeline("kind = 'registered'");
    expect(registered.map(({ incarnation, data }) => [incarnation, data?.['updated']])).toEqual([
      [1, undefined],
      [2, true],
    ]);
    expect(rig.timeline("kind = 'ended' AND incarnation = 1")[0]?.seq).toBeLessThan(
      registered[1]?.seq as number,
    );
  });

  test('of a source that rests lets the new one run', async () => {
    const rig = await startedRig({}, ticking('a', 10));
    await rig.engine.pause('a');
    await rig.engine.update(ticking('a', 10));
    await rig.clock.advance(25);
    expect(rig.engine.health('a')).toMatchObject({ state: 'streaming', incarnation: 2, recordsProduced: 2 });
  });
});

describe('a pause', () => {
  test('stops the records, keeps the numbers, and a resume goes on with them', async () => {
    const rig = await startedRig({}, ticking('a', 10));
    await rig.clock.advance(35);
    await rig.engine.pause('a');
    await rig.clock.advance(1_000);
    expect(rig.engine.health('a')).toMatchObject({ state: 'paused', recordsProduced: 3, incarnation: 1 });
    expect(rig.engine.activeSources()).toEqual([]);
    await rig.engine.resume('a');
    await rig.clock.advance(25);
    await rig.stop();
    expect(rig.delivered.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);
  });

  test('is obeyed from every state, and so is the resume after it', async () => {
    const stuck = { breaker: { failures: 1, coolDownMs: 60_000 } };
    const sources: [state: SourceState, source: SourceSpec][] = [
      ['streaming', ticking('s1')],
      [
        'degraded',
        simulatedSource({
          id: 's2',
          intervalMs: 10,
          failRate: 1,
          degradedAfterErrors: 1,
          breaker: { failures: 99 },
        }),
      ],
      [
        'backingOff',
        simulatedSource({
          id: 's3',
          intervalMs: 10,
          script: ['crash'],
          restart: { backoff: { initialMs: 9_000 } },
        }),
      ],
      ['circuitOpen', simulatedSource({ id: 's4', intervalMs: 10, script: ['lost'], ...stuck })],
      [
        'quarantined',
        simulatedSource({ id: 's5', intervalMs: 10, script: ['crash'], restart: { restartsMax: 0 } }),
      ],
      ['paused', ticking('s6')],
      [
        'connecting',
        defineSource({ type: 'slow', connects: true, stream: (io) => io.clock.sleep(9e9, io.signal) })({
          id: 's7',
        }),
      ],
    ];
    const rig = await startedRig({}, ...sources.map(([, source]) => source));
    await rig.engine.pause('s6');
    await rig.clock.advance(25);
    expect(rig.engine.health().map(({ state }) => state)).toEqual(sources.map(([state]) => state));
    for (const [, { id }] of sources) await rig.engine.pause(id);
    expect(new Set(rig.engine.health().map(({ state }) => state))).toEqual(new Set(['paused']));
    await rig.clock.advance(1_000);
    for (const [, { id }] of sources) await rig.engine.resume(id);
    await rig.clock.advance(0);
    expect(rig.engine.health().map(({ state }) => state)).toEqual([
      ...Array.from({ length: 6 }, () => 'streaming'),
      'connecting',
    ]);
  });
});

test('what comes and goes does not touch what stays', async () => {
  const rig = await startedRig({}, ticking('stays', 7), ticking('stays-too', 11));
  for (let round = 0; round < 40; round++) {
    await rig.engine.register(ticking(`guest-${round}`, 3));
    await rig.clock.advance(10);
    if (round >= 5) await rig.clock.runUntil(rig.engine.deregister(`guest-${round - 5}`));
  }
  await rig.stop();
  for (const id of ['stays', 'stays-too']) {
    const { recordsProduced, restarts } = rig.engine.health(id);
    const records = recordsOf(rig, id);
    expect(records.map(({ seq }) => seq)).toEqual(Array.from({ length: recordsProduced }, (_, n) => n + 1));
    expect([restarts, new Set(records.map(({ incarnation }) => incarnation)).size]).toEqual([0, 1]);
    expect(rig.course(id)).toEqual(['connecting>streaming', 'streaming>draining', 'draining>stopped']);
  }
  expect(recordsOf(rig, 'stays')).toHaveLength(Math.floor(400 / 7));
});

test('the state in health and in the list of active sources is that of the actor, at any moment', async () => {
  const random = seededRandom('moments');
  const specs = ['a', 'b', 'c', 'd'].map((id) =>
    simulatedSource({
      id,
      intervalMs: 7,
      jitterMs: 9,
      script: Array.from(
        { length: 300 },
        () => (['ok', 'ok', 'fail', 'lost', 'crash'] as const)[random.integer(0, 4)] ?? 'ok',
      ),
      degradedAfterErrors: 1,
      breaker: { failures: 3, coolDownMs: 100 },
      restart: { restartsMax: 2, windowMs: 300, backoff: { initialMs: 5, maxMs: 50 } },
    }),
  );
  const rig = await startedRig({}, ...specs);
  const seen = new Set<string>();
  for (let moment = 0; moment < 100; moment++) {
    await rig.clock.advance(random.integer(1, 40));
    const live = new Map([...liveStates(lastRoot())].filter(([id]) => id.includes('#')));
    const healths = rig.engine.health();
    expect(
      new Map(healths.map(({ sourceId, incarnation, state }) => [`${sourceId}#${incarnation}`, state])),
    ).toEqual(live);
    const active = [...live].filter(([, state]) => !INACTIVE_STATES.has(state as SourceState));
    expect(rig.engine.activeSources()).toEqual(active.map(([id]) => id.split('#')[0]));
    for (const state of live.values()) seen.add(state);
  }
  expect(seen).toEqual(new Set(['streaming', 'degraded', 'backingOff', 'circuitOpen', 'quarantined']));
});

describe('at scale', () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const heapAfterCollection = () => {
    collect();
    return process.memoryUsage().heapUsed;
  };

  test('a thousand comings and goings leave no actor, no timer and next to no memory', async () => {
    const rig = await startedRig({ records: { keep: false }, file: ':memory:' }, ticking('stays', 50));
    const root = lastRoot();
    const round = async (id: string) => {
      await rig.engine.register(ticking(id, 5));
      await rig.clock.advance(6);
      await rig.clock.runUntil(rig.engine.deregister(id));
      rig.lines.length = 0;
      rig.delivered.length = 0;
    };
    for (let warm = 0; warm < 100; warm++) await round(`guest-${warm}`);
    await rig.clock.advance(20);
    const before = {
      children: allChildren(root).toSorted(),
      timers: rig.clock.pendingTimers,
      heap: heapAfterCollection(),
    };
    for (let n = 0; n < 1_000; n++) await round(`guest-${n}`);
    await rig.clock.advance(20);
    expect(allChildren(root).toSorted()).toEqual(before.children);
    expect(rig.clock.pendingTimers).toBe(before.timers);
    expect(rig.engine.health('stays').restarts).toBe(0);
    // The health of the thousand that ended last is kept, and an in-memory database holds their rows.
    const perRound = (heapAfterCollection() - before.heap) / 1_000;
    expect(perRound).toBeLessThan(2_000);
  });

  test(
    'ten thousand sources are registered, a tenth of them replaced, and all stopped',
    { tags: 'full', timeout: 60_000 },
    async () => {
      const rig = await startedRig({
        records: { keep: false },
        file: ':memory:',
        health: { intervalMs: 60_000 },
      });
      const root = lastRoot();
      const spec = (n: number) => ticking(`s-${n}`, 60_000);
      const asked: Promise<string>[] = [];
      for (let n = 0; n < 10_000; n++) asked.push(codeOf(rig.engine.register(spec(n))));
      expect(new Set(await Promise.all(asked))).toEqual(new Set(['fulfilled']));
      expect(rig.engine.activeSources()).toHaveLength(10_000);
      for (let n = 0; n < 1_000; n++) {
        rig.engine.send({ type: 'registry.deregister', id: `s-${n * 10}`, mode: 'now' });
        if (n % 2 === 0) rig.engine.send({ type: 'registry.register', spec: spec(10_000 + n) });
      }
      await rig.clock.advance(50);
      expect(rig.engine.activeSources()).toHaveLength(9_500);
      expect([...liveStates(root).keys()].filter((id) => id.includes('#'))).toHaveLength(9_500);
      const { sources } = await rig.stop();
      expect(sources.every(({ state }) => state === 'stopped')).toBe(true);
      expect(rig.clock.pendingTimers).toBe(0);
    },
  );
});
