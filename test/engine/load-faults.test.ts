/** Too much, too slow and poison, under the virtual clock: queues stay within their bounds, counts add up,
 *  and what was acknowledged is stored. */

import { describe, expect, test, vi } from 'vitest';
import { defineSource, functionSink, mqttSource, Receipt, z, type Settlement } from '../../src/index.ts';
import type { OutletOptions } from '../../src/domain/source.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import { simulatedMqttBroker } from '../../src/testing/simulated-mqtt.ts';
import { virtualClock, type VirtualClock } from '../../src/testing/virtual-clock.ts';
import { startedRig, type EngineRig, type RigOptions } from '../support/engine-rig.ts';

/** What a commit waits for before it is done; null: a disk that is fast. */
const disk = vi.hoisted(() => ({ rest: null as (() => Promise<void>) | null }));

vi.mock('../../storage/open-event-store.ts', async (importOriginal) => {
  const original = await importOriginal<typeof import('../../storage/open-event-store.ts')>();
  return {
    openEventStore: async (options: Parameters<typeof original.openEventStore>[0]) => {
      const store = await original.openEventStore(options);
      const commit: typeof store.commit = async (unit) => {
        const done = await store.commit(unit);
        await disk.rest?.();
        return done;
      };
      return { ...store, commit };
    },
  };
});

const range = (count: number) => Array.from({ length: count }, (_, n) => n + 1);
const stored = (rig: EngineRig) =>
  rig.query('SELECT data FROM records ORDER BY seq').map(({ data }) => Number(data));

/** An engine with a source that reads a simulated broker, session kept, QoS 1. */
async function plant(
  inflightMessagesMax: number,
  options: RigOptions = {},
  decode: Parameters<typeof mqttSource>[0]['decode'] = 'json',
) {
  const clock = virtualClock();
  const broker = simulatedMqttBroker({ clock, inflightMessagesMax, queuedMessagesMax: 100_000 });
  const source = mqttSource({
    ...{ id: 'm', url: 'mqtt://simulated', topics: 'a', transport: broker.transport, decode },
    ...{ clean: false, clientId: 'gateway', keepaliveSeconds: 4 },
  });
  const rig = await startedRig({ ...options, clock }, source);
  await clock.advance(100);
  return { rig, broker, clock };
}

/** Calls `publish` with 1, 2, 3 … at a steady rate. */
async function steadily(
  clock: VirtualClock,
  perSecond: number,
  seconds: number,
  publish: (n: number) => void,
) {
  for (let n = 1; n <= perSecond * seconds; n++) {
    publish(n);
    if (n % (perSecond / 10) === 0) await clock.advance(100);
  }
}

test('a disk that takes 200 ms for a commit slows the broker down, and no link is lost for it', async () => {
  // A batch of records in 200 ms: half of what comes.
  const { rig, broker, clock } = await plant(20_000, { storage: { commit: { rowsMax: 50 } } });
  disk.rest = () => clock.sleep(200);
  try {
    let queueMax = 0;
    await steadily(clock, 1_200, 20, (n) => {
      broker.publish('a', String(n));
      queueMax = Math.max(queueMax, rig.engine.health('m').queueDepth);
    });
    // All that may wait does: the commits', the outlet's; the rest stays with the broker.
    expect(queueMax).toBe(LIMITS.outletCapacityRecords);
    expect(rig.engine.health('m').recordsProduced).toBeLessThan(24_000);
    await clock.advance(120_000);
  } finally {
    disk.rest = null;
  }
  expect(stored(rig)).toEqual(range(24_000));
  expect(rig.course('m')).toEqual(['connecting>streaming']);
  expect(rig.course('recorder')).toEqual([]);
  expect(rig.engine.health('m')).toMatchObject({ droppedCount: 0, lateRecords: 0, restarts: 0 });
  expect([broker.thrownAway, broker.connections]).toEqual([0, 1]);
}, 60_000);

/** Hands in `perSecond` numbers a second for `seconds`; what it does not get rid of it keeps for later where
 *  it is `patient`. Tells what became of each. */
const flood = defineSource({
  type: 'flood',
  options: {
    perSecond: z.number(),
    seconds: z.number(),
    tickMs: z.number().default(10),
    patient: z.boolean().default(false),
    settled: z.custom<(numbers: readonly number[], settlement: Settlement) => void>().default(() => () => {}),
  },
  async stream(io, { perSecond, seconds, tickMs, patient, settled }) {
    const perTick = (perSecond * tickMs) / 1_000;
    for (let tick = 0; tick < (seconds * 1_000) / tickMs && !io.signal.aborted; tick++) {
      const batch = Array.from({ length: perTick }, (_, n) => tick * perTick + n + 1);
      const receipt = new Receipt((settlement) => settled(batch, settlement));
      const hasRoom = io.emitAll(batch, { receipt });
      receipt.seal();
      if (patient && !hasRoom) await io.room();
      await io.clock.sleep(tickMs, io.signal);
    }
    await new Promise<void>((resolve) => io.signal.addEventListener('abort', () => resolve()));
  },
});

describe('a sink that takes 100 ms for a batch', () => {
  test('falls behind and catches up: one batch is under way, nothing waits in memory, the counts add up', async () => {
    const got: number[] = [];
    let underWay = 0;
    let underWayMax = 0;
    const source = flood({ id: 'a', perSecond: 1_000, seconds: 20 });
    const rig = await startedRig({ health: { intervalMs: 1_000 } }, source);
    await rig.engine.registerSink(
      functionSink({
        id: 'slow',
        batch: { rowsMax: 50 },
        filter: ({ data }) => Number(data) % 10 !== 0,
        deliver: async (batch) => {
          underWay += batch.length;
          underWayMax = Math.max(underWayMax, underWay);
          await rig.clock.sleep(100);
          underWay -= batch.length;
          got.push(...batch.map(({ data }) => Number(data)));
          return batch.flatMap(({ data }, index) =>
            Number(data) % 777 === 0 ? [{ index, error: { code: 'NO', message: 'not this one' } }] : [],
          );
        },
      }),
    );
    await rig.clock.advance(20_500);
    const { lagRecords, cursor } = rig.engine.sinkHealth('slow');
    expect(lagRecords).toBeGreaterThan(8_000);
    expect(cursor).toBeLessThan(24_000);
    // Not its business: the records went their way at the rate they came.
    expect(rig.engine.health('a')).toMatchObject({ queueDepth: 0, droppedCount: 0, recordsProduced: 20_000 });
    expect(stored(rig)).toHaveLength(20_000);
    await rig.clock.advance(30_000);
    expect(got).toEqual(range(20_000).filter((n) => n % 10 !== 0));
    expect(underWayMax).toBeLessThanOrEqual(50);
    const refused = got.filter((n) => n % 777 === 0).length;
    expect(rig.engine.sinkHealth('slow')).toMatchObject({
      ...{
        cursor: 20_000,
        filtered: 2_000,
        deadLettered: refused,
        delivered: 18_000 - refused,
        lagRecords: 0,
      },
    });
  });
});

describe('a hundred times the usual rate for ten seconds', () => {
  const CAPACITY = 100;
  /** What the engine lets through, records a second: a third of the burst. */
  const DRAIN = { recordsPerSecondMax: 333, policy: 'delay' } as const;
  const cases: [overflow: OutletOptions['overflow'], isLossless: boolean][] = [
    ['block', true],
    ['drop-newest', false],
    ['drop-oldest', false],
    ['spill', true],
  ];
  for (const [overflow, isLossless] of cases) {
    test(`${overflow}: what is acknowledged as stored is stored, what is dropped is counted, and it is over soon`, async () => {
      const acknowledged: number[] = [];
      const sums = { stored: 0, filtered: 0, dropped: 0, deadLettered: 0, lost: 0 };
      const outlet = { capacityRecords: CAPACITY, overflow };
      const settled = (numbers: readonly number[], settlement: Settlement) => {
        for (const end of Object.keys(sums) as (keyof typeof sums)[]) sums[end] += settlement[end];
        if (settlement.stored === numbers.length) acknowledged.push(...numbers);
      };
      const usual = { id: 'usual', outlet, perSecond: 10, tickMs: 100, seconds: 90 };
      const burst = {
        id: 'burst',
        outlet,
        perSecond: 1_000,
        seconds: 10,
        patient: overflow === 'block',
        settled,
      };
      const rig = await startedRig({ rateLimit: DRAIN }, flood(burst));
      let queueMax = 0;
      for (let step = 0; step < 100; step++) {
        await rig.clock.advance(100);
        queueMax = Math.max(queueMax, rig.engine.health('burst').queueDepth);
      }
      // A batch that found room goes in whole.
      expect(queueMax).toBeLessThanOrEqual(CAPACITY + 10);
      await rig.clock.advance(60_000);
      const { queueDepth, spilledRecords, droppedCount } = rig.engine.health('burst');
      expect([queueDepth, spilledRecords]).toEqual([0, 0]);
      expect(sums).toEqual({
        stored: 10_000 - droppedCount,
        dropped: droppedCount,
        filtered: 0,
        deadLettered: 0,
        lost: 0,
      });
      expect(droppedCount > 0).toBe(!isLossless);
      const there = stored(rig);
      expect(there).toHaveLength(sums.stored);
      expect(there).toEqual([...there].sort((a, b) => a - b));
      const inTable = new Set(there);
      expect(acknowledged.filter((n) => !inTable.has(n))).toEqual([]);
      // And after it everything passes at once again.
      await rig.engine.register(flood(usual));
      await rig.clock.advance(1_005);
      expect(rig.engine.health('usual')).toMatchObject({ queueDepth: 0, droppedCount: 0 });
      expect(rig.query("SELECT count(*) AS n FROM records WHERE source_id = 'usual'")).toEqual([{ n: 11 }]);
    }, 60_000);
  }
});

describe('a message that crashes its parser', () => {
  /** Every tenth message does; `isMended` ends it. */
  function parser() {
    const state = { isMended: false, crashes: 0 };
    const parse = (payload: Uint8Array) => {
      const n = Number(new TextDecoder().decode(payload));
      if (n % 10 === 0 && !state.isMended) {
        state.crashes++;
        throw new TypeError("Cannot read properties of undefined (reading 'unit')");
      }
      return [n];
    };
    return { state, parse };
  }

  test('is a dead letter and acknowledged: it never stands in the way of those behind it', async () => {
    const { state, parse } = parser();
    const { rig, broker, clock } = await plant(4, {}, parse);
    // More poison than may be unacknowledged at a time.
    for (const n of range(500)) broker.publish('a', String(n));
    await clock.advance(5_000);
    expect(stored(rig)).toEqual(range(500).filter((n) => n % 10 !== 0));
    expect(rig.query('SELECT count(*) AS n FROM dead_letters')).toEqual([{ n: 50 }]);
    // Once each: nothing came again, no link was given up.
    expect([state.crashes, rig.course('m')]).toEqual([50, ['connecting>streaming']]);
    // The broker owes nothing and is owed nothing: another session's first message comes at once.
    broker.cut();
    await clock.advance(5_000);
    expect(state.crashes).toBe(50);
    broker.publish('a', '501');
    await clock.advance(100);
    expect(stored(rig).at(-1)).toBe(501);
  });

  test('however often it is tried again, and is parked when it has failed as often as it may', async () => {
    const { state, parse } = parser();
    const { rig, broker, clock } = await plant(4, {}, parse);
    for (const n of range(20)) broker.publish('a', String(n));
    await clock.advance(1_000);
    for (let attempt = 2; attempt <= LIMITS.deadLetterAttemptsMax; attempt++) {
      expect(await clock.runUntil(rig.engine.deadLetters.retry({ status: 'new' }))).toBe(2);
      await clock.advance(100);
      expect(state.crashes).toBe(2 * attempt);
      // Meanwhile others pass.
      broker.publish('a', String(100 + attempt));
      await clock.advance(100);
      expect(stored(rig).at(-1)).toBe(100 + attempt);
    }
    expect(rig.query('SELECT payload, status, attempts FROM dead_letters ORDER BY id')).toEqual([
      { payload: '10', status: 'parked', attempts: LIMITS.deadLetterAttemptsMax },
      { payload: '20', status: 'parked', attempts: LIMITS.deadLetterAttemptsMax },
    ]);
    state.isMended = true;
    expect(await clock.runUntil(rig.engine.deadLetters.retry([1, 2]))).toBe(2);
    await clock.advance(100);
    expect(stored(rig).slice(-2)).toEqual([10, 20]);
  });
});
