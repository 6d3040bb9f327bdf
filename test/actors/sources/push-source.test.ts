import { afterEach, describe, expect, test } from 'vitest';
import { pushSource, type PushSource, type PushSourceOptions } from '../../../actors/sources/push-source.ts';
import { SILENT_LOGGER } from '../../../src/domain/logger.ts';
import type { DeadLetter } from '../../../src/domain/timeline.ts';
import type { Stage } from '../../../src/pipeline/stage.ts';
import { filter, transform } from '../../../src/pipeline/stages.ts';
import { createEngine, type Engine } from '../../../src/engine/engine.ts';
import { virtualClock, type VirtualClock } from '../../../src/testing/virtual-clock.ts';

type Options = Omit<PushSourceOptions, 'id'>;

interface Desk {
  readonly clock: VirtualClock;
  readonly engine: Engine;
  readonly source: PushSource;
  /** Data of what came out. */
  readonly values: unknown[];
  readonly letters: DeadLetter[];
  /** Lets what was held back go. */
  readonly release: () => void;
}

/** What an engine takes out of a full outlet before it stands still: a consumer's slot, and its hand. */
const TAKEN_BY_ENGINE = 2;
const SMALL = { outlet: { capacityRecords: 4 } };
/** Records that fit before a push waits. */
const FITTING = TAKEN_BY_ENGINE + SMALL.outlet.capacityRecords;

const started: { clock: VirtualClock; engine: Engine }[] = [];
afterEach(async () => {
  for (const { clock, engine } of started.splice(0)) await clock.runUntil(engine.stop({ deadlineMs: 10 }));
});

/** An engine with a push source that streams. `stalled`: nothing is taken from its end. */
async function open(
  options: Options = {},
  { stalled = false, stages = [] }: { stalled?: boolean; stages?: Stage[] } = {},
): Promise<Desk> {
  const clock = virtualClock();
  const engine = createEngine({ clock, seed: 1, logger: SILENT_LOGGER, stages });
  started.push({ clock, engine });
  const values: unknown[] = [];
  const letters: DeadLetter[] = [];
  engine.records$.subscribe(({ data }) => values.push(data));
  engine.deadLetters$.subscribe((letter) => letters.push(letter));
  const consumer = stalled ? engine.consume({ capacityRecords: 1 }) : null;
  const source = pushSource({ id: 'p', ...options });
  await engine.start();
  await engine.register(source);
  return { clock, engine, source, values, letters, release: () => void consumer?.return() };
}

/** What became of `work` by now: `pending`, `done`, or the code of its error. */
async function outcome(work: Promise<unknown>): Promise<string> {
  const settled = work.then(
    () => 'done',
    (error: unknown) => String((error as { code?: unknown }).code),
  );
  return Promise.race([settled, new Promise<string>((resolve) => setImmediate(() => resolve('pending')))]);
}

function fail(): never {
  throw new Error('no');
}

const numbers = (count: number, from = 1): number[] =>
  Array.from({ length: count }, (_, index) => index + from);

async function fill({ clock, source }: Desk): Promise<void> {
  for (const value of numbers(FITTING)) {
    void source.push(value);
    await clock.advance(1);
  }
}

describe('push', () => {
  test('resolves when the record is stored, not before', async () => {
    const { clock, engine, source, values } = await open();
    const push = source.push({ t: 20 });
    expect(await outcome(push)).toBe('pending');
    expect([engine.health('p').recordsProduced, values]).toEqual([1, []]);
    expect(await clock.runUntil(push)).toEqual({ stored: 1, filtered: 0, dropped: 0, deadLettered: 0 });
    expect(values).toEqual([{ t: 20 }]);
  });

  test('says what became of each record', async () => {
    const { clock, source } = await open(
      { dedupKey: (data) => (data === 5 ? fail() : undefined) },
      {
        stages: [
          filter(({ data }) => data !== 2),
          transform(({ data }) => (data === 3 ? fail() : data === 4 ? Number.NaN : data)),
        ],
      },
    );
    const push = source.pushAll(numbers(6));
    await clock.advance(10);
    expect(await push).toEqual({ stored: 2, filtered: 1, dropped: 0, deadLettered: 3 });
  });

  test('says what a limit refused', async () => {
    const { clock, source } = await open({ rateLimit: { recordsPerSecondMax: 2, policy: 'drop' } });
    const push = source.pushAll(numbers(5));
    await clock.advance(5_000);
    expect(await push).toMatchObject({ stored: 2, dropped: 3 });
  });

  test('fails where what it handed in is given up before it is stored', async () => {
    const desk = await open(SMALL, { stalled: true });
    const error = { code: 'HG_RECORD_LOST', remedy: 'retry' };
    const pushed = desk.source.pushAll(numbers(20));
    pushed.catch(() => {});
    await desk.clock.advance(10);
    await desk.engine.deregister('p', { mode: 'now' });
    desk.release();
    await desk.clock.advance(10);
    await expect(pushed).rejects.toMatchObject(error);
  });

  test('hands in what it is given, with its time, key, content type and cursor', async () => {
    const { clock, engine, source } = await open();
    const records: unknown[] = [];
    engine.records$.subscribe((record) => records.push(record));
    const meta = { atMs: 1_000, key: 'k1', contentType: 'a/b', cursor: '7' };
    await clock.runUntil(source.push('x', meta));
    expect(records).toMatchObject([{ data: 'x', seq: 1, sourceId: 'p', ...meta }]);
  });

  test('waits while the outlet is full, and goes on in order when there is room', async () => {
    const desk = await open(SMALL, { stalled: true });
    await fill(desk);
    expect(desk.engine.health('p')).toMatchObject({ queueDepth: 4, recordsProduced: FITTING });
    const waiting = [desk.source.push('a'), desk.source.push('b')];
    expect(await outcome(Promise.race(waiting))).toBe('pending');
    await desk.clock.advance(60_000);
    expect(await outcome(Promise.race(waiting))).toBe('pending');
    expect(desk.engine.health('p').recordsProduced).toBe(FITTING);
    desk.release();
    await desk.clock.advance(100);
    await Promise.all(waiting);
    expect(desk.values).toEqual([...numbers(FITTING), 'a', 'b']);
    expect(desk.engine.health('p').droppedCount).toBe(0);
  });

  test('does not wait where the outlet drops', async () => {
    const desk = await open({ outlet: { capacityRecords: 4, overflow: 'drop-newest' } }, { stalled: true });
    const pushes = numbers(50).map((value) => desk.source.push(value));
    await desk.clock.advance(10);
    expect(desk.engine.health('p').droppedCount).toBeGreaterThan(0);
    desk.release();
    await desk.clock.advance(10);
    const ends = await Promise.all(pushes);
    const dropped = ends.reduce((sum, end) => sum + end.dropped, 0);
    expect([dropped, dropped + desk.values.length]).toEqual([desk.engine.health('p').droppedCount, 50]);
  });

  test('keeps the order of a thousand pushes nobody awaits', async () => {
    const { clock, source, values } = await open({ outlet: { capacityRecords: 10 } });
    const pushes = numbers(1_000).map((value) => source.push(value));
    await clock.advance(1_000);
    await Promise.all(pushes);
    expect(values).toEqual(numbers(1_000));
  });

  test('keeps the order of pushes, lists and payloads nobody awaits', async () => {
    const { clock, source, values } = await open({ decode: 'ndjson', outlet: { capacityRecords: 2 } });
    const pushes = [
      source.push(1),
      source.pushAll([2, 3, 4, 5, 6]),
      source.pushPayload('7\n8\n9\n'),
      source.push(10),
      source.pushAll([]),
      source.push(11),
    ];
    await clock.advance(1_000);
    await Promise.all(pushes);
    expect(values).toEqual(numbers(11));
  });

  test('is refused beyond pendingMax waiting ones, which are not harmed by it', async () => {
    const desk = await open({ ...SMALL, pendingMax: 2 }, { stalled: true });
    await fill(desk);
    const waiting = [desk.source.push('a'), desk.source.push('b')];
    await expect(desk.source.push('c')).rejects.toMatchObject({
      code: 'HG_PUSH_OVERLOADED',
      remedy: 'retry',
      details: { pendingMax: 2 },
    });
    desk.release();
    await desk.clock.advance(100);
    await Promise.all(waiting);
    await desk.clock.runUntil(desk.source.push('d'));
    expect(desk.values).toEqual([...numbers(FITTING), 'a', 'b', 'd']);
  });
});

describe('a source that does not run', () => {
  const stopped = { code: 'HG_SOURCE_STOPPED', remedy: 'retry' };

  test('refuses what is pushed before it is registered, and takes it once it is', async () => {
    const { clock, engine, values } = await open();
    const source = pushSource({ id: 'late' });
    await expect(source.push(1)).rejects.toMatchObject(stopped);
    await engine.register(source);
    await clock.runUntil(source.push(2));
    expect(values).toEqual([2]);
  });

  test.each(['pause', 'deregister'] as const)('refuses every kind of push after %s', async (how) => {
    const { clock, engine, source, values } = await open();
    await clock.runUntil(source.push(1));
    await clock.runUntil(engine[how]('p'));
    await clock.advance(10);
    await expect(source.push(2)).rejects.toMatchObject(stopped);
    await expect(source.pushAll([3])).rejects.toMatchObject(stopped);
    await expect(source.pushPayload('4')).rejects.toMatchObject(stopped);
    await clock.advance(10);
    expect(values).toEqual([1]);
  });

  test('refuses what waits for room when it stops, and none of that was taken', async () => {
    const desk = await open(SMALL, { stalled: true });
    await fill(desk);
    const waiting = [desk.source.push('a'), desk.source.pushAll(['b', 'c']), desk.source.pushPayload('"d"')];
    const outcomes = Promise.all(waiting.map(outcome));
    await desk.engine.pause('p');
    expect(await outcomes).toEqual(Array.from({ length: 3 }, () => 'HG_SOURCE_STOPPED'));
    desk.release();
    await desk.clock.advance(100);
    expect(desk.values).toEqual(numbers(FITTING));
    expect(desk.engine.health('p')).toMatchObject({
      recordsProduced: FITTING,
      lateRecords: 0,
      droppedCount: 0,
    });
  });

  test('takes pushes again when it is resumed, behind what its outlet still holds', async () => {
    const desk = await open(SMALL, { stalled: true });
    await fill(desk);
    await desk.engine.pause('p');
    await desk.engine.resume('p');
    const pushes = [desk.source.pushAll(['a', 'b']), desk.source.push('c')];
    expect(await outcome(Promise.race(pushes))).toBe('pending');
    desk.release();
    await desk.clock.advance(100);
    await Promise.all(pushes);
    expect(desk.values).toEqual([...numbers(FITTING), 'a', 'b', 'c']);
    expect(desk.engine.health('p').droppedCount).toBe(0);
  });
});

describe('pushAll', () => {
  test('hands in more records than the outlet holds, and resolves when the last one is stored', async () => {
    const desk = await open(SMALL, { stalled: true });
    const push = desk.source.pushAll(numbers(10));
    await desk.clock.advance(1_000);
    expect(await outcome(push)).toBe('pending');
    desk.release();
    await desk.clock.advance(100);
    expect(await outcome(push)).toBe('done');
    expect(desk.values).toEqual(numbers(10));
  });

  test('takes all of a list or none: what it began to hand in drains with its source', async () => {
    const desk = await open(SMALL, { stalled: true });
    const push = desk.source.pushAll(numbers(10));
    await desk.clock.advance(10);
    const ended = desk.engine.deregister('p');
    desk.release();
    await desk.clock.runUntil(ended);
    await desk.clock.runUntil(push);
    expect(desk.values).toEqual(numbers(10));
  });

  test('takes a list as it is at the call', async () => {
    const desk = await open(SMALL, { stalled: true });
    await fill(desk);
    const list = ['a', 'b'];
    const push = desk.source.pushAll(list);
    list.push('c');
    desk.release();
    await desk.clock.advance(100);
    await push;
    expect(desk.values.slice(FITTING)).toEqual(['a', 'b']);
  });

  test('of nothing does nothing', async () => {
    const { clock, source, values } = await open();
    await source.pushAll([]);
    await clock.advance(10);
    expect(values).toEqual([]);
  });

  test.each([['abc'], [null], [{ length: 2 }]])('refuses %j, which is no list', async (data) => {
    const { source } = await open();
    await expect(source.pushAll(data as unknown as unknown[])).rejects.toMatchObject({
      code: 'HG_OPTION_INVALID',
      details: { field: 'data' },
    });
  });
});

describe('pushPayload', () => {
  test.each([
    ['json', '{"t":20}', [{ t: 20 }]],
    ['ndjson', '1\n2\n', [1, 2]],
    ['csv', 'a,b\n1,2\n', [{ a: '1', b: '2' }]],
    ['text', 'hello', ['hello']],
    ['ndjson', '', []],
  ] as const)('decodes %s', async (decode, payload, wanted) => {
    const { clock, engine, source, values } = await open({ decode });
    await clock.runUntil(source.pushPayload(payload));
    await clock.runUntil(source.pushPayload(new TextEncoder().encode(payload)));
    expect(values).toEqual([...wanted, ...wanted]);
    expect(engine.health('p').lastReadTimestamp).not.toBeNull();
  });

  test('makes a dead letter of what cannot be decoded, and goes on', async () => {
    const { clock, source, values, letters } = await open();
    expect(await clock.runUntil(source.pushPayload('{"t":'))).toMatchObject({ stored: 0, deadLettered: 1 });
    expect(await clock.runUntil(source.pushPayload('1'))).toMatchObject({ stored: 1, deadLettered: 0 });
    expect(values).toEqual([1]);
    expect(letters).toMatchObject([{ stage: 'decode', code: 'HG_DECODE_FAILED', payload: '{"t":' }]);
  });

  test('loses only the bad one of many lines', async () => {
    const { clock, source, values, letters } = await open({ decode: 'ndjson' });
    const lines = numbers(1_000).map((n) => (n === 500 ? 'x' : String(n)));
    expect(await clock.runUntil(source.pushPayload(lines.join('\n')))).toMatchObject({
      stored: 999,
      deadLettered: 1,
    });
    expect(values).toEqual(numbers(1_000).filter((n) => n !== 500));
    expect(letters).toMatchObject([{ payload: 'x', message: expect.stringContaining('line 500') }]);
  });

  test('takes a decode function, and outlives its throw', async () => {
    const decode = (payload: Uint8Array, contentType: string | undefined) => {
      if (payload.length === 0) throw new Error('empty');
      return [...payload, contentType];
    };
    const { clock, source, values, letters } = await open({ decode });
    await clock.runUntil(source.pushPayload(new Uint8Array()));
    await clock.runUntil(source.pushPayload(new Uint8Array([7, 8]), { contentType: 'a/b' }));
    expect(values).toEqual([7, 8, 'a/b']);
    expect(letters).toMatchObject([{ stage: 'decode', message: 'empty' }]);
  });

  test('takes bytes as they are at the call', async () => {
    const desk = await open(SMALL, { stalled: true });
    await fill(desk);
    const bytes = Buffer.from('11');
    const push = desk.source.pushPayload(bytes);
    bytes.write('99');
    desk.release();
    await desk.clock.advance(100);
    await push;
    expect(desk.values.at(-1)).toBe(11);
  });

  test.each([[7], [null], [[1, 2]]])('refuses %j, which is neither text nor bytes', async (payload) => {
    const { source } = await open();
    await expect(source.pushPayload(payload as unknown as string)).rejects.toMatchObject({
      code: 'HG_OPTION_INVALID',
      details: { field: 'payload' },
    });
  });
});

test.each([
  [{ id: 'p', pendingMax: 0 }, 'HG_OPTION_INVALID', 'pendingMax'],
  [{ id: 'p', pendingMx: 5 }, 'HG_OPTION_UNKNOWN', 'pendingMx'],
  [{ id: 'p', decode: 'xml' }, 'HG_OPTION_INVALID', 'decode'],
  [{ id: '' }, 'HG_OPTION_INVALID', 'id'],
])('options %j are refused as %s', (options, code, field) => {
  expect(() => pushSource(options as PushSourceOptions)).toThrow(
    expect.objectContaining({ code, details: expect.objectContaining({ field }) }),
  );
});
