/** A courier under the virtual clock: what it delivers, what it does with refusals, failures and silence, and
 *  that it asks for nothing while there is nothing. */

import Database from 'better-sqlite3';
import { describe, expect, test, vi } from 'vitest';
import { errorFacts, HeadgateError } from '../../../../src/domain/errors.ts';
import { LIMITS } from '../../../../src/domain/limits.ts';
import type { OutboundRecord, Rejection } from '../../../../src/domain/sink.ts';
import { numbersOf, SinkField, type FarEnd, type SinkOptions } from '../../../support/sink-field.ts';
import { memoryFile } from '../../../support/engine-rig.ts';
import { query, timelineRow } from '../../../storage/fixture.ts';

interface Field {
  readonly field: SinkField;
  readonly file: string;
  readonly farEnd: FarEnd;
  /** Batches the far end was given, as numbers. */
  readonly batches: number[][];
}

/** A far end that takes everything, unless `deliver` says otherwise. */
async function fieldOf(options: SinkOptions = {}, farEnd: FarEnd = {}): Promise<Field> {
  const file = memoryFile();
  const batches: number[][] = [];
  const scripted = farEnd.deliver;
  farEnd.deliver = async (batch) => {
    batches.push(numbersOf(batch));
    return scripted?.(batch);
  };
  const field = await SinkField.open({ file, farEnd, options });
  await field.clock.advance(0);
  return { field, file, farEnd, batches };
}

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, n) => from + n);
const lost = (details: object = {}) =>
  new HeadgateError('HG_LINK_LOST', 'for the test', { details: { ...details } });
const refused = () => new HeadgateError('HG_SINK_REFUSED', 'for the test');
const letters = (file: string) =>
  query(file, 'SELECT payload, code, status, attempts, origin ->> 2 FROM dead_letters ORDER BY id').map(
    ({ payload, code, status, attempts }) => [payload, code, status, attempts].join(' '),
  );
const cursorOf = (file: string) => query(file, 'SELECT seq FROM sink_cursors')[0]?.['seq'];

describe('what is delivered', () => {
  test('is the log in order, in batches that fit', async () => {
    const { field, batches, file } = await fieldOf({ batch: { rowsMax: 40 } });
    await field.append(100);
    await field.clock.advance(100);
    expect(batches).toEqual([range(1, 40), range(41, 80), range(81, 100)]);
    expect([cursorOf(file), field.rig.delivered]).toEqual([100, 100]);
  });

  test('fits in bytes; a record beyond them goes alone', async () => {
    const { field, batches } = await fieldOf({ batch: { bytesMax: 5 } });
    await field.append(6, (n) => (n === 4 ? 1_234_567 : n));
    await field.clock.advance(100);
    expect(batches).toEqual([[1, 2, 3], [1_234_567], [5, 6]]);
  });

  test('bears keys of the log, its own for each record', async () => {
    const keys: string[] = [];
    const { field } = await fieldOf(
      {},
      {
        deliver: async (batch) => void keys.push(...batch.map(({ key }) => key)),
      },
    );
    await field.append(3);
    await field.clock.advance(100);
    const { gatewayId, dbUuid } = field.store;
    expect(keys).toEqual([1, 2, 3].map((seq) => `${gatewayId}:${dbUuid}:${seq}`));
  });

  test('is what the filter lets through, as the transform makes it; the cursor passes the rest', async () => {
    const { field, batches, file } = await fieldOf({
      filter: ({ data }: OutboundRecord) => Number(data) % 2 === 0,
      transform: ({ data }: OutboundRecord) => Number(data) * 10,
    });
    await field.append(5);
    await field.clock.advance(100);
    expect(batches).toEqual([[20, 40]]);
    expect([cursorOf(file), field.rig.delivered, field.rig.filtered]).toEqual([5, 2, 3]);
  });

  test('waits for company as long as it may linger, and no longer once the batch is full', async () => {
    const { field, batches } = await fieldOf({ batch: { rowsMax: 5, lingerMs: 1_000 } });
    await field.append(2);
    await field.clock.advance(900);
    await field.append(1);
    expect(batches).toEqual([]);
    await field.clock.advance(100);
    expect(batches).toEqual([[1, 2, 3]]);
    await field.append(6);
    await field.clock.advance(1);
    expect(batches.at(-1)).toEqual([4, 5, 6, 7, 8]);
  });

  test('are alerts where those are asked for', async () => {
    const { field, farEnd } = await fieldOf({ reads: 'alerts' });
    const got: OutboundRecord[] = [];
    farEnd.deliver = async (batch) => void got.push(...batch);
    await field.append(3);
    const data = { event: 'TEST', severity: 'warning' };
    await field.alert(timelineRow({ seq: 1, kind: 'alert', event: 'TEST', data }));
    await field.alert(timelineRow({ seq: 2 }));
    await field.alert(timelineRow({ seq: 3, kind: 'alert', event: 'TEST', data }));
    await field.clock.advance(100);
    expect(got.map(({ seq, sourceId, data: alert }) => [seq, sourceId, alert])).toEqual([
      [1, 'plc-7', data],
      [3, 'plc-7', data],
    ]);
    const { gatewayId, dbUuid } = field.store;
    expect(got[1]?.key).toBe(`${gatewayId}:${dbUuid}:t3`);
  });
});

test('nothing is asked of the store while there is nothing new, but a look once a minute', async () => {
  const { field } = await fieldOf();
  await field.append(1);
  await field.clock.advance(100);
  const reads = vi.spyOn(field.store, 'readRecords');
  const looks = vi.spyOn(field.store, 'readLetters');
  await field.clock.advance(59_000);
  expect([reads.mock.calls.length, looks.mock.calls.length]).toEqual([0, 0]);
  await field.clock.advance(3_541_000);
  expect([reads.mock.calls.length, looks.mock.calls.length]).toEqual([60, 60]);
});

describe('what the far end refuses', () => {
  test('is needed of the log until its dead letter is stored, wherever the cursor is', async () => {
    let isBusy = false;
    const deliver = async (batch: readonly OutboundRecord[]): Promise<Rejection[]> => {
      isBusy = numbersOf(batch).includes(5);
      return batch.flatMap(({ data }, index) =>
        data === 5 ? [{ index, error: errorFacts(refused()) }] : [],
      );
    };
    const { field, file } = await fieldOf({}, { deliver });
    const commit = field.store.commit.bind(field.store);
    field.store.commit = async (unit) => {
      if (isBusy) throw new HeadgateError('HG_STORAGE_BUSY', 'for the test');
      return commit(unit);
    };
    await field.append(3);
    await field.clock.advance(100);
    expect([field.rig.cursor, field.rig.neededAfter]).toEqual([3, 3]);
    await field.append(3);
    await field.clock.advance(5_000);
    expect([letters(file), field.rig.cursor, field.rig.neededAfter]).toEqual([[], 6, 3]);
    isBusy = false;
    await field.clock.advance(10_000);
    expect([letters(file).length, field.rig.cursor, field.rig.neededAfter]).toEqual([1, 6, 6]);
  });

  test('is kept as a dead letter with its place in the log; the cursor moves in the same transaction', async () => {
    const deliver = async (batch: readonly OutboundRecord[]): Promise<Rejection[]> =>
      batch.flatMap(({ data }, index) =>
        Number(data) === 2 ? [{ index, error: errorFacts(refused()) }] : [],
      );
    const { field, file } = await fieldOf({}, { deliver });
    const units: unknown[] = [];
    const commit = field.store.commit.bind(field.store);
    field.store.commit = (unit) => {
      units.push([unit.deadLetters.length, unit.sinkCursors.map(({ seq }) => seq)]);
      return commit(unit);
    };
    await field.append(3);
    await field.clock.advance(100);
    expect(letters(file)).toEqual(['2 HG_SINK_REFUSED new 1']);
    const [row] = query(file, 'SELECT stage, origin FROM dead_letters');
    expect(row?.['stage']).toBe('sink:out');
    expect(JSON.parse(row?.['origin'] as string)).toMatchObject({ recordSeq: 2, sourceSeq: 2 });
    expect(units).toContainEqual([1, [3]]);
    expect([field.rig.delivered, field.rig.deadLettered]).toEqual([2, 1]);
  });

  test('as a batch is split until the record at fault is found', async () => {
    const deliver = async (batch: readonly OutboundRecord[]) => {
      if (batch.some(({ data }) => data === 6)) throw refused();
    };
    const { field, file, batches } = await fieldOf({}, { deliver });
    await field.append(8);
    await field.clock.advance(100);
    expect(batches).toEqual([range(1, 8), [1, 2, 3, 4], [5, 6, 7, 8], [5, 6], [5], [6], [7, 8]]);
    expect(letters(file)).toEqual(['6 HG_SINK_REFUSED new 1']);
    expect([cursorOf(file), field.state]).toEqual([8, 'delivering']);
  });

  test('costs that record alone where a filter or a transform throws', async () => {
    const { field, file, batches } = await fieldOf({
      filter: ({ data }: OutboundRecord) => {
        if (data === 1) throw new Error('filter');
        return true;
      },
      transform: ({ data }: OutboundRecord) => {
        if (data === 3) throw new HeadgateError('HG_DECODE_FAILED', 'transform');
        return data;
      },
    });
    await field.append(4);
    await field.clock.advance(100);
    expect(batches).toEqual([[2, 4]]);
    expect(letters(file)).toEqual(['1 HG_STAGE_THREW new 1', '3 HG_DECODE_FAILED new 1']);
  });

  test('and gives back as something else than rejections, nothing of it is taken as delivered', async () => {
    const { field, file } = await fieldOf({}, { deliver: async () => ['ok', 'ok'] as never });
    await field.append(2);
    await field.clock.advance(50);
    expect([field.state, cursorOf(file), letters(file)]).toEqual(['backingOff', undefined, []]);
    expect(field.rig.lastError?.message).toContain('rejections');
  });
});

describe('failures', () => {
  test('bring the same batch again, over a new link, after a wait', async () => {
    let failures = 2;
    const deliver = async () => {
      if (failures-- > 0) throw lost();
    };
    const { field, batches } = await fieldOf({}, { deliver });
    await field.append(2);
    await field.clock.advance(99);
    expect([batches, field.opened, field.closed]).toEqual([[[1, 2]], 1, 1]);
    await field.clock.advance(1);
    expect([batches, field.opened]).toEqual([
      [
        [1, 2],
        [1, 2],
      ],
      2,
    ]);
    await field.clock.advance(200);
    // It failed twice at the same record: one by one from then on, until deliveries go well.
    expect([batches.slice(2), field.opened, field.state]).toEqual([[[1], [2]], 3, 'delivering']);
    expect([field.rig.delivered, field.rig.consecutiveErrors]).toEqual([2, 0]);
    expect(field.facts).toContainEqual({ type: 'delivery.recovered' });
  });

  test('are waited out as long as the far end asks for', async () => {
    const deliver = vi.fn<() => Promise<void>>(async () => {});
    deliver.mockRejectedValueOnce(lost({ retryAfterMs: 45_000 }));
    const { field } = await fieldOf({}, { deliver });
    await field.append(1);
    await field.clock.advance(44_999);
    expect(deliver).toHaveBeenCalledTimes(1);
    await field.clock.advance(1);
    expect(deliver).toHaveBeenCalledTimes(2);
  });

  test('are waited out so long also by a sink that is paused and resumed, or told to drain', async () => {
    const deliver = vi.fn<() => Promise<void>>(async () => {});
    deliver.mockRejectedValueOnce(lost({ retryAfterMs: 45_000 }));
    const { field } = await fieldOf({ drainDeadlineMs: 60_000 }, { deliver });
    await field.append(1);
    await field.clock.advance(1_000);
    field.actor.send({ type: 'sink.pause' });
    field.actor.send({ type: 'sink.resume' });
    await field.clock.advance(20_000);
    field.actor.send({ type: 'sink.drain' });
    await field.clock.advance(23_999);
    expect([deliver.mock.calls.length, field.state]).toEqual([1, 'draining']);
    await field.clock.advance(1);
    expect([deliver.mock.calls.length, field.state]).toEqual([2, 'stopped']);
  });

  test('of which trying again cannot help end the sink', async () => {
    const hopeless = new HeadgateError('HG_OPTION_INVALID', 'for the test');
    const { field } = await fieldOf({}, { deliver: async () => Promise.reject(hopeless) });
    await field.append(1);
    await field.clock.advance(10);
    expect([field.state, field.actor.getSnapshot().status, field.closed]).toEqual(['failed', 'done', 1]);
  });

  test('of the link between deliveries end the run', async () => {
    let tell: (error: unknown) => void = () => {};
    const { field } = await fieldOf({}, { open: async (io) => void (tell = (error) => io.failed(error)) });
    expect(field.state).toBe('delivering');
    tell(lost());
    await field.clock.advance(0);
    expect([field.state, field.closed]).toEqual(['backingOff', 1]);
    tell(lost());
    await field.clock.advance(100);
    expect([field.state, field.rig.consecutiveErrors]).toEqual(['delivering', 1]);
  });

  test('are found out when nothing is heard of a delivery in time; the link then closes when it settles', async () => {
    let settle: () => void = () => {};
    let signal: AbortSignal | undefined;
    const { field, farEnd } = await fieldOf(
      { deliverTimeoutMs: 500, backoff: { initialMs: 1_000, jitter: 'none' } },
      {
        open: async (io) => void (signal = io.signal),
        deliver: () => new Promise((resolve) => (settle = () => resolve())),
      },
    );
    await field.append(1);
    await field.clock.advance(499);
    expect(field.state).toBe('delivering');
    await field.clock.advance(1);
    expect([field.state, signal?.aborted, field.closed]).toEqual(['backingOff', true, 0]);
    expect(field.rig.lastError?.code).toBe('HG_SINK_TIMEOUT');
    settle();
    delete farEnd.deliver;
    await field.clock.advance(1_000);
    expect([field.closed, field.opened, field.rig.cursor]).toEqual([1, 2, 1]);
  });

  test('a link that does not open in time is given up, and closed if it comes late', async () => {
    let settle: () => void = () => {};
    const opening = () => new Promise<void>((resolve) => (settle = resolve));
    const { field, farEnd } = await fieldOf({ connectTimeoutMs: 300 }, { open: opening });
    await field.clock.advance(300);
    expect([field.state, field.rig.lastError?.code]).toEqual(['backingOff', 'HG_SINK_TIMEOUT']);
    delete farEnd.open;
    settle();
    await field.clock.advance(100);
    expect([field.state, field.opened, field.closed]).toEqual(['delivering', 2, 1]);
  });

  test('a delivery that never settles keeps the next link from opening, and opens the circuit', async () => {
    const never = () => new Promise<void>(() => {});
    const { field } = await fieldOf(
      { deliverTimeoutMs: 100, connectTimeoutMs: 100, breaker: { failures: 3, coolDownMs: 60_000 } },
      { deliver: never },
    );
    await field.append(1);
    await field.clock.advance(1_000);
    expect([field.state, field.opened, field.rig.lastError?.code]).toEqual([
      'circuitOpen',
      1,
      'HG_SINK_TIMEOUT',
    ]);
  });

  test('of the store’s are waited out, too', async () => {
    const { field, batches } = await fieldOf();
    const broken = new HeadgateError('HG_STORAGE_CORRUPT', 'for the test');
    vi.spyOn(field.store, 'readRecords').mockRejectedValueOnce(broken);
    await field.append(2);
    await field.clock.advance(50);
    expect([field.state, field.rig.lastError?.code]).toEqual(['backingOff', 'HG_STORAGE_CORRUPT']);
    await field.clock.advance(100);
    expect(batches).toEqual([[1, 2]]);
  });
});

describe('pauses and ends', () => {
  /** A far end that takes a second for each batch. */
  const slow = (field: { current: SinkField | null }) => ({
    deliver: () => (field.current as SinkField).clock.sleep(1_000),
  });

  test('let the delivery under way finish and count it', async () => {
    const holder: { current: SinkField | null } = { current: null };
    const { field, batches, file } = await fieldOf({ batch: { rowsMax: 2 } }, slow(holder));
    holder.current = field;
    await field.append(6);
    await field.clock.advance(500);
    field.actor.send({ type: 'sink.pause' });
    await field.clock.advance(2_000);
    expect([batches, cursorOf(file), field.state, field.closed]).toEqual([[[1, 2]], 2, 'paused', 1]);
    field.actor.send({ type: 'sink.resume' });
    await field.clock.advance(1_500);
    field.actor.send({ type: 'sink.stop' });
    await field.clock.advance(1_000);
    expect([batches, cursorOf(file), field.state]).toEqual([
      [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
      6,
      'stopped',
    ]);
  });

  test('a drain delivers what is stored, not what comes after', async () => {
    const holder: { current: SinkField | null } = { current: null };
    const { field, file } = await fieldOf({ batch: { rowsMax: 2 } }, slow(holder));
    holder.current = field;
    await field.append(4);
    field.actor.send({ type: 'sink.drain' });
    await field.append(10);
    await field.clock.advance(4_000);
    expect([field.state, field.actor.getSnapshot().output]).toEqual(['stopped', { forced: false }]);
    expect(cursorOf(file)).toBe(4);
  });

  test('a drain of a dead far end tries until its deadline, then gives up; nothing is lost', async () => {
    const { field, file, batches } = await fieldOf({}, { deliver: async () => Promise.reject(lost()) });
    await field.append(4);
    await field.clock.advance(50);
    field.actor.send({ type: 'sink.drain', deadlineMs: 3_000 });
    await field.clock.advance(2_999);
    expect(field.state).toBe('draining');
    expect(batches.length).toBeGreaterThan(3);
    await field.clock.advance(1);
    expect([field.state, field.actor.getSnapshot().output]).toEqual(['stopped', { forced: true }]);
    expect([cursorOf(file), field.rig.cursor]).toEqual([undefined, 0]);
  });

  test('a stop whose deadline comes gives up what is under way', async () => {
    let signal: AbortSignal | undefined;
    const { field } = await fieldOf(
      {},
      { open: async (io) => void (signal = io.signal), deliver: () => new Promise(() => {}) },
    );
    await field.append(1);
    await field.clock.advance(10);
    field.actor.send({ type: 'sink.stop', deadlineMs: 200 });
    await field.clock.advance(199);
    expect([field.state, signal?.aborted]).toEqual(['draining', false]);
    await field.clock.advance(1);
    expect([field.state, signal?.aborted]).toEqual(['stopped', true]);
  });
});

describe('dead letters that were queued', () => {
  const payloads = (batch: readonly OutboundRecord[]) =>
    batch.map(({ key, data }) => [key.split(':').at(-1), data]);

  async function withLetters() {
    let isRefusing = true;
    const got: unknown[] = [];
    const made = await fieldOf(
      {},
      {
        deliver: async (batch) => {
          if (isRefusing) return batch.map((_, index) => ({ index, error: errorFacts(refused()) }));
          got.push(...payloads(batch));
          return undefined;
        },
      },
    );
    await made.field.append(2, (n) => `text ${n}`);
    // Until their refusal is believed: no other record comes that the far end could take.
    await made.field.clock.advance(LIMITS.sinkQuietMs + 100);
    const queue = async () => {
      await made.field.store.markLetters({ status: 'new', rowsMax: 10 }, 'queued');
      made.field.feed.lettersQueued();
      await made.field.clock.advance(100);
    };
    return { ...made, got, queue, accept: () => void (isRefusing = false) };
  }

  test('go out again under their own keys, as they were, once', async () => {
    const { file, got, queue, accept } = await withLetters();
    accept();
    await queue();
    expect(got).toEqual([
      ['1', 'text 1'],
      ['2', 'text 2'],
    ]);
    expect(letters(file).map((letter) => letter.split(' ').at(-2))).toEqual(['delivered', 'delivered']);
    await queue();
    expect(got).toHaveLength(2);
  });

  test('that fail again are new again, and parked when they have failed as often as they may', async () => {
    const { file, queue } = await withLetters();
    for (const [attempts, status] of [
      [2, 'new'],
      [3, 'new'],
      [4, 'new'],
      [5, 'parked'],
    ] as const) {
      await queue();
      expect(letters(file)).toEqual([1, 2].map((n) => `"text ${n}" HG_SINK_REFUSED ${status} ${attempts}`));
    }
  });

  test('do not hold up the log when the far end is there', async () => {
    const { field, queue, got, accept } = await withLetters();
    accept();
    await queue();
    await field.append(1);
    await field.clock.advance(50);
    expect(got.at(-1)).toEqual(['3', 3]);
    expect(field.rig.cursor).toBe(3);
  });
});

test('damaged rows are passed over and counted; the others are delivered', async () => {
  const { field, file, batches } = await fieldOf({}, { open: async () => Promise.reject(lost()) });
  await field.append(5);
  const db = new Database(file);
  db.prepare('UPDATE records SET data = ? WHERE seq IN (2, 5)').run('99');
  db.close();
  await field.crash();
  const again = await SinkField.open({
    file,
    farEnd: { deliver: async (batch) => void batches.push(numbersOf(batch)) },
  });
  await again.clock.advance(100);
  expect([batches, again.damaged, again.rig.damaged]).toEqual([[[1, 3, 4]], [2, 5], 2]);
  expect(cursorOf(file)).toBe(5);
});

test('a sink whose cursor is behind what is still kept goes on with the first row there is', async () => {
  const { field, file, batches } = await fieldOf({}, { open: async () => Promise.reject(lost()) });
  await field.append(5);
  await field.crash();
  const db = new Database(file);
  db.prepare('DELETE FROM records WHERE seq < 4').run();
  db.close();
  const again = await SinkField.open({
    file,
    farEnd: { deliver: async (batch) => void batches.push(numbersOf(batch)) },
  });
  await again.clock.advance(100);
  expect([batches, again.rig.cursor]).toEqual([[[4, 5]], 5]);
});
