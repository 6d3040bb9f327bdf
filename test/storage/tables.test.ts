import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import {
  writeBatch,
  openStore,
  query,
  recordRow,
  START_MS,
  temporaryFile,
  timelineRow,
  writeDatabase,
} from './fixture.ts';

describe('the tables', () => {
  test('have the columns users query, in their order', async () => {
    const file = temporaryFile();
    await writeDatabase(file);
    const columns = (table: string) =>
      query(file, 'SELECT name FROM pragma_table_info(?)', table)
        .map((row) => row['name'])
        .join(' ');
    expect(columns('timeline')).toBe(
      'seq run at_ms mono_ms tenant actor incarnation kind event from_state to_state cause data',
    );
    expect(columns('alerts')).toBe('seq at_ms tenant actor event severity data');
    expect(columns('sources')).toBe(
      'tenant source_id type state incarnation restarts records_produced dropped consecutive_errors ' +
        'last_read_at_ms last_error registered_at_ms deregistered_at_ms dead_lettered',
    );
    const record = 'seq tenant source_id incarnation source_seq dedup_key at_ms data content_type';
    expect(columns('records')).toBe(`${record} crc`);
    expect(columns('spill')).toBe(`${record} cursor crc`);
    expect(columns('dead_letters')).toBe(
      'id tenant source_id stage code message payload attempts first_at_ms last_at_ms status origin truncated',
    );
    expect(columns('timeline_chain')).toBe('seq hash');
    expect(columns('sinks')).toBe(
      'tenant sink_id type state incarnation delivered filtered dead_lettered consecutive_errors ' +
        'last_delivery_at_ms last_error registered_at_ms deregistered_at_ms',
    );
    expect(columns('sink_cursors')).toBe('tenant sink_id seq reads');
    expect(columns('source_deadlines')).toBe(
      'tenant source_id kind state due_at_ms failures address_crc options_crc',
    );
    expect(columns('runs')).toBe(
      'run started_at_ms ended_at_ms end version gateway_id db_uuid config_digest',
    );
    expect(columns('health')).toMatch(/^at_ms tenant source_id state records_produced last_read_timestamp /);
  });

  test('give back a timeline row as it was written', async () => {
    const file = temporaryFile();
    await writeDatabase(file, {
      timeline: [
        timelineRow({ seq: 1, data: { delayMs: 400, reason: 'refusé "hard"' }, incarnation: null }),
        timelineRow({ seq: 2, cause: 1, fromState: null, toState: null, kind: 'command', monoMs: 12.4 }),
      ],
    });
    expect(query(file, 'SELECT * FROM timeline')).toEqual([
      {
        seq: 1,
        run: 1,
        at_ms: START_MS + 1,
        mono_ms: 1,
        tenant: 'default',
        actor: 'plc-7',
        incarnation: null,
        kind: 'transition',
        event: 'broker.refused',
        from_state: 'connecting',
        to_state: 'backingOff',
        cause: null,
        data: '{"delayMs":400,"reason":"refusé \\"hard\\""}',
      },
      expect.objectContaining({
        seq: 2,
        cause: 1,
        from_state: null,
        to_state: null,
        mono_ms: 12,
        data: null,
      }),
    ]);
  });

  test('show alerts with their severity, and no other rows', async () => {
    const file = temporaryFile();
    const data = { event: 'BURST', severity: 'warning', windowRecords: 31 };
    await writeDatabase(file, {
      timeline: [timelineRow({ seq: 1 }), timelineRow({ seq: 2, kind: 'alert', event: 'BURST', data })],
    });
    expect(query(file, 'SELECT * FROM alerts')).toEqual([
      {
        seq: 2,
        at_ms: START_MS + 2,
        tenant: 'default',
        actor: 'plc-7',
        event: 'BURST',
        severity: 'warning',
        data: JSON.stringify(data),
      },
    ]);
  });

  test('give back dead letters and health samples', async () => {
    const file = temporaryFile();
    const letter = {
      tenant: 'default',
      sourceId: 'plc-7',
      stage: 'decode',
      code: 'HG_DECODE_FAILED',
      message: 'not JSON',
      payload: 'base64:AAE=',
      attempts: 1,
      firstAtMs: 5,
      lastAtMs: 6,
      origin: null,
      isTruncated: false,
    };
    const sample = {
      atMs: 7,
      tenant: 'default',
      sourceId: 'plc-7',
      state: 'degraded' as const,
      recordsProduced: 3,
      lastReadTimestamp: null,
      consecutiveErrors: 2,
      incarnation: 4,
      restarts: 1,
      rate1s: 2.5,
      queueDepth: 8,
      droppedCount: 9,
      deadLetteredCount: 0,
    };
    await writeDatabase(file, { deadLetters: [letter, letter], health: [sample] });
    expect(query(file, 'SELECT * FROM dead_letters WHERE id = 2')).toEqual([
      {
        id: 2,
        tenant: 'default',
        source_id: 'plc-7',
        stage: 'decode',
        code: 'HG_DECODE_FAILED',
        message: 'not JSON',
        payload: 'base64:AAE=',
        attempts: 1,
        first_at_ms: 5,
        last_at_ms: 6,
        status: 'new',
        origin: null,
        truncated: 0,
      },
    ]);
    expect(query(file, 'SELECT * FROM health')).toEqual([
      {
        at_ms: 7,
        tenant: 'default',
        source_id: 'plc-7',
        state: 'degraded',
        records_produced: 3,
        last_read_timestamp: null,
        consecutive_errors: 2,
        incarnation: 4,
        restarts: 1,
        rate1s: 2.5,
        queue_depth: 8,
        dropped_count: 9,
        dead_lettered_count: 0,
        run: 1,
      },
    ]);
  });

  test('number records on, even after all of them were deleted', async () => {
    const file = temporaryFile();
    const store = await openStore(file);
    await store.commit(writeBatch({ records: [recordRow({ sourceSeq: 1 }), recordRow({ sourceSeq: 2 })] }));
    await store.close({ atMs: START_MS });
    const other = new Database(file);
    other.exec('DELETE FROM records; DELETE FROM timeline');
    other.close();
    await writeDatabase(file, { records: [recordRow({ sourceSeq: 3 })] });
    expect(query(file, 'SELECT seq, source_seq FROM records')).toEqual([{ seq: 3, source_seq: 3 }]);
  });
});
