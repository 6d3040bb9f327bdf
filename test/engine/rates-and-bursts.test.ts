/** Limits and bursts through a whole engine: what is dropped is counted, what bursts is told, and nobody's
 *  callback is in the way. */

import { describe, expect, test } from 'vitest';
import { pushSource, simulatedSource, type BurstAlert } from '../../src/index.ts';
import { virtualClock } from '../../src/testing/virtual-clock.ts';
import { type EngineRig, handedIn, type RigOptions, startedRig } from '../support/engine-rig.ts';

const BURST = { thresholdRecords: 30, windowMs: 500 } as const;

/** Forty records every second, all at one time: each a burst. */
const bursty = (id = 'bursty') =>
  simulatedSource({ id, burst: { recordsMin: 40, recordsMax: 40, gapMs: 1_000 } });

function burstsOf(rig: EngineRig): BurstAlert[] {
  return rig
    .query("SELECT data FROM alerts WHERE event = 'BURST' ORDER BY seq")
    .map(({ data }) => JSON.parse(data as string) as BurstAlert);
}

async function pushed(
  options: RigOptions,
  ...moments: [atMs: number, records: number][]
): Promise<EngineRig> {
  const source = pushSource({ id: 'a' });
  const rig = await startedRig(options, source);
  for (const [atMs, records] of moments) {
    await rig.clock.advance(atMs - rig.clock.monotonicMs());
    await handedIn(source.pushAll(Array.from({ length: records }, (_, n) => n)));
  }
  await rig.clock.advance(5_000);
  return rig;
}

describe('a burst', () => {
  test('is none at thirty records within the window', async () => {
    const rig = await pushed({ burst: BURST }, [0, 10], [200, 10], [499, 10]);
    expect([burstsOf(rig), rig.course('burstDetector')]).toEqual([[], []]);
  });

  test('is told when the thirty-first arrives, with what the window holds', async () => {
    const rig = await pushed({ burst: BURST }, [100, 10], [200, 20], [499, 1]);
    const start = Date.UTC(2020, 0, 1);
    expect(burstsOf(rig)).toEqual([
      {
        event: 'BURST',
        severity: 'warning',
        sourceId: 'a',
        windowRecords: 31,
        windowDurationMs: 399,
        rate: (31 / 399) * 1_000,
        timestamp: start + 499,
        start: start + 100,
        end: start + 499,
        again: false,
      },
    ]);
    expect(rig.course('burstDetector')).toEqual(['quiet>bursting', 'bursting>quiet']);
  });

  test('is none where the first records have just left the window', async () => {
    const rig = await pushed({ burst: BURST }, [0, 10], [200, 20], [500, 1]);
    expect(burstsOf(rig)).toEqual([]);
  });

  test('of records that arrive at one time has no rate, and no number that is none', async () => {
    const rig = await pushed({ burst: BURST }, [50, 100]);
    expect(burstsOf(rig)).toMatchObject([{ windowRecords: 31, windowDurationMs: 0, rate: null }]);
  });

  test('that goes on is told once, or again after the time that was asked for', async () => {
    const steady = Array.from({ length: 40 }, (_, n): [number, number] => [n * 50, 10]);
    const once = await pushed({ burst: BURST }, ...steady);
    expect(burstsOf(once)).toHaveLength(1);
    const again = await pushed({ burst: { ...BURST, realertMs: 500 } }, ...steady);
    expect(burstsOf(again).map((alert) => [alert.timestamp - Date.UTC(2020, 0, 1), alert.again])).toEqual([
      [150, false],
      ...[650, 1_150, 1_650].map((atMs) => [atMs, true]),
    ]);
    expect(again.query("SELECT count(*) AS n FROM alerts WHERE event = 'BURST_OVER'")).toEqual([{ n: 1 }]);
  });

  test('of one source is not that of another', async () => {
    const [first, second] = [pushSource({ id: 'a' }), pushSource({ id: 'b' })];
    const rig = await startedRig({ burst: BURST }, first, second);
    for (const source of [first, second])
      await handedIn(source.pushAll(Array.from({ length: 20 }, (_, n) => n)));
    await rig.clock.advance(100);
    expect(burstsOf(rig)).toEqual([]);
  });

  test('is counted at arrival, before any limit', async () => {
    const rig = await pushed({ burst: BURST, rateLimit: { recordsPerSecondMax: 5 } }, [10, 40]);
    expect(burstsOf(rig)).toHaveLength(1);
    expect(rig.delivered.length).toBeLessThan(40);
  });
});

describe('the callback of bursts', () => {
  const ingested = (rig: EngineRig) => [rig.engine.report().delivered, rig.engine.report().dropped];
  const run = async (onBurst: ((alert: BurstAlert) => unknown) | null, clock = virtualClock()) => {
    const options = { burst: { ...BURST, onBurst }, rateLimit: { recordsPerSecondMax: 100 } };
    const rig = await startedRig({ ...options, clock }, bursty());
    await rig.clock.advance(10_000);
    return rig;
  };
  const cases: [title: string, onBurst: (alert: BurstAlert) => unknown][] = [
    ['throws', () => raise()],
    ['rejects', () => Promise.reject(new Error('no such mailbox'))],
    ['hangs', () => new Promise(() => {})],
    ['changes what it was given', (alert) => Object.assign(alert, { sourceId: 'nobody', windowRecords: 0 })],
  ];
  for (const [title, onBurst] of cases) {
    test(`changes no count and no alert where it ${title}`, async () => {
      const [with_, without] = [await run(onBurst), await run(null)];
      expect(ingested(with_)).toEqual(ingested(without));
      expect(burstsOf(with_)).toEqual(burstsOf(without));
      expect(burstsOf(with_).length).toBeGreaterThan(8);
      expect(with_.engine.state).toBe('running');
    });
  }

  test('may take ten seconds: it is called for every burst meanwhile, and ingestion goes on', async () => {
    const clock = virtualClock();
    let calls = 0;
    const slow = async () => {
      calls++;
      await clock.sleep(10_000);
    };
    const [with_, without] = [await run(slow, clock), await run(null)];
    expect(ingested(with_)).toEqual(ingested(without));
    expect(calls).toBe(burstsOf(with_).length);
  });

  test('is told size, start, end and rate, after the alert is stored', async () => {
    const seen: unknown[] = [];
    const rigs: EngineRig[] = [];
    const onBurst = (alert: BurstAlert) => {
      const { windowRecords, start, end, rate, timestamp } = alert;
      const stored = rigs[0]?.query("SELECT 1 FROM alerts WHERE data ->> '$.timestamp' = ?", timestamp);
      seen.push({ windowRecords, start, end, rate, stored: stored?.length });
    };
    rigs.push(await startedRig({ burst: { ...BURST, onBurst } }, bursty()));
    await rigs[0]?.clock.advance(4_500);
    const bursts = burstsOf(rigs[0] as EngineRig);
    expect(bursts).toHaveLength(5);
    expect(seen).toEqual(
      bursts.map(({ windowRecords, start, end, rate }) => ({ windowRecords, start, end, rate, stored: 1 })),
    );
  });

  test('throws in the log as a warning, one line each', async () => {
    const rig = await run(() => raise());
    const lines = rig.complaints().filter((line) => line === 'onBurst failed; the alert itself is stored');
    expect(lines.length).toBe(burstsOf(rig).length);
  });

  function raise(): never {
    throw new Error('for the test');
  }
});

describe('a storm of alerts', () => {
  test('is stored whole, and collapsed for the callback, whose counts add up', async () => {
    const told: number[] = [];
    const source = pushSource({ id: 'a' });
    const rig = await startedRig(
      {
        records: { keep: false },
        burst: { thresholdRecords: 1, windowMs: 1, onBurst: ({ suppressed }) => void told.push(suppressed) },
      },
      source,
    );
    for (let burst = 0; burst < 1_000; burst++) {
      await handedIn(source.pushAll([1, 2]));
      await rig.clock.advance(10);
    }
    const rows = rig.query('SELECT seq, data FROM alerts ORDER BY seq');
    expect(rows).toHaveLength(2_000);
    expect(told).toHaveLength(60);
    await rig.clock.advance(60_000);
    await handedIn(source.pushAll([1, 2]));
    await rig.clock.advance(20);
    expect(told.length + told.reduce((sum, suppressed) => sum + suppressed, 0)).toBe(1_001);
  });

  test('reaches alerts$ whole and in the order of the table', async () => {
    const shown: unknown[] = [];
    const rig = await startedRig({ burst: { thresholdRecords: 1, windowMs: 1 } }, pushSource({ id: 'idle' }));
    rig.engine.alerts$.subscribe((alert) => void shown.push(JSON.parse(JSON.stringify(alert))));
    const sources = Array.from({ length: 10 }, (_, n) => pushSource({ id: `s${n}` }));
    for (const source of sources) await rig.engine.register(source);
    for (let burst = 0; burst < 100; burst++) {
      await handedIn(Promise.all(sources.map((source) => source.pushAll([1, 2]))));
      await rig.clock.advance(5);
    }
    await rig.stop();
    const stored = rig
      .query('SELECT data FROM alerts ORDER BY seq')
      .map(({ data }) => JSON.parse(data as string) as unknown);
    expect(stored).toHaveLength(2_000);
    expect(shown).toEqual(stored);
  });
});

describe('a limit', () => {
  test('adds up: what arrives is let through or dropped, and never more than the limit in a second', async () => {
    const rig = await startedRig(
      { rateLimit: { recordsPerSecondMax: 20 }, seed: 3 },
      bursty(),
      bursty('other'),
    );
    await rig.clock.advance(5_000);
    const { sources, admitted, dropped } = await rig.stop();
    const produced = sources.reduce((sum, { recordsProduced }) => sum + recordsProduced, 0);
    const counted = sources.reduce((sum, { droppedCount }) => sum + droppedCount, 0);
    expect([admitted + dropped, counted]).toEqual([produced, dropped]);
    expect(dropped).toBeGreaterThan(100);
    expect(admitted).toBeLessThanOrEqual(20 * 6);
    expect(rig.course('rateLimiter')[0]).toBe('open>limiting');
  });

  test('that delays loses nothing', async () => {
    const rig = await startedRig({ rateLimit: { recordsPerSecondMax: 20, policy: 'delay' } }, bursty());
    await rig.clock.advance(3_500);
    const report = await rig.stop({ deadlineMs: 60_000 });
    expect(report).toMatchObject({ dropped: 0, lost: 0, delivered: report.sources[0]?.recordsProduced });
    expect(rig.delivered.map(({ seq }) => seq)).toEqual(rig.delivered.map((_, n) => n + 1));
  });

  test('of each source leaves the others alone', async () => {
    const calm = simulatedSource({ id: 'calm', intervalMs: 100 });
    const rig = await startedRig({ rateLimit: { recordsPerSecondMax: 20, scope: 'source' } }, bursty(), calm);
    await rig.clock.advance(5_050);
    expect(rig.engine.health('bursty').droppedCount).toBeGreaterThan(50);
    expect(rig.engine.health('calm')).toMatchObject({ droppedCount: 0, recordsProduced: 50 });
  });

  test('is hit and cleared in the timeline, once for each time', async () => {
    const rig = await pushed({ rateLimit: { recordsPerSecondMax: 10 } }, [10, 30], [4_000, 30]);
    expect(rig.course('rateLimiter')).toEqual([
      'open>limiting',
      'limiting>open',
      'open>limiting',
      'limiting>open',
    ]);
    const cleared = rig.timeline("event = 'limit.cleared'").map(({ data }) => data?.['dropped']);
    expect(cleared.reduce((sum: number, dropped) => sum + Number(dropped), 0)).toBe(
      rig.engine.report().dropped,
    );
  });
});
