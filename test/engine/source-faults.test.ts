/** Whatever a source does wrong, it is told in the timeline and the log, it gets what its restart policy
 *  says, and its neighbours' records are those of a run without it. */

import { describe, expect, test } from 'vitest';
import {
  createEngine,
  defineSource,
  HeadgateError,
  simulatedSource,
  type SourceSpec,
} from '../../src/index.ts';
import type { Clock } from '../../src/domain/clock.ts';
import { virtualClock } from '../../src/testing/virtual-clock.ts';
import { codeOf, startedRig, type EngineRig } from '../support/engine-rig.ts';
import { FAULTS, ODD_THROWS, throwing } from '../support/engine-faulty-sources.ts';

const RUN_MS = 10_000;

const neighbours = (): SourceSpec[] => [
  simulatedSource({ id: 'ticks', intervalMs: 70, failRate: 0.1 }),
  simulatedSource({ id: 'bursts', burst: { recordsMin: 3, recordsMax: 5, gapMs: 300 } }),
];

/** Runs the neighbours for ten seconds beside `faulty`, or alone. */
async function runBeside(...faulty: SourceSpec[]): Promise<EngineRig> {
  const rig = await startedRig({}, ...neighbours(), ...faulty);
  await rig.clock.advance(RUN_MS);
  return rig;
}

/** What the neighbours give where nobody is faulty. */
let aloneOnce: Promise<ReturnType<typeof recordsOf>> | undefined;
const alone = () => (aloneOnce ??= runAlone());

async function runAlone() {
  const rig = await runBeside();
  await rig.stop();
  const records = recordsOf(rig);
  expect(records.map(({ length }) => length > 100)).toEqual([true, true]);
  return records;
}

const recordsOf = (rig: EngineRig) =>
  ['ticks', 'bursts'].map((id) =>
    rig.delivered.filter(({ sourceId }) => sourceId === id).map(({ data }) => data),
  );

const crashes = (rig: EngineRig) =>
  rig
    .timeline("event = 'link.failed'")
    .map(({ to_state: to, data }) => [to, (data?.['error'] as Error | undefined)?.message]);

const FIVE_RESTARTS = ['backingOff', 'backingOff', 'backingOff', 'backingOff', 'backingOff', 'quarantined'];

describe('beside a source that', () => {
  /** The states its failures led to, the message of each, and the state at the end. */
  const cases: [fault: keyof typeof FAULTS, failures: string[], message: string, state: string][] = [
    ['throwsAtOnce', FIVE_RESTARTS, 'stream() threw', 'quarantined'],
    ['rejects', FIVE_RESTARTS, 'stream() rejected', 'quarantined'],
    ['throwsWhileConnecting', FIVE_RESTARTS, 'no handshake', 'quarantined'],
    ['throwsWhileStreaming', FIVE_RESTARTS, 'no fourth record', 'quarantined'],
    [
      'returnsNothing',
      ['failed'],
      'stream() must return an async iterable (an async generator) or a promise',
      'failed',
    ],
    ['throwsWhileStopping', [], '', 'streaming'],
    ['ignoresAbort', [], '', 'streaming'],
    ['emitsAfterAbort', [], '', 'streaming'],
  ];
  for (const [fault, failures, message, state] of cases) {
    test(`${fault}, the others do what they do alone`, async () => {
      const rig = await runBeside(FAULTS[fault]({ id: 'faulty', drainDeadlineMs: 1_000 }));
      expect(rig.engine.health('faulty').state).toBe(state);
      await rig.stop();
      expect(recordsOf(rig)).toEqual(await alone());
      expect(crashes(rig)).toEqual(failures.map((to) => [to, message]));
      const ofFaulty = rig.complaints('error').filter((line) => line.startsWith('faulty '));
      expect(ofFaulty).toHaveLength(failures.length);
      expect(rig.engine.state).toBe('stopped');
    });
  }

  test('never opens its link, the others do what they do alone, and it is tried again and again', async () => {
    const rig = await runBeside(
      FAULTS.neverOpens({ id: 'faulty', connectTimeoutMs: 1_000, breaker: { failures: 3 } }),
    );
    expect(rig.engine.health('faulty')).toMatchObject({
      state: 'circuitOpen',
      lastError: { code: 'HG_SOURCE_CONNECT_TIMEOUT', message: 'no open link within 1 s' },
      lastReadTimestamp: null,
    });
    await rig.stop();
    expect(recordsOf(rig)).toEqual(await alone());
    expect(crashes(rig).map(([to]) => to)).toEqual(['backingOff', 'backingOff', 'circuitOpen']);
  });

  test('throws what is no error, each is told as well as can be', async () => {
    const faulty = ODD_THROWS.map((thrown, index) =>
      throwing(`faulty-${index}`, thrown, { restart: { policy: 'temporary' } }),
    );
    const rig = await runBeside(...faulty);
    await rig.stop();
    expect(recordsOf(rig)).toEqual(await alone());
    expect(crashes(rig)).toEqual(
      [
        'undefined',
        'null',
        'a text',
        '42',
        ...Array.from({ length: 2 }, () => 'an error that cannot be printed'),
      ].map((message) => ['failed', message]),
    );
  });
});

describe('a source that crashes for ever', () => {
  test('is quarantined at the sixth crash in thirty seconds, with an alert, and rests', async () => {
    const rig = await startedRig({}, FAULTS.throwsAtOnce({ id: 'faulty' }));
    await rig.clock.advance(600_000);
    expect(rig.course('faulty').at(-1)).toBe('connecting>quarantined');
    expect(rig.course('faulty').filter((step) => step.endsWith('>connecting'))).toHaveLength(5);
    expect(rig.timeline("kind = 'alert'").map(({ event, actor }) => [event, actor])).toEqual([
      ['SOURCE_QUARANTINED', 'faulty'],
    ]);
    expect(rig.engine.activeSources()).toEqual([]);
    expect(rig.engine.health('faulty')).toMatchObject({
      state: 'quarantined',
      restarts: 5,
      recordsProduced: 0,
    });
    // One line a crash and one of the alert: a crash loop does not flood the log.
    expect(rig.complaints().length).toBeLessThan(10);
  });

  test('goes on crashing where its crashes are rarer than the window allows', async () => {
    const rare = simulatedSource({
      id: 'rare',
      intervalMs: 7_000,
      script: Array.from({ length: 20 }, () => 'crash'),
    });
    const rig = await startedRig({}, rare);
    await rig.clock.advance(200_000);
    expect(rig.engine.health('rare').restarts).toBeGreaterThan(8);
    expect(rig.course('rare')).not.toContain('streaming>quarantined');
  });

  test('has its budget back after a resume, and needs another six crashes', async () => {
    const rig = await startedRig({}, FAULTS.throwsAtOnce({ id: 'faulty' }));
    await rig.clock.advance(30_000);
    await rig.engine.resume('faulty');
    await rig.clock.advance(30_000);
    expect(crashes(rig).map(([to]) => to)).toEqual([...FIVE_RESTARTS, ...FIVE_RESTARTS]);
  });

  test('is left alone under the policy temporary, and tells of it once', async () => {
    const rig = await startedRig({}, FAULTS.rejects({ id: 'faulty', restart: { policy: 'temporary' } }));
    await rig.clock.advance(600_000);
    expect(rig.course('faulty')).toEqual(['connecting>streaming', 'streaming>failed']);
    expect(rig.timeline("kind = 'alert'").map(({ event }) => event)).toEqual(['SOURCE_FAILED']);
  });

  test('is started again after a good end under the policy permanent', async () => {
    const thrice = simulatedSource({
      id: 'thrice',
      intervalMs: 10,
      count: 3,
      restart: { policy: 'permanent' },
    });
    const rig = await startedRig({}, thrice);
    await rig.clock.advance(1_000);
    expect(rig.course('thrice').slice(0, 4)).toEqual([
      'connecting>streaming',
      'streaming>backingOff',
      'backingOff>connecting',
      'connecting>streaming',
    ]);
    expect(rig.engine.health('thrice').recordsProduced).toBeGreaterThan(15);
  });

  test('waits longer each time, within the jitter, and never twice the same', async () => {
    const rig = await startedRig({}, FAULTS.rejects({ id: 'faulty' }));
    await rig.clock.advance(30_000);
    const waits = rig.timeline("to_state = 'backingOff'").map(({ data }) => Number(data?.['waitMs']));
    for (const [index, waitMs] of waits.entries()) {
      expect(waitMs / (100 * 2 ** index)).toBeGreaterThanOrEqual(0.9);
      expect(waitMs / (100 * 2 ** index)).toBeLessThanOrEqual(1.1);
    }
    expect(waits).toHaveLength(5);
    expect(waits.some((waitMs, index) => waitMs !== 100 * 2 ** index)).toBe(true);
  });

  test('is quarantined where it cannot even wait, because the clock it was given throws', async () => {
    const whole = virtualClock();
    const setTimeout: Clock['setTimeout'] = (callback, delayMs) => {
      if (delayMs === 1_234) throw new Error('no such delay');
      return whole.setTimeout(callback, delayMs);
    };
    const clock = Object.create(whole, { setTimeout: { value: setTimeout } }) as typeof whole;
    const backoff = { kind: 'constant', initialMs: 1_234, jitter: 'none' } as const;
    const rig = await startedRig(
      { clock },
      ...neighbours(),
      FAULTS.rejects({ id: 'faulty', restart: { backoff } }),
    );
    await rig.clock.advance(1_000);
    expect(rig.course('faulty').slice(1)).toEqual(['streaming>backingOff', 'backingOff>quarantined']);
    expect(rig.timeline("event = 'port.failed'")[0]?.data).toEqual({
      error: { code: 'HG_ENGINE_ESCALATED', message: 'no such delay' },
    });
    expect(rig.engine.health('ticks').state).toBe('streaming');
  });

  test('fails at once where its error says that trying again cannot help', async () => {
    const error = new HeadgateError('HG_OPTION_INVALID', 'no such topic');
    const rig = await startedRig({}, throwing('faulty', error, { restart: { policy: 'permanent' } }));
    await rig.clock.advance(600_000);
    expect(crashes(rig)).toEqual([['failed', 'no such topic']]);
  });
});

describe('a source whose reads fail', () => {
  /** What each read comes to: the link is lost, the read fails, or it is good. */
  const reading = (...outcomes: ('lost' | 'fail' | 'ok')[]) =>
    simulatedSource({ id: 'reads', intervalMs: 100, script: outcomes, degradedAfterErrors: 3 });

  test('counts errors up to the next good read, and no records for them', async () => {
    const rig = await startedRig({}, reading('ok', 'fail', 'fail', 'ok'));
    const seen: number[] = [];
    for (let read = 0; read < 4; read++) {
      await rig.clock.advance(100);
      seen.push(rig.engine.health('reads').consecutiveErrors);
    }
    expect([seen, rig.engine.health('reads').recordsProduced]).toEqual([[0, 1, 2, 0], 2]);
  });

  test('is degraded from the third in a row to the next good one', async () => {
    const rig = await startedRig({}, reading('fail', 'fail', 'fail', 'fail', 'ok', 'ok'));
    await rig.clock.advance(650);
    expect(rig.course('reads')).toEqual(['connecting>streaming', 'streaming>degraded', 'degraded>streaming']);
    expect(rig.complaints()).toEqual(['reads is degraded']);
  });

  test('is degraded by failed reads that follow lost links as well', async () => {
    const rig = await startedRig({}, reading('lost', 'lost', 'lost', 'fail', 'ok'));
    await rig.clock.advance(2_000);
    expect(rig.course('reads').slice(-2)).toEqual(['streaming>degraded', 'degraded>streaming']);
  });

  test('is left alone for the cool-down when they go on failing, then tried again', async () => {
    const rig = await startedRig({}, reading(...Array.from({ length: 10 }, () => 'fail' as const)));
    await rig.clock.advance(1_050);
    expect(rig.engine.health('reads')).toMatchObject({ state: 'circuitOpen', consecutiveErrors: 10 });
    expect(rig.engine.activeSources()).toEqual([]);
    await rig.clock.advance(31_000);
    expect(rig.engine.health('reads')).toMatchObject({ state: 'streaming', consecutiveErrors: 0 });
    expect(rig.timeline("kind = 'alert'").map(({ event }) => event)).toEqual(['SOURCE_CIRCUIT_OPEN']);
  });
});

test(
  'a thousand circuits that open in one instant do not close in one',
  { tags: 'full', timeout: 60_000 },
  async () => {
    const specs = Array.from({ length: 1_000 }, (_, n) =>
      simulatedSource({
        ...{ id: `s-${n}`, intervalMs: 100, script: ['fail', 'fail', 'fail'] as const },
        breaker: { failures: 3, coolDownMs: 30_000 },
      }),
    );
    const rig = await startedRig({ health: { intervalMs: 3_600_000 } }, ...specs);
    await rig.clock.advance(31_000);
    const backAt = rig.timeline("event = 'wait.over'").map(({ at_ms: atMs }) => atMs);
    expect(backAt).toHaveLength(1_000);
    const perSecond = new Map<number, number>();
    for (const atMs of backAt) {
      const second = Math.floor(atMs / 1_000);
      perSecond.set(second, (perSecond.get(second) ?? 0) + 1);
    }
    expect(Math.max(...perSecond.values())).toBeLessThan(450);
    expect(Math.max(...backAt) - Math.min(...backAt)).toBeGreaterThan(2_500);
  },
);

describe('a source that ignores its abort signal', () => {
  test('is stopped by force at its deadline, and that is told', async () => {
    const rig = await startedRig({}, FAULTS.ignoresAbort({ id: 'faulty' }));
    await rig.clock.advance(10);
    const toldAtMs = rig.clock.wallMs();
    await rig.clock.runUntil(rig.engine.deregister('faulty', { deadlineMs: 500 }));
    await rig.clock.advance(20);
    const [end] = rig.timeline("actor = 'faulty' AND to_state = 'stopped'");
    expect(end).toMatchObject({ at_ms: toldAtMs + 500, data: { forced: true, lostRecords: 0 } });
  });

  test('is told stuck when it is to go on, tried again, and can be replaced', async () => {
    const rig = await startedRig({}, FAULTS.ignoresAbort({ id: 'faulty', connectTimeoutMs: 1_000 }));
    await rig.clock.advance(10);
    await rig.engine.pause('faulty');
    await rig.engine.resume('faulty');
    await rig.clock.advance(10_000);
    expect(rig.engine.health('faulty').lastError).toMatchObject({
      code: 'HG_SOURCE_STUCK',
      message: 'its last run has not ended for 1000 ms after its signal aborted',
    });
    expect(rig.course('faulty').slice(0, 5)).toEqual([
      'connecting>streaming',
      'streaming>paused',
      'paused>connecting',
      'connecting>backingOff',
      'backingOff>connecting',
    ]);
    await rig.engine.deregister('faulty', { mode: 'now' });
    expect((await rig.engine.register(simulatedSource({ id: 'faulty', intervalMs: 10 }))).incarnation).toBe(
      2,
    );
  });
});

describe('records that come too late', () => {
  test('are counted and never mixed with those of the next incarnation', async () => {
    const rig = await startedRig({}, FAULTS.emitsAfterAbort({ id: 'faulty' }));
    await rig.clock.advance(25);
    const gone = rig.engine.deregister('faulty');
    await rig.clock.runUntil(gone);
    expect(rig.engine.health('faulty')).toMatchObject({
      recordsProduced: 3,
      lateRecords: 5,
      state: 'stopped',
    });
    await rig.engine.register(simulatedSource({ id: 'faulty', intervalMs: 10 }));
    await rig.clock.advance(25);
    await rig.stop();
    expect(rig.delivered.map(({ incarnation, seq }) => [incarnation, seq])).toEqual([
      ...[1, 2, 3].map((seq) => [1, seq]),
      ...[1, 2].map((seq) => [2, seq]),
    ]);
    const [stopped] = rig.timeline("actor = 'faulty' AND incarnation = 1 AND to_state = 'stopped'");
    const late = rig.query('SELECT * FROM records WHERE incarnation = 1 AND at_ms > ?', stopped?.at_ms);
    expect(late).toEqual([]);
  });

  test('of a run before a pause are counted, and the runs do not overlap', async () => {
    const rig = await startedRig({}, FAULTS.emitsAfterAbort({ id: 'faulty' }));
    await rig.clock.advance(25);
    await rig.engine.pause('faulty');
    await rig.engine.resume('faulty');
    await rig.clock.advance(25);
    expect(rig.engine.health('faulty')).toMatchObject({ recordsProduced: 6, lateRecords: 5 });
    await rig.stop();
    expect(rig.delivered.map(({ seq, data }) => [seq, data])).toEqual(
      [1, 2, 3, 1, 2, 3].map((n, index) => [index + 1, n]),
    );
  });
});

describe('a source that never waits', () => {
  test('cannot starve the others, nor the event loop', async () => {
    const greedy = defineSource({
      type: 'greedy',
      async stream(io) {
        for (let n = 1; !io.signal.aborted; n++) if (!io.emit(n)) await io.room();
      },
    });
    const engine = createEngine({ records: { keep: false }, seed: 1 });
    await engine.start();
    await engine.register(greedy({ id: 'greedy' }));
    const ticks = new Promise<void>((resolve) =>
      engine.records$.subscribe(({ sourceId, seq }) => sourceId === 'ticks' && seq === 5 && resolve()),
    );
    await engine.register(simulatedSource({ id: 'ticks', intervalMs: 5 }));
    let turns = 0;
    const count = () => void (turns++, (probe = setImmediate(count)));
    let probe = setImmediate(count);
    await ticks;
    clearImmediate(probe);
    expect(turns).toBeGreaterThan(1);
    await engine.stop();
    expect(engine.health('greedy').recordsProduced).toBeGreaterThan(10_000);
  });

  test('and does not even look for room loses what its outlet cannot hold, and that is counted', async () => {
    const heedless = defineSource({
      type: 'heedless',
      async stream(io) {
        for (let n = 1; n <= 50_000; n++) io.emit(n);
      },
    });
    const spec = heedless({ id: 'heedless', outlet: { capacityRecords: 100 } });
    const rig = await startedRig({ records: { keep: false } }, spec, ...neighbours());
    await rig.clock.advance(1_000);
    const { recordsProduced, droppedCount } = rig.engine.health('heedless');
    const delivered = rig.delivered.filter(({ sourceId }) => sourceId === 'heedless');
    expect([recordsProduced, delivered.length + droppedCount]).toEqual([50_000, 50_000]);
    expect(delivered.map(({ seq }) => seq).slice(0, 100)).toEqual(
      Array.from({ length: 100 }, (_, n) => n + 1),
    );
    expect(rig.delivered.filter(({ sourceId }) => sourceId === 'ticks').length).toBeGreaterThan(10);
  });
});

describe('a factory that is wrong', () => {
  test('throws before an engine is asked, and names what is missing', async () => {
    expect(() => defineSource({ type: 'half' } as never)).toThrow(
      expect.objectContaining({ code: 'HG_SOURCE_NO_STREAM' }),
    );
    for (const options of [
      undefined,
      {},
      { id: 7 },
      { id: 'a', intervalMS: 5 },
      { id: 'a', intervalMs: -1 },
    ]) {
      expect(() => simulatedSource(options as never)).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^HG_OPTION_/) as string }),
      );
    }
  });

  test('of a user may throw inside register, and only the caller hears of it', async () => {
    const rig = await startedRig({}, ...neighbours());
    const factory = (): SourceSpec => {
      throw new Error('no such device');
    };
    expect(await codeOf((async () => rig.engine.register(factory()))())).toBe('no such device');
    await rig.clock.advance(500);
    expect(rig.engine.health('ticks').recordsProduced).toBeGreaterThan(4);
  });
});
