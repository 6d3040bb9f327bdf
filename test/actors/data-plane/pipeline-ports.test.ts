/** What an engine tells of its limits and of records that do not move: edges in the timeline, and the account
 *  of a drain. */

import { describe, expect, onTestFinished, test } from 'vitest';
import { pushSource, type PushSource } from '../../../actors/sources/push-source.ts';
import { SILENT_LOGGER } from '../../../src/domain/logger.ts';
import type { TimelineRow } from '../../../src/domain/timeline.ts';
import { createEngine, type CreateEngineOptions } from '../../../src/engine/engine.ts';
import { boundedQueue, transformAsync } from '../../../src/pipeline/stages.ts';
import { virtualClock } from '../../../src/testing/virtual-clock.ts';

async function running(options: CreateEngineOptions, sources = ['plc-7']) {
  const clock = virtualClock();
  const engine = createEngine({ ...options, clock, seed: 1, logger: SILENT_LOGGER });
  const rows: TimelineRow[] = [];
  engine.transitions$.subscribe((row) => rows.push(row));
  const pushes = sources.map((id) => pushSource({ id }));
  for (const source of pushes) void engine.register(source);
  await clock.runUntil(engine.start());
  await clock.advance(0);
  const push = async (records: number, source: PushSource = pushes[0] as PushSource) => {
    source.pushAll(Array.from({ length: records }, (_, n) => n)).catch(() => {});
    await clock.advance(0);
  };
  const edgesOf = (actor: string) =>
    rows
      .filter((row) => row.actor === actor && row.kind === 'transition')
      .map(({ monoMs, toState, data }) => [monoMs, toState, data]);
  let isStopped = false;
  const stop = async (deadlineMs: number) => {
    isStopped = true;
    const report = await clock.runUntil(engine.stop({ deadlineMs }));
    return report;
  };
  onTestFinished(async () => {
    if (!isStopped) await stop(0);
    expect(clock.pendingTimers).toBe(0);
  });
  return { clock, engine, push, pushes, edgesOf, stop };
}

describe('the rate limiter', () => {
  test('limits from the first refusal until a second after the last pause, and says what was dropped', async () => {
    const { clock, push, edgesOf } = await running({
      rateLimit: { recordsPerSecondMax: 10, policy: 'drop' },
    });
    await clock.advance(100);
    await push(13);
    await clock.advance(3_000);
    expect(edgesOf('rateLimiter')).toEqual([
      [100, 'limiting', { scope: 'global', recordsPerSecondMax: 10, source: 'plc-7' }],
      [1_130, 'open', { dropped: 3 }],
    ]);
  });

  test('says nothing while everything passes', async () => {
    const { clock, push, edgesOf } = await running({
      rateLimit: { recordsPerSecondMax: 10, policy: 'drop' },
    });
    for (let second = 0; second < 5; second++) {
      await push(10);
      await clock.advance(1_000);
    }
    expect(edgesOf('rateLimiter')).toEqual([]);
  });

  test('that delays drops nothing, and limits as long as it holds records back', async () => {
    const limit = { recordsPerSecondMax: 10, policy: 'delay' } as const;
    const { clock, engine, push, edgesOf } = await running({ rateLimit: limit });
    await push(25);
    await clock.advance(5_000);
    expect(edgesOf('rateLimiter')).toEqual([
      [0, 'limiting', { scope: 'global', recordsPerSecondMax: 10, source: 'plc-7' }],
      [3_000, 'open', { dropped: 0 }],
    ]);
    expect(engine.report()).toMatchObject({ admitted: 25, dropped: 0, delivered: 25 });
  });

  test('tells of a limit of single sources as of one of all', async () => {
    const limit = { recordsPerSecondMax: 10, scope: 'source', policy: 'drop' } as const;
    const { clock, engine, push, pushes, edgesOf } = await running({ rateLimit: limit }, ['plc-1', 'plc-2']);
    await push(12, pushes[0]);
    await push(9, pushes[1]);
    await clock.advance(3_000);
    expect(edgesOf('rateLimiter').map(([, state]) => state)).toEqual(['limiting', 'open']);
    expect(engine.report()).toMatchObject({ admitted: 19, dropped: 2 });
    expect([engine.health('plc-1').droppedCount, engine.health('plc-2').droppedCount]).toEqual([2, 0]);
  });
});

describe('the pipeline', () => {
  test('is blocked where records wait and none moves, and flows again when one does', async () => {
    const { clock, engine, push, edgesOf } = await running({
      stages: [boundedQueue({ stageName: 'q', capacityRecords: 3 })],
    });
    const consumer = engine.consume({ capacityRecords: 5 });
    await push(100);
    await clock.advance(5_500);
    expect(edgesOf('pipeline')).toEqual([[2_000, 'blocked', { waitingRecords: 94 }]]);
    for (let reads = 0; reads < 100; reads++) await clock.runUntil(consumer.next());
    await clock.advance(5_000);
    expect(edgesOf('pipeline').slice(1)).toEqual([[6_000, 'flowing', null]]);
  });

  test('is not blocked while it merely has nothing to do, or is slow', async () => {
    const { clock, engine, push, edgesOf } = await running({});
    await clock.advance(10_000);
    const consumer = engine.consume({ capacityRecords: 1 });
    await push(20);
    for (let reads = 0; reads < 20; reads++) {
      await clock.advance(900);
      await consumer.next();
    }
    expect(edgesOf('pipeline')).toEqual([]);
  });

  test('that is drained gives everything to those who still read', async () => {
    const { clock, engine, push, stop } = await running({
      stages: [
        boundedQueue({ stageName: 'q', capacityRecords: 3 }),
        transformAsync(async ({ data }) => data),
      ],
    });
    const consumer = engine.consume({ capacityRecords: 2 });
    let read = 0;
    const reading = (async () => {
      for await (const item of consumer) {
        read++;
        expect(item.seq).toBe(read);
        await clock.sleep(10);
      }
    })();
    await push(100);
    const report = await stop(5_000);
    await clock.runUntil(reading);
    expect([read, report.delivered, report.lost]).toEqual([100, 100, 0]);
    expect(report.sources[0]).toMatchObject({ recordsProduced: 100, droppedCount: 0, queueDepth: 0 });
  });

  test('whose drain comes to its deadline accounts for every record', async () => {
    const { engine, push, stop } = await running({
      records: { keep: false },
      stages: [
        boundedQueue({ stageName: 'q', capacityRecords: 3 }),
        transformAsync(() => new Promise(() => {})),
      ],
    });
    await push(100);
    const report = await stop(500);
    const dropped = engine.health('plc-7').droppedCount;
    expect([report.admitted + dropped, report.delivered + report.lost]).toEqual([100, 100]);
    expect(report.admitted).toBe(8 + 3 + 1);
  });

  test('takes a stage that fails outside of any record for its own failure', async () => {
    const broken = {
      kind: 'operator',
      stageName: 'broken',
      operator: () => () => {
        throw new Error('a defect of the stage');
      },
    } as never;
    expect(() => createEngine({ stages: [broken] })).not.toThrow();
    const clock = virtualClock();
    const engine = createEngine({ stages: [broken], clock, seed: 1, logger: SILENT_LOGGER });
    await expect(clock.runUntil(engine.start())).rejects.toThrow('a defect of the stage');
  });
});
