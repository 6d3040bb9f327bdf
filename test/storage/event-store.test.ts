import { describe, expect, test } from 'vitest';
import { IN_MEMORY } from '../../storage/file/database-path.ts';
import {
  writeBatch,
  headgateError,
  query,
  recordRow,
  sourceRow,
  START_MS,
  temporaryFile,
  timelineRow,
  writeDatabase,
} from './fixture.ts';
import { HOSTS } from './hosts.ts';

describe.each(HOSTS)('a commit, $host,', ({ openStore }) => {
  test.each([0, 1, 9, 10, 11, 99, 100, 101, 256, 1_234])(
    'of %i rows writes each once, in order',
    async (count) => {
      const file = temporaryFile();
      const store = await openStore(file);
      const rows = Array.from({ length: count }, (_, index) => index + 1);
      await store.commit(
        writeBatch({
          timeline: rows.map((seq) => timelineRow({ seq, event: `event-${seq}` })),
          records: rows.map((sourceSeq) => recordRow({ sourceSeq })),
        }),
      );
      expect(query(file, 'SELECT seq, event FROM timeline ORDER BY seq')).toEqual(
        rows.map((seq) => ({ seq, event: `event-${seq}` })),
      );
      expect(query(file, 'SELECT source_seq FROM records ORDER BY seq')).toEqual(
        rows.map((sourceSeq) => ({ source_seq: sourceSeq })),
      );
    },
  );

  test('keeps a record with a repeated dedup key once a source, and every record without a key', async () => {
    const file = temporaryFile();
    await writeDatabase(
      file,
      { records: [recordRow({ sourceSeq: 1, dedupKey: 'a' }), recordRow({ sourceSeq: 2, dedupKey: 'a' })] },
      {
        records: [
          recordRow({ sourceSeq: 3, dedupKey: 'a' }),
          recordRow({ sourceSeq: 4, dedupKey: 'a', sourceId: 'plc-8' }),
          recordRow({ sourceSeq: 5, dedupKey: 'a', tenant: 'north' }),
          recordRow({ sourceSeq: 6 }),
          recordRow({ sourceSeq: 6 }),
        ],
      },
    );
    const kept = query(file, 'SELECT source_seq FROM records ORDER BY seq').map((row) => row['source_seq']);
    expect(kept).toEqual([1, 4, 5, 6, 6]);
  });

  test('keeps one row for each source, and of two incarnations the newer one', async () => {
    const file = temporaryFile();
    await writeDatabase(
      file,
      { sources: [sourceRow({ incarnation: 1 }), sourceRow({ sourceId: 'plc-8', incarnation: 2 })] },
      { sources: [sourceRow({ incarnation: 3, state: 'connecting', recordsProduced: 0 })] },
      { sources: [sourceRow({ incarnation: 1, state: 'stopped', deregisteredAtMs: 9 })] },
      { sources: [sourceRow({ incarnation: 3, state: 'degraded', lastError: 'HG_LINK_LOST: gone' })] },
    );
    expect(query(file, 'SELECT source_id, incarnation, state, last_error FROM sources')).toEqual([
      { source_id: 'plc-7', incarnation: 3, state: 'degraded', last_error: 'HG_LINK_LOST: gone' },
      { source_id: 'plc-8', incarnation: 2, state: 'streaming', last_error: null },
    ]);
  });

  test('writes nothing of a unit of which one row is refused, says so for good, and goes on', async () => {
    const file = temporaryFile();
    const store = await openStore(file);
    await store.commit(writeBatch({ timeline: [timelineRow({ seq: 1 })] }));
    const error = await headgateError(
      () =>
        store.commit(
          writeBatch({
            timeline: [timelineRow({ seq: 2 }), timelineRow({ seq: 1 })],
            records: [recordRow({ sourceSeq: 1 })],
            cursors: [{ tenant: 'default', sourceId: 'plc-7', cursor: 'x' }],
          }),
        ),
      'HG_STORAGE_FAILED',
    );
    expect(error.remedy).toBe('drop');
    expect(error.message).toContain('timeline.seq');
    expect(store.cursors.size).toBe(0);
    await store.commit(writeBatch({ timeline: [timelineRow({ seq: 3 })] }));
    expect(query(file, 'SELECT seq FROM timeline')).toEqual([{ seq: 1 }, { seq: 3 }]);
    expect(query(file, 'SELECT * FROM records')).toEqual([]);
  });

  test('refuses a record whose time is no number', async () => {
    const store = await openStore(IN_MEMORY);
    const unit = writeBatch({ records: [recordRow({ sourceSeq: 1, atMs: Number.NaN })] });
    const error = await headgateError(() => store.commit(unit), 'HG_STORAGE_FAILED');
    expect(error.message).toContain('records.at_ms');
    expect(error.remedy).toBe('drop');
  });

  test('refuses data that cannot be written as JSON', async () => {
    const store = await openStore(IN_MEMORY);
    const unit = writeBatch({ timeline: [timelineRow({ seq: 1, data: { count: 1n } })] });
    expect((await headgateError(() => store.commit(unit), 'HG_STORAGE_FAILED')).remedy).toBe('drop');
  });

  test('is refused by a closed store', async () => {
    const store = await openStore(temporaryFile());
    await store.close({ atMs: START_MS });
    const error = await headgateError(() => store.commit(writeBatch()), 'HG_STORAGE_FAILED');
    expect(error.message).toContain('closed');
    expect(error.remedy).toBe('stop');
  });
});

describe.each(HOSTS)('opening again, $host,', ({ openStore }) => {
  test('goes on where the last run ended', async () => {
    const file = temporaryFile();
    const first = await openStore(file, { nowMs: 100 });
    expect(first).toMatchObject({
      run: 1,
      lastSeq: 0,
      lastIncarnation: 0,
      previousRun: null,
      movedAside: null,
    });
    expect([...first.cursors]).toEqual([]);
    await first.commit(
      writeBatch({
        timeline: [timelineRow({ seq: 1 }), timelineRow({ seq: 2 })],
        sources: [sourceRow({ incarnation: 5 }), sourceRow({ sourceId: 'plc-8', incarnation: 4 })],
        cursors: [
          { tenant: 'default', sourceId: 'plc-7', cursor: 'old' },
          { tenant: 'north', sourceId: 'plc-7', cursor: 'offset 3' },
        ],
      }),
    );
    await first.commit(writeBatch({ cursors: [{ tenant: 'default', sourceId: 'plc-7', cursor: 'new' }] }));
    expect(first.cursors.get('default/plc-7')).toBe('new');
    await first.close({ atMs: 200 });

    const second = await openStore(file, { nowMs: 300, configDigest: 'other' });
    expect(second).toMatchObject({
      run: 2,
      lastSeq: 2,
      lastIncarnation: 5,
      previousRun: { run: 1, end: 'clean', lastAtMs: 200 },
      gatewayId: first.gatewayId,
      dbUuid: first.dbUuid,
    });
    expect(Object.fromEntries(second.cursors)).toEqual({ 'default/plc-7': 'new', 'north/plc-7': 'offset 3' });
    const identity = { version: '0.1.0', gateway_id: first.gatewayId, db_uuid: first.dbUuid };
    expect(query(file, 'SELECT * FROM runs')).toEqual([
      { run: 1, started_at_ms: 100, ended_at_ms: 200, end: 'clean', ...identity, config_digest: 'digest' },
      { run: 2, started_at_ms: 300, ended_at_ms: null, end: null, ...identity, config_digest: 'other' },
    ]);
  });

  test('calls a run that never ended a crash, at the time of its last row or sample', async () => {
    const file = temporaryFile();
    const sample = {
      ...sourceRow(),
      rate1s: 0,
      queueDepth: 0,
      droppedCount: 0,
      deadLetteredCount: 0,
      lastReadTimestamp: null,
    };
    const reopen = async (nowMs: number) => {
      const store = await openStore(file, { nowMs });
      return { store, previous: store.previousRun };
    };
    const { store: first } = await reopen(100);
    await first.commit(
      writeBatch({ timeline: [timelineRow({ seq: 1, atMs: 150 })], health: [{ ...sample, atMs: 170 }] }),
    );
    await first.close(null);
    const { store: second, previous: afterSample } = await reopen(400);
    expect(afterSample).toEqual({ run: 1, end: 'crash', lastAtMs: 170, latestAtMs: 170 });
    await second.close(null);
    const { store: third, previous: afterNothing } = await reopen(500);
    expect(afterNothing).toEqual({ run: 2, end: 'crash', lastAtMs: 400, latestAtMs: 400 });
    await third.commit(writeBatch({ timeline: [timelineRow({ seq: 2, run: 3, atMs: 560 })] }));
    await third.close(null);
    const { previous: afterRow } = await reopen(600);
    expect(afterRow).toEqual({ run: 3, end: 'crash', lastAtMs: 560, latestAtMs: 560 });
    expect(query(file, 'SELECT run, ended_at_ms, end FROM runs')).toEqual([
      { run: 1, ended_at_ms: 170, end: 'crash' },
      { run: 2, ended_at_ms: 400, end: 'crash' },
      { run: 3, ended_at_ms: 560, end: 'crash' },
      { run: 4, ended_at_ms: null, end: null },
    ]);
  });

  test('takes no effect from a second close', async () => {
    const file = temporaryFile();
    const store = await openStore(file);
    await store.close({ atMs: 7 });
    await store.close(null);
    await store.close({ atMs: 9 });
    expect(query(file, 'SELECT ended_at_ms FROM runs')).toEqual([{ ended_at_ms: 7 }]);
  });

  test('keeps two databases in memory apart', async () => {
    const [one, other] = [await openStore(IN_MEMORY), await openStore(IN_MEMORY)];
    await one.commit(writeBatch({ timeline: [timelineRow({ seq: 1 })] }));
    await other.commit(writeBatch({ timeline: [timelineRow({ seq: 1 })] }));
    expect([one.run, other.run, one.lastSeq]).toEqual([1, 1, 0]);
    expect(one.dbUuid).not.toBe(other.dbUuid);
  });
});
