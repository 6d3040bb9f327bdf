/** Rows that the database refuses, under the virtual clock: each costs itself alone, whatever it is of, and
 *  a stage can neither make a record unstorable nor change whose it is without a dead letter. */

import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import {
  boundedQueue,
  filter,
  pushSource,
  simulatedSource,
  transform,
  transformAsync,
  type Stage,
} from '../../src/index.ts';
import type { IngestRecord } from '../../src/domain/record.ts';
import { codeOf, handedIn, startedRig, type EngineRig } from '../support/engine-rig.ts';

const numbers = () => simulatedSource({ id: 'n', intervalMs: 10, value: (n) => n });

const storedOf = (rig: EngineRig, id: string) =>
  rig.query('SELECT data FROM records WHERE source_id = ? ORDER BY seq', id).map(({ data }) => Number(data));
const lettersOf = (rig: EngineRig) =>
  rig.query('SELECT tenant, source_id AS id, stage, code, message, payload FROM dead_letters ORDER BY id');
const upTo = (count: number) => Array.from({ length: count }, (_, n) => n + 1);

/** Has the tables themselves refuse rows, as a constraint does that nobody thought of. */
function refuse(rig: EngineRig, table: string, condition: string): void {
  const db = new Database(rig.file);
  db.exec(`CREATE TRIGGER refuse_${table} BEFORE INSERT ON ${table} WHEN ${condition}
    BEGIN SELECT RAISE(ABORT, 'not this one'); END`);
  db.close();
}

describe('a record that the table refuses', () => {
  test('is a dead letter, is told, and its neighbours in the transaction are stored and shown', async () => {
    const source = pushSource({ id: 'a' });
    const rig = await startedRig({}, source, numbers());
    refuse(rig, 'records', `NEW.data LIKE '%bad%'`);
    const outcomes: Promise<unknown>[] = [];
    for (let n = 1; n <= 20; n++) {
      outcomes.push(source.pushAll([n, `bad ${n}`]));
      await rig.clock.advance(10);
    }
    expect(await rig.clock.runUntil(Promise.all(outcomes))).toEqual(
      upTo(20).map(() => expect.objectContaining({ stored: 1, deadLettered: 1 }) as unknown),
    );
    const report = await rig.stop();
    expect([storedOf(rig, 'a'), storedOf(rig, 'n').length]).toEqual([upTo(20), 20]);
    expect(rig.delivered.filter(({ sourceId }) => sourceId === 'a').map(({ data }) => data)).toEqual(
      upTo(20),
    );
    expect(report).toMatchObject({ lost: 0 });
    const letters = lettersOf(rig);
    expect(letters.map(({ payload }) => payload)).toEqual(upTo(20).map((n) => `bad ${n}`));
    expect(letters[0]).toMatchObject({
      ...{ id: 'a', stage: 'record', code: 'HG_RECORD_UNSTORABLE' },
      message: expect.stringContaining('not this one') as string,
    });
    expect(rig.timeline("kind = 'dead_letter'").length).toBeGreaterThan(0);
    expect(rig.complaints('error')).toEqual([]);
  });

  test('on its way to disk is a dead letter as well', async () => {
    const source = pushSource({ id: 'a', outlet: { capacityRecords: 2, overflow: 'spill' } });
    const rig = await startedRig({ rateLimit: { recordsPerSecondMax: 1, policy: 'delay' } }, source);
    refuse(rig, 'spill', `NEW.data LIKE '%bad%'`);
    const pushed = [1, 2, 3, 4, 'bad', 6].map((value) => source.push(value));
    await rig.clock.advance(10_000);
    const outcomes = await rig.clock.runUntil(Promise.all(pushed));
    expect(outcomes.map(({ stored, deadLettered }) => [stored, deadLettered])).toEqual([
      ...[
        [1, 0],
        [1, 0],
        [1, 0],
        [1, 0],
        [0, 1],
        [1, 0],
      ],
    ]);
    await rig.stop();
    expect(storedOf(rig, 'a')).toEqual([1, 2, 3, 4, 6]);
    expect(lettersOf(rig)).toMatchObject([{ code: 'HG_RECORD_UNSTORABLE', payload: 'bad' }]);
  });

  test('that was a dead letter before stays one, and failed once more', async () => {
    const source = pushSource({ id: 'a' });
    const rig = await startedRig({}, source);
    refuse(rig, 'records', `NEW.data LIKE '%bad%'`);
    await rig.clock.runUntil(source.push('bad'));
    await rig.clock.runUntil(rig.engine.deadLetters.retry([1]));
    await rig.clock.advance(100);
    await rig.stop();
    expect(rig.query('SELECT id, attempts, status FROM dead_letters')).toEqual([
      { id: 1, attempts: 2, status: 'new' },
    ]);
  });
});

test('a row of another table that is refused takes no record with it', async () => {
  const source = pushSource({ id: 'a' });
  const rig = await startedRig({ health: { intervalMs: 50 } }, source, numbers());
  for (const table of ['health', 'sources', 'source_deadlines']) refuse(rig, table, '1');
  refuse(rig, 'timeline', `NEW.data LIKE '%unwelcome%'`);
  refuse(rig, 'dead_letters', `NEW.payload LIKE '%unwelcome%'`);
  rig.engine.send({ type: 'registry.pause', id: 'unwelcome' });
  const pushed = source.push({ unwelcome: new Map() });
  await rig.clock.advance(200);
  expect(await rig.clock.runUntil(pushed)).toMatchObject({ deadLettered: 1 });
  await rig.stop();
  expect(storedOf(rig, 'n')).toEqual(upTo(20));
  expect(rig.timeline("data LIKE '%not this one%'").length).toBeGreaterThan(0);
  expect(rig.query('SELECT count(*) AS n FROM health')).toEqual([{ n: 0 }]);
  expect(rig.complaints('error')).toContain('rows could not be written and are lost');
});

describe('a field beside the data that no column takes', () => {
  const fields: [title: string, meta: object][] = [
    ['a time beyond all calendars', { atMs: 1e20 }],
    ['a time beyond 64 bits', { atMs: 2 ** 63 }],
    ['a time before all calendars', { atMs: -1e16 }],
    ['a key with half a surrogate pair', { key: '\ud800' }],
    ['a key that is too long', { key: 'k'.repeat(4_097) }],
    ['a content type with half a surrogate pair', { contentType: 'text/\udfff' }],
    ['a content type that is too long', { contentType: 't'.repeat(4_097) }],
  ];
  for (const isSpilled of [false, true]) {
    for (const [title, meta] of fields) {
      test(`costs its own record: ${title}, by ${isSpilled ? 'disk' : 'memory'}`, async () => {
        const slow = { recordsPerSecondMax: 1, policy: 'delay' } as const;
        const outlet = { capacityRecords: 1, overflow: 'spill' } as const;
        const source = pushSource({ id: 'a', ...(isSpilled ? { outlet, rateLimit: slow } : {}) });
        const rig = await startedRig({}, source, numbers());
        const pushed = [source.push(1), source.push(2), source.push(3, meta), source.push(4)];
        await rig.clock.advance(5_000);
        const outcomes = await rig.clock.runUntil(Promise.all(pushed));
        expect(outcomes.map(({ deadLettered }) => deadLettered)).toEqual([0, 0, 1, 0]);
        await rig.stop();
        expect([storedOf(rig, 'a'), storedOf(rig, 'n').length]).toEqual([[1, 2, 4], 500]);
        expect(lettersOf(rig)).toMatchObject([{ id: 'a', code: 'HG_RECORD_UNSTORABLE' }]);
        expect(rig.complaints('error')).toEqual([]);
      });
    }
  }

  test('is none that merely looks odd: NUL, and any other character, tells keys apart', async () => {
    const source = pushSource({ id: 'a' });
    const rig = await startedRig({}, source);
    const keys = ['a\0b', 'a\0c', 'a', '\u{1F6B0}', '\uFFFD', ''];
    for (const key of [...keys, ...keys]) await handedIn(source.push(1, { key, contentType: 'x\0y' }));
    await rig.clock.advance(50);
    await rig.stop();
    expect(rig.query('SELECT dedup_key FROM records').map(({ dedup_key: key }) => key)).toEqual(keys);
  });
});

describe('a stage that changes more of a record than its data', () => {
  const changes: [field: string, value: unknown][] = [
    ['tenant', 't2'],
    ['sourceId', 'evil'],
    ['sourceId', undefined],
    ['incarnation', 7],
    ['seq', 1.5],
    ['atMs', 'x'],
    ['atMs', 5],
    ['receivedMonoMs', 5],
    ['key', {}],
    ['key', 'another'],
    ['contentType', {}],
    ['cursor', {}],
    ['cursor', 'elsewhere'],
  ];
  const change = (record: IngestRecord, field: string, value: unknown) => {
    if (record.data === 'mine') (record as unknown as Record<string, unknown>)[field] = value;
  };
  const stages: [kind: string, stage: (field: string, value: unknown) => Stage][] = [
    ['filter', (field, value) => filter((record) => (change(record, field, value), true))],
    [
      'filter that leaves it out',
      (field, value) => filter((record) => change(record, field, value) as never),
    ],
    ['transform', (field, value) => transform((record) => (change(record, field, value), record.data))],
    [
      'transform that throws',
      (field, value) =>
        transform((record) => {
          change(record, field, value);
          if (record.data === 'mine') throw new Error('besides');
          return record.data;
        }),
    ],
    [
      'async transform',
      (field, value) => transformAsync(async (record) => (change(record, field, value), record.data)),
    ],
  ];
  for (const [kind, stage] of stages) {
    test(`makes a dead letter of it, under its own name, with its data: a ${kind}`, async () => {
      for (const [field, value] of changes) {
        const source = pushSource({ id: 'a' });
        const other = kind.includes('leaves') ? [] : [numbers()];
        const rig = await startedRig({ stages: [stage(field, value)] }, source, ...other);
        const pushed = source.push('mine', { key: 'k', atMs: 1_000 });
        await rig.clock.advance(55);
        expect(await rig.clock.runUntil(pushed)).toMatchObject({ deadLettered: 1 });
        await rig.stop();
        expect(lettersOf(rig)).toMatchObject([
          {
            ...{ tenant: 'default', id: 'a', code: 'HG_RECORD_CHANGED', payload: 'mine' },
            message: expect.stringContaining(field) as string,
          },
        ]);
        expect(
          rig
            .query('SELECT origin FROM dead_letters')
            .map(({ origin }) => JSON.parse(String(origin)) as object),
        ).toEqual([expect.objectContaining({ sourceSeq: 1, atMs: 1_000, dedupKey: 'k' })]);
        expect(storedOf(rig, 'n')).toHaveLength(other.length * 5);
        expect(rig.query("SELECT * FROM records WHERE source_id <> 'n'")).toEqual([]);
      }
    });
  }

  test('counts the record once, and its source is told even where the receipt is gone', async () => {
    const stage = filter(
      (record) => delete (record as unknown as Record<symbol, unknown>)[Symbol.for('headgate.receipt')],
    );
    const source = pushSource({ id: 'a' });
    const rig = await startedRig({ stages: [stage] }, source);
    expect(await rig.clock.runUntil(source.push(1))).toMatchObject({ deadLettered: 1 });
    expect(rig.engine.report().stages).toMatchObject([{ in: 1, out: 1, failed: 1 }]);
  });

  test('may return a record: its data is taken, whoever it claims to be', async () => {
    const kept: IngestRecord[] = [];
    const foreign = transform((record) => (kept.push(record), kept[0]));
    const rig = await startedRig({ stages: [foreign] }, numbers(), pushSource({ id: 'a' }));
    await rig.clock.advance(35);
    await rig.stop();
    expect(rig.query('SELECT source_id AS id, source_seq AS seq, data FROM records')).toEqual([
      { id: 'n', seq: 1, data: '1' },
      { id: 'n', seq: 2, data: '1' },
      { id: 'n', seq: 3, data: '1' },
    ]);
  });
});

/** Waits like a promise, and is none. */
const THENABLE: object = Object.fromEntries(['then'].map((name) => [name, () => {}]));

describe('a stage whose function is asynchronous', () => {
  test('is refused where it is made', () => {
    for (const make of [
      () => filter((async () => false) as never),
      () => transform(async () => 1),
      () => transform(function* () {}),
      () => transform(async function* () {}),
    ]) {
      expect(make).toThrow(
        expect.objectContaining({
          code: 'HG_OPTION_INVALID',
          message: expect.stringContaining('transformAsync') as string,
        }) as Error,
      );
    }
  });

  const promises: [title: string, stage: Stage, code: string][] = [
    ['a filter', filter((() => Promise.resolve(false)) as never), 'HG_STAGE_THREW'],
    ['a filter, of another kind', filter((() => THENABLE) as never), 'HG_STAGE_THREW'],
    ['a transform', transform(() => Promise.resolve(1)), 'HG_RECORD_UNSTORABLE'],
    ['a transform, of another kind', transform(() => THENABLE), 'HG_RECORD_UNSTORABLE'],
    ['a transform, within its data', transform(() => [Promise.resolve(1)]), 'HG_RECORD_UNSTORABLE'],
  ];
  for (const [title, stage, code] of promises) {
    test(`makes a dead letter of the record where it returns a promise: ${title}`, async () => {
      const source = pushSource({ id: 'a' });
      const rig = await startedRig({ stages: [stage] }, source);
      expect(await rig.clock.runUntil(source.push(21))).toMatchObject({ deadLettered: 1, stored: 0 });
      await rig.stop();
      expect(lettersOf(rig)).toMatchObject([{ code }]);
    });
  }
});

test('a decode function that returns a promise makes a dead letter of the payload', async () => {
  const source = pushSource({ id: 'a', decode: (async () => [1]) as never });
  const rig = await startedRig({}, source);
  expect(await rig.clock.runUntil(source.pushPayload('x'))).toMatchObject({ deadLettered: 1, stored: 0 });
  await rig.stop();
  expect(lettersOf(rig)).toMatchObject([{ stage: 'decode', code: 'HG_DECODE_FAILED', payload: 'x' }]);
});

test('a push of what cannot be stored ends as a dead letter, by memory and by disk', async () => {
  const unstorable = [
    Promise.resolve(1),
    undefined,
    Number.NaN,
    new Map([[1, 2]]),
    new Date(Number.NaN),
    new Float64Array([1]),
  ];
  for (const outlet of [{ capacityRecords: 100 }, { capacityRecords: 1, overflow: 'spill' as const }]) {
    const source = pushSource({ id: 'a', outlet });
    const rig = await startedRig({ rateLimit: { recordsPerSecondMax: 1, policy: 'delay' } }, source);
    const pushed = unstorable.map((value) => codeOf(source.push(value)));
    await rig.clock.advance(20_000);
    expect(await rig.clock.runUntil(Promise.all(pushed))).toEqual(unstorable.map(() => 'fulfilled'));
    await rig.stop();
    expect(rig.query('SELECT * FROM records')).toEqual([]);
    expect(lettersOf(rig).map(({ code }) => code)).toEqual(unstorable.map(() => 'HG_RECORD_UNSTORABLE'));
  }
});

describe('a record that user code keeps and changes while it waits in a queue', () => {
  /** The record that holds 'mine' is changed while the one before it is at work. */
  async function changedLate(change: (record: Record<string, unknown>) => void) {
    let kept: Record<string, unknown> | undefined;
    const source = pushSource({ id: 'a' });
    const time: { clock?: EngineRig['clock'] } = {};
    const stages = [
      filter((record) => {
        if (record.data === 'mine') kept = record as unknown as Record<string, unknown>;
        return true;
      }),
      boundedQueue({ stageName: 'first', capacityRecords: 10 }),
      transformAsync(async (record) => (await time.clock?.sleep(100), record.data), { concurrency: 1 }),
      boundedQueue({ stageName: 'second', capacityRecords: 10 }),
    ];
    const rig = await startedRig({ stages }, source);
    time.clock = rig.clock;
    const outcome = source.pushAll(['before', 'mine', 'after']);
    await rig.clock.advance(50);
    expect(kept).toBeDefined();
    change(kept ?? {});
    expect(await rig.clock.runUntil(outcome)).toMatchObject({ stored: 2, deadLettered: 1 });
    expect(await rig.clock.runUntil(source.push('later'))).toMatchObject({ stored: 1 });
    await rig.stop();
    expect(rig.query('SELECT data FROM records').map(({ data }) => data)).toEqual([
      '"before"',
      '"after"',
      '"later"',
    ]);
    return lettersOf(rig);
  }

  test.each([
    ['tenant', ''],
    ['tenant', '\ud800'],
    ['sourceId', ''],
    ['sourceId', 'a/b'],
    ['sourceId', 'x'.repeat(200)],
    ['incarnation', Number.NaN],
    ['seq', 1.5],
    ['atMs', Number.POSITIVE_INFINITY],
    ['key', '\udc00'],
    ['data', () => 1],
    ['data', Number.NaN],
  ])('so that its %s is %s, is a dead letter and costs no other', async (field, value) => {
    expect(await changedLate((record) => (record[field] = value))).toMatchObject([
      { code: expect.stringMatching(/^HG_RECORD_(CHANGED|UNSTORABLE)$/) as string },
    ]);
  });
});
