/** What an engine promises of any source: its health, its order, that a stop loses nothing. */

import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import {
  defineSource,
  pushSource,
  simulatedSource,
  type SourceHealth,
  type SourceSpec,
} from '../../src/index.ts';
import { seededRandom } from '../../src/domain/random.ts';
import { type EngineRig, handedIn, startedRig } from '../support/engine-rig.ts';

const HEALTH = z.strictObject({
  sourceId: z.string(),
  tenant: z.string(),
  type: z.string(),
  state: z.enum(['connecting', 'streaming', 'degraded', 'backingOff', 'circuitOpen', 'paused', 'stopped']),
  recordsProduced: z.number().int().min(0),
  lastReadTimestamp: z.number().int().nullable(),
  consecutiveErrors: z.number().int().min(0),
  incarnation: z.number().int().min(1),
  restarts: z.number().int().min(0),
  lastError: z.strictObject({ code: z.string(), message: z.string(), atMs: z.number().int() }).nullable(),
  rate1s: z.number().min(0),
  queueDepth: z.number().int().min(0),
  spilledRecords: z.number().int().min(0),
  droppedCount: z.number().int().min(0),
  deadLetteredCount: z.number().int().min(0),
  lateRecords: z.number().int().min(0),
});

/** Three sources that are polled, two that come in bursts: the fleet of the health demo. */
const fleet = (): SourceSpec[] => [
  ...['http-1', 'http-2', 'http-3'].map((id) =>
    simulatedSource({ id, type: 'http', intervalMs: 100, jitterMs: 20, failRate: 0.1 }),
  ),
  ...['mqtt-1', 'mqtt-2'].map((id) =>
    simulatedSource({ id, type: 'mqtt', burst: { recordsMin: 3, recordsMax: 5, gapMs: 100 } }),
  ),
];

const own = defineSource({
  type: 'own',
  async *stream(io) {
    for (let n = 1; !io.signal.aborted; n++) {
      await io.clock.sleep(10, io.signal);
      yield n;
    }
  },
});

describe('the health of a source', () => {
  const push = pushSource({ id: 'push' });
  const kinds: [kind: string, spec: SourceSpec, feed: () => Promise<void>][] = [
    ['polled', simulatedSource({ id: 'polled', intervalMs: 10, script: ['fail', 'ok'] }), async () => {}],
    ['pushed', push, async () => void push.push(1)],
    ['of a user', own({ id: 'own' }), async () => {}],
  ];
  for (const [kind, spec, feed] of kinds) {
    test(`has all its fields before the first read and after: ${kind}`, async () => {
      const rig = await startedRig({}, spec);
      const before = rig.engine.health(spec.id);
      expect(HEALTH.parse(before)).toMatchObject({
        recordsProduced: 0,
        lastReadTimestamp: null,
        lastError: null,
      });
      await feed();
      await rig.clock.advance(25);
      const after = rig.engine.health(spec.id);
      expect(HEALTH.parse(after).recordsProduced).toBeGreaterThan(0);
      expect(after.lastReadTimestamp).toBeGreaterThanOrEqual(Date.UTC(2020, 0, 1));
      expect(after.lastReadTimestamp).toBeLessThanOrEqual(rig.clock.wallMs());
    });
  }

  test('tells its rate, its waiting records and what was dropped', async () => {
    const source = pushSource({
      id: 'a',
      outlet: { capacityRecords: 10, overflow: 'drop-newest' },
      rateLimit: { recordsPerSecondMax: 5, policy: 'delay' },
    });
    const rig = await startedRig({}, source);
    await handedIn(source.pushAll(Array.from({ length: 40 }, (_, n) => n)));
    expect(rig.engine.health('a')).toMatchObject({ rate1s: 40, queueDepth: 5, droppedCount: 30 });
    await rig.clock.advance(500);
    expect(rig.engine.health('a')).toMatchObject({ rate1s: 40, queueDepth: 5 });
    await rig.clock.advance(2_000);
    expect(rig.engine.health('a')).toMatchObject({ rate1s: 0, queueDepth: 0, droppedCount: 30 });
    expect(rig.delivered).toHaveLength(10);
  });
});

describe('the health monitor', () => {
  test('looks at every source at its interval, and keeps what it saw', async () => {
    const rig = await startedRig({ health: { intervalMs: 500 } }, ...fleet());
    const summaries: (readonly SourceHealth[])[] = [];
    rig.engine.health$.subscribe((healths) => void summaries.push(healths));
    await rig.clock.advance(3_000);
    expect(summaries.map((healths) => healths.length)).toEqual([5, 5, 5, 5, 5, 5]);
    await rig.stop();
    const rows = rig.query(
      'SELECT at_ms, source_id, records_produced AS records, consecutive_errors AS errors FROM health',
    );
    expect(rows).toEqual(
      summaries.flatMap((healths, index) =>
        healths.map(({ sourceId, recordsProduced, consecutiveErrors }) => ({
          at_ms: Date.UTC(2020, 0, 1) + (index + 1) * 500,
          source_id: sourceId,
          records: recordsProduced,
          errors: consecutiveErrors,
        })),
      ),
    );
  });

  test('is ailing while any source is, and says which', async () => {
    const down = simulatedSource({
      id: 'down',
      intervalMs: 10,
      script: ['ok', 'lost'],
      restart: { backoff: { initialMs: 300 } },
    });
    const rig = await startedRig({ health: { intervalMs: 100 } }, down, ...fleet());
    await rig.clock.advance(1_000);
    expect(rig.course('healthMonitor')).toEqual(['well>ailing', 'ailing>well']);
    const [ailing] = rig.timeline("event = 'sources.ailing'");
    expect(ailing?.data).toEqual({ ailing: 1, sourceIds: ['down'] });
  });
});

/** Every record produced is in the table, once, in the order of its source. */
function expectAllStored(rig: EngineRig): void {
  const produced = rig.engine.health().map(({ sourceId, recordsProduced }) => [sourceId, recordsProduced]);
  const stored = rig.query('SELECT source_id AS id, source_seq AS n FROM records ORDER BY seq');
  const bySource = new Map<unknown, unknown[]>();
  for (const { id, n } of stored) bySource.set(id, [...(bySource.get(id) ?? []), n]);
  for (const [id, count] of produced as [string, number][]) {
    expect(bySource.get(id) ?? []).toEqual(Array.from({ length: count }, (_, index) => index + 1));
  }
  expect(rig.delivered.map(({ sourceId, seq }) => [sourceId, seq])).toEqual(
    stored.map(({ id, n }) => [id, n]),
  );
}

test('a stop at any moment loses nothing that was produced', { tags: 'full', timeout: 60_000 }, async () => {
  const random = seededRandom('stops');
  for (let round = 0; round < 200; round++) {
    const rig = await startedRig({ seed: round, records: { keep: true } }, ...fleet(), own({ id: 'own' }));
    await rig.clock.advance(random.next() * 400);
    const report = await rig.stop();
    expect(report.lost).toBe(0);
    expect(report.delivered).toBe(
      report.sources.reduce((sum, { recordsProduced }) => sum + recordsProduced, 0),
    );
    expectAllStored(rig);
  }
});

test('sources of any number flow together in turns: none holds another up, each keeps its order', async () => {
  const rig = await startedRig({}, ...fleet());
  await rig.clock.advance(1_000);
  await rig.stop();
  let longest = 0;
  let run = 0;
  for (const [index, { sourceId }] of rig.delivered.entries()) {
    run = sourceId === rig.delivered[index - 1]?.sourceId ? run + 1 : 1;
    longest = Math.max(longest, run);
  }
  expect(longest).toBeLessThanOrEqual(10);
  expect(new Set(rig.delivered.map(({ sourceId }) => sourceId)).size).toBe(5);
  expectAllStored(rig);
});

test('records bear the time of their arrival, or the one their source gives them', async () => {
  const timed = defineSource({
    type: 'timed',
    async stream(io) {
      io.emit('now');
      io.emit('then', { atMs: 1_000 });
      io.emit('never', { atMs: Number.NaN });
      await io.clock.sleep(9e9, io.signal);
    },
  });
  const rig = await startedRig({}, timed({ id: 'a' }));
  await rig.clock.advance(20);
  const now = Date.UTC(2020, 0, 1);
  expect(rig.delivered.map(({ data, atMs }) => [data, atMs])).toEqual([
    ['now', now],
    ['then', 1_000],
    ['never', now],
  ]);
});

describe('a source that can go on where it was', () => {
  /** Counts from its cursor; stores where it is with every record. */
  const counting = defineSource({
    type: 'counting',
    async stream(io) {
      for (let n = Number(io.cursor ?? 0) + 1; !io.signal.aborted; n++) {
        await io.clock.sleep(10, io.signal);
        if (io.signal.aborted) return;
        if (!io.emit(n, { cursor: String(n) })) await io.room();
      }
    },
  });

  test('goes on behind the last record that was stored, in the next run of the engine and after a crash of its own', async () => {
    const rig = await startedRig({}, counting({ id: 'a' }));
    await rig.clock.advance(35);
    await rig.engine.pause('a');
    await rig.engine.resume('a');
    await rig.clock.advance(25);
    await rig.stop();
    await rig.engine.start();
    await rig.engine.register(counting({ id: 'a' }));
    await rig.clock.advance(25);
    await rig.stop();
    expect(rig.delivered.map(({ data }) => data)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });
});
