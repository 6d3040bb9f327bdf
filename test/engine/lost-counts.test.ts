/** What a report calls lost, under the virtual clock: every record that was taken in and came to no end, and no
 *  other. */

import { describe, expect, test, vi } from 'vitest';
import { boundedQueue, HeadgateError, pushSource, transform, transformAsync } from '../../src/index.ts';
import { handedIn, startedRig } from '../support/engine-rig.ts';

const disk = vi.hoisted(() => ({ refuses: false }));

vi.mock('../../storage/open-event-store.ts', async (importOriginal) => {
  const original = await importOriginal<typeof import('../../storage/open-event-store.ts')>();
  return {
    openEventStore: async (options: Parameters<typeof original.openEventStore>[0]) => {
      const store = await original.openEventStore(options);
      const commit: typeof store.commit = async (unit) => {
        if (disk.refuses) throw new HeadgateError('HG_STORAGE_FULL', 'for the test');
        return store.commit(unit);
      };
      return { ...store, commit };
    },
  };
});

const upTo = (count: number) => Array.from({ length: count }, (_, n) => n + 1);
const never = transformAsync(() => new Promise(() => {}), { concurrency: 3 });

describe('a consumer that does not read', () => {
  test('loses nothing where records are stored', async () => {
    const source = pushSource({ id: 'a' });
    const rig = await startedRig({}, source);
    rig.engine.consume({ capacityRecords: 50 });
    await handedIn(source.pushAll(upTo(5)));
    await rig.clock.advance(50);
    expect(await rig.stop({ deadlineMs: 100 })).toMatchObject({ delivered: 5, lost: 0 });
    expect(rig.query('SELECT count(*) AS n FROM records')).toEqual([{ n: 5 }]);
  });

  test('loses what the slowest has not read where nothing is stored', async () => {
    const source = pushSource({ id: 'a' });
    const rig = await startedRig({ records: { keep: false } }, source);
    const [half] = [rig.engine.consume({ capacityRecords: 50 }), rig.engine.consume({ capacityRecords: 50 })];
    await handedIn(source.pushAll(upTo(5)));
    await half?.next();
    await rig.clock.advance(50);
    expect(await rig.stop({ deadlineMs: 100 })).toMatchObject({ delivered: 5, lost: 5 });
  });
});

describe('lost is', () => {
  test('what waits in outlets and between stages when the deadline comes', async () => {
    const source = pushSource({ id: 'a' });
    const rig = await startedRig(
      { stages: [boundedQueue({ stageName: 'q', capacityRecords: 4 }), never] },
      source,
    );
    await handedIn(source.pushAll(upTo(100)));
    await rig.clock.advance(50);
    expect(await rig.stop({ deadlineMs: 100 })).toMatchObject({ delivered: 0, lost: 100 });
  });

  test('what waits in the outlet of one source that is made to end now', async () => {
    const source = pushSource({ id: 'a' });
    const rig = await startedRig({ stages: [never] }, source);
    await handedIn(source.pushAll(upTo(10)));
    await rig.clock.runUntil(rig.engine.deregister('a', { mode: 'now' }));
    expect(rig.engine.report().lost).toBe(7);
    expect(await rig.stop({ deadlineMs: 100 })).toMatchObject({ lost: 10 });
  });

  test('what the database did not take until the engine stopped, dead letters and spilled records too', async () => {
    const failing = transform(({ data }) => {
      if (data === 3) throw new Error('no good');
      return data === 4 ? new Map() : data;
    });
    const plain = pushSource({ id: 'a' });
    const limit = { recordsPerSecondMax: 1, policy: 'delay' } as const;
    const outlet = { capacityRecords: 1, overflow: 'spill' } as const;
    const spilling = pushSource({ id: 'b', outlet, rateLimit: limit });
    const rig = await startedRig({ stages: [failing] }, plain, spilling);
    await rig.clock.advance(50);
    disk.refuses = true;
    await handedIn(plain.pushAll(upTo(5)));
    for (let n = 0; n < 5; n++) await handedIn(spilling.push(0));
    await rig.clock.advance(100);
    const report = await rig.stop({ deadlineMs: 100 });
    disk.refuses = false;
    expect(report).toMatchObject({ delivered: 0, lost: 5 + 5 });
    expect(rig.query('SELECT * FROM records')).toEqual([]);
  });

  test('nothing that was left out, dropped, kept as a dead letter or kept on disk', async () => {
    const failing = transform(({ data }) => {
      if (data === 3) throw new Error('no good');
      return data === 4 ? new Map() : data;
    });
    const dropping = pushSource({ id: 'a', outlet: { capacityRecords: 8, overflow: 'drop-newest' } });
    const outlet = { capacityRecords: 2, overflow: 'spill' } as const;
    const spilling = pushSource({ id: 'b', outlet, rateLimit: { recordsPerSecondMax: 1, policy: 'delay' } });
    const rig = await startedRig({ stages: [failing] }, dropping, spilling);
    await handedIn(dropping.pushAll(upTo(20)));
    for (let n = 0; n < 5; n++) await handedIn(spilling.push(0));
    await rig.clock.advance(100);
    const { lost } = await rig.stop({ deadlineMs: 100 });
    const count = (sql: string) => Number(rig.query(`SELECT count(*) AS n FROM ${sql}`)[0]?.['n']);
    const inOutlet = 5 - count("records WHERE source_id = 'b'") - count('spill');
    expect([count('spill') > 0, count('dead_letters')]).toEqual([true, 2]);
    expect(lost).toBe(inOutlet);
  });
});
