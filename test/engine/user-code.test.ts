/** Code of users within the engine: stages, subscribers, consumers, keys, decoders. Whatever it throws costs
 *  the record it was given at most, and that record is kept as a dead letter. */

import { LIMITS } from '../../src/domain/limits.ts';
import { describe, expect, test } from 'vitest';
import { filter as filterItems, map } from 'rxjs';
import {
  defineSource,
  filter,
  isPoison,
  pushSource,
  Receipt,
  simulatedSource,
  transform,
  transformAsync,
  z,
  type FlowItem,
  type SourceSpec,
} from '../../src/index.ts';
import { ODD_THROWS } from '../support/engine-faulty-sources.ts';
import {
  codeOf,
  type EngineRig,
  handedIn,
  readAll,
  type RigOptions,
  startedRig,
} from '../support/engine-rig.ts';

const numbers = (id = 'n') => simulatedSource({ id, intervalMs: 10, value: (n) => n });

const deadLetters = (rig: EngineRig) =>
  rig.query('SELECT source_id AS id, stage, code, message, payload FROM dead_letters ORDER BY id');

function seventh(data: unknown): unknown {
  if ((data as number) % 7 === 0) throw new Error(`no ${String(data)}`);
  return data;
}

describe('a stage that throws', () => {
  const cases: [title: string, stages: RigOptions['stages'], stage: string][] = [
    ['a filter', [filter(({ data }) => seventh(data) !== null)], 'filter'],
    ['a transform', [transform(({ data }) => seventh(data))], 'transform'],
    ['an asynchronous one', [transformAsync(async ({ data }) => seventh(data))], 'transform'],
    [
      'one behind another',
      [transform(({ data }) => data), transform(({ data }) => seventh(data))],
      'transform-2',
    ],
  ];
  for (const [title, stages, stage] of cases) {
    test(`poisons that record in its place, keeps a copy, and goes on: ${title}`, async () => {
      const rig = await startedRig({ ...(stages === undefined ? {} : { stages }) }, numbers());
      await rig.clock.advance(1_005);
      await rig.stop();
      const seen = rig.delivered.map((item) =>
        isPoison(item) ? `poison ${String(item.originalRecord.data)}` : item.data,
      );
      expect(seen).toEqual(
        Array.from({ length: 100 }, (_, n) => ((n + 1) % 7 === 0 ? `poison ${n + 1}` : n + 1)),
      );
      expect(deadLetters(rig)).toEqual(
        Array.from({ length: 14 }, (_, n) => ({
          id: 'n',
          stage,
          code: 'HG_STAGE_THREW',
          message: `no ${(n + 1) * 7}`,
          payload: String((n + 1) * 7),
        })),
      );
      expect(rig.query('SELECT count(*) AS n FROM records')).toEqual([{ n: 86 }]);
      const told = rig.timeline("kind = 'dead_letter'");
      expect(told.reduce((sum, { data }) => sum + Number(data?.['count']), 0)).toBe(14);
      expect(told.length).toBeLessThanOrEqual(3);
    });
  }

  test('anything at all is told as well as can be', async () => {
    let turn = 0;
    const odd = transform(() => {
      throw ODD_THROWS[turn++];
    });
    const rig = await startedRig({ stages: [odd] }, numbers());
    await rig.clock.advance(10 * ODD_THROWS.length + 5);
    await rig.stop();
    expect(deadLetters(rig).map(({ message }) => message)).toEqual([
      ...['undefined', 'null', 'a text', '42'],
      ...['an error that cannot be printed', 'an error that cannot be printed'],
    ]);
    expect(rig.engine.state).toBe('stopped');
  });

  test('does not change what its neighbours count', async () => {
    const counts = async (stages: NonNullable<RigOptions['stages']>) => {
      const rig = await startedRig({ stages }, numbers('a'), numbers('b'));
      await rig.clock.advance(500);
      const { sources, admitted, delivered } = await rig.stop();
      return [sources.map(({ recordsProduced }) => recordsProduced), admitted, delivered];
    };
    const throwing = transform(({ sourceId, data }) => (sourceId === 'a' ? seventh(0) : data));
    expect(await counts([throwing])).toEqual(await counts([]));
  });
});

describe('a subscriber that throws', () => {
  const throwing = () => {
    throw new Error('for the test');
  };
  const attach: [title: string, attach: (rig: EngineRig) => void][] = [
    ['at records$', ({ engine }) => void engine.records$.subscribe(throwing)],
    ['at batches$', ({ engine }) => void engine.batches$.subscribe({ next: throwing })],
    [
      'behind an operator',
      ({ engine }) => void engine.records$.pipe(map((item) => item)).subscribe(throwing),
    ],
    ['in an operator', ({ engine }) => void engine.records$.pipe(map(throwing)).subscribe()],
    [
      'in an operator behind another',
      ({ engine }) =>
        void engine.records$
          .pipe(
            filterItems(() => true),
            map(throwing),
          )
          .subscribe({ error: throwing }),
    ],
    ['at transitions$', ({ engine }) => void engine.transitions$.subscribe(throwing)],
    ['at health$', ({ engine }) => void engine.health$.subscribe(throwing)],
    ['at alerts$', ({ engine }) => void engine.alerts$.subscribe(throwing)],
    ['at deadLetters$', ({ engine }) => void engine.deadLetters$.subscribe(throwing)],
  ];
  for (const [title, make] of attach) {
    test(`harms nobody, and is told to the log: ${title}`, async () => {
      const stages = [transform(({ data }) => seventh(data))];
      const burst = { thresholdRecords: 2, windowMs: 100 };
      const rig = await startedRig({ stages, burst, health: { intervalMs: 50 } });
      make(rig);
      const others: FlowItem[] = [];
      rig.engine.records$.subscribe((item) => void others.push(item));
      await rig.engine.register(numbers());
      await rig.clock.advance(305);
      await rig.stop();
      expect([rig.delivered.length, others.length]).toEqual([30, 30]);
      expect(rig.complaints('error')).toEqual(
        expect.arrayContaining(['a subscriber threw; it missed this item, nothing else did']),
      );
      expect(rig.engine.state).toBe('stopped');
    });
  }
});

describe('a consumer', () => {
  test('that throws in its loop lets the pipeline go', async () => {
    const rig = await startedRig({}, numbers());
    const reading = (async () => {
      for await (const { data } of rig.engine.consume({ capacityRecords: 2 })) seventh(data);
    })();
    const failed = codeOf(reading);
    await rig.clock.advance(505);
    expect(await failed).toBe('no 7');
    expect(rig.delivered).toHaveLength(50);
  });

  test('that stops reading holds the sources back, and what was taken in is not lost', async () => {
    const rig = await startedRig(
      {},
      simulatedSource({ id: 'n', intervalMs: 1, value: (n) => n, outlet: { capacityRecords: 8 } }),
    );
    const consumer = rig.engine.consume({ capacityRecords: 4 });
    await rig.clock.advance(5_000);
    const { recordsProduced, droppedCount } = rig.engine.health('n');
    expect(recordsProduced).toBeLessThan(20);
    expect(droppedCount).toBe(0);
    expect(rig.course('pipeline')).toEqual(['flowing>blocked']);
    const reading = readAll(consumer);
    await rig.clock.advance(1_100);
    await rig.stop();
    const read = (await reading).map(({ data }) => data);
    expect(read.length).toBeGreaterThan(80);
    expect(read).toEqual(read.map((_, n) => n + 1));
    expect(rig.course('pipeline').slice(0, 2)).toEqual(['flowing>blocked', 'blocked>flowing']);
  });

  test('that never reads does not keep a stop beyond its deadline, and what is lost is counted', async () => {
    const rig = await startedRig({}, numbers());
    rig.engine.consume({ capacityRecords: 4 });
    await rig.clock.advance(500);
    const atMs = rig.clock.monotonicMs();
    const report = await rig.stop({ deadlineMs: 200 });
    expect(rig.clock.monotonicMs() - atMs).toBeLessThanOrEqual(400);
    expect(report.lost).toBeGreaterThan(0);
    expect(rig.engine.state).toBe('stopped');
  });
});

describe('data that JSON has no word for', () => {
  const circular: Record<string, unknown> = { name: 'loop' };
  circular['self'] = circular;
  let deep: unknown = 'bottom';
  for (let depth = 0; depth < 100_000; depth++) deep = [deep];
  const unstorable: [title: string, data: unknown][] = [
    ['a loop', circular],
    ['a bigint beyond every double', 10n ** 400n],
    ['depth beyond the stack', deep],
    ['a toJSON that throws', { toJSON: () => seventh(0) }],
  ];
  for (const [title, data] of unstorable) {
    test(`is a dead letter, and what comes with it is stored: ${title}`, async () => {
      const source = pushSource({ id: 'a' });
      const rig = await startedRig({}, source);
      await handedIn(source.pushAll([1, data, 3]));
      await rig.clock.advance(20);
      await rig.stop();
      expect(rig.query('SELECT source_seq AS seq, data FROM records ORDER BY seq')).toEqual([
        { seq: 1, data: '1' },
        { seq: 3, data: '3' },
      ]);
      expect(deadLetters(rig)).toMatchObject([{ stage: 'record', code: 'HG_RECORD_UNSTORABLE' }]);
      expect(rig.delivered.map(({ seq }) => seq)).toEqual([1, 3]);
    });
  }

  test('is a dead letter where it would be stored as null, and bytes are stored as text', async () => {
    const source = pushSource({ id: 'a' });
    const rig = await startedRig({}, source);
    await handedIn(
      source.pushAll([undefined, () => 1, Symbol('x'), Number.NaN, new Uint8Array([1, 2, 255])]),
    );
    await rig.clock.advance(20);
    await rig.stop();
    expect(rig.query('SELECT data FROM records')).toEqual([{ data: '{"base64":"AQL/"}' }]);
    expect(deadLetters(rig).map(({ code, payload }) => [code, payload])).toEqual([
      ['HG_RECORD_UNSTORABLE', 'undefined'],
      ['HG_RECORD_UNSTORABLE', '[Function (anonymous)]'],
      ['HG_RECORD_UNSTORABLE', 'Symbol(x)'],
      ['HG_RECORD_UNSTORABLE', 'NaN'],
    ]);
  });
});

describe('a payload from outside', () => {
  const cases: [title: string, payload: string | Uint8Array, decode: 'json' | 'ndjson' | 'csv' | 'text'][] = [
    ['JSON cut short', '{"a":', 'json'],
    ['no JSON at all', 'hello', 'json'],
    ['nothing', '', 'json'],
    ['bytes that are no UTF-8', new Uint8Array([0x22, 0xff, 0xfe, 0x22]), 'json'],
    ['a line cut short among good ones', '{"a":1}\n{"a":\n{"a":3}', 'ndjson'],
    ['a row with a quote that never ends', 'a,b\n1,"2\n', 'csv'],
    ['brackets without end', '['.repeat(1_000_000), 'json'],
  ];
  for (const [title, payload, decode] of cases) {
    test(`that cannot be decoded is a dead letter, and the next is taken: ${title}`, async () => {
      const source = pushSource({ id: 'a', decode });
      const rig = await startedRig({}, source, numbers());
      await handedIn(source.pushPayload(payload));
      await handedIn(source.pushPayload(decode === 'csv' ? 'a,b\n1,2\n' : '{"fine":true}'));
      await rig.clock.advance(105);
      await rig.stop();
      const letters = deadLetters(rig);
      expect(letters.length).toBe(1);
      expect(letters[0]).toMatchObject({ id: 'a', stage: 'decode' });
      expect(String(letters[0]?.['payload']).length).toBeLessThanOrEqual(LIMITS.deadLetterPayloadCharsMax);
      expect(rig.delivered.filter(({ sourceId }) => sourceId === 'n')).toHaveLength(10);
      expect(rig.delivered.findLast(({ sourceId }) => sourceId === 'a')?.data).toEqual(
        decode === 'csv' ? { a: '1', b: '2' } : { fine: true },
      );
    });
  }

  test('cannot reach into the prototypes of the process', async () => {
    const source = pushSource({ id: 'a', decode: 'json' });
    const rig = await startedRig({ stages: [transform(({ data }) => ({ ...(data as object) }))] }, source);
    for (const name of ['__proto__', 'constructor', 'prototype']) {
      await handedIn(source.pushPayload(`{"${name}":{"polluted":true,"toString":"x"}}`));
    }
    await rig.clock.advance(20);
    await rig.stop();
    expect(rig.delivered).toHaveLength(3);
    expect([({} as Record<string, unknown>)['polluted'], 'toString' in {}]).toEqual([undefined, true]);
  });

  test('may nest as deep as it likes: it costs its own record at most', async () => {
    const source = pushSource({ id: 'a', decode: 'json' });
    const rig = await startedRig({}, source, numbers());
    await handedIn(source.pushPayload(`${'['.repeat(200_000)}${']'.repeat(200_000)}`));
    await rig.clock.advance(55);
    await rig.stop();
    expect(rig.query("SELECT count(*) AS n FROM records WHERE source_id = 'n'")).toEqual([{ n: 5 }]);
    expect(deadLetters(rig)).toHaveLength(1);
  });
});

test('a key that throws makes a dead letter of its record, and no more', async () => {
  const keyed: SourceSpec = simulatedSource({
    id: 'keyed',
    intervalMs: 10,
    value: (n) => n,
    dedupKey: (data) => String(seventh(data)),
  });
  const rig = await startedRig({}, keyed);
  await rig.clock.advance(145);
  await rig.stop();
  expect(deadLetters(rig)).toMatchObject([
    { stage: 'dedupKey', payload: '7' },
    { stage: 'dedupKey', payload: '14' },
  ]);
  expect(rig.delivered.map(({ seq }) => seq)).toEqual(Array.from({ length: 12 }, (_, n) => n + 1));
});

describe('a receipt that throws when it is told', () => {
  const acknowledging = defineSource({
    type: 'acknowledging',
    options: { told: z.custom<() => void>() },
    async stream(io, { told }) {
      for (let n = 0; !io.signal.aborted; n++) {
        const receipt = new Receipt(told);
        io.emit(n, { receipt });
        receipt.seal();
        await io.clock.sleep(10, io.signal);
      }
    },
  });

  for (const keep of [true, false]) {
    test(`is a failure of its source and of nobody else, records ${keep ? 'kept' : 'not kept'}`, async () => {
      const told = () => {
        throw new Error('the broker is gone');
      };
      const source = acknowledging({ id: 'a', told, restart: { restartsMax: 1, windowMs: 60_000 } });
      const rig = await startedRig({ records: { keep } }, source, numbers());
      await rig.clock.advance(1_000);
      expect(rig.engine.health('a')).toMatchObject({
        state: 'quarantined',
        lastError: { message: 'the broker is gone' },
      });
      expect(rig.engine.health('n')).toMatchObject({ state: 'streaming', recordsProduced: 100 });
      await rig.stop();
      expect(rig.delivered.filter(({ sourceId }) => sourceId === 'n').length).toBe(100);
    });
  }
});

describe('what a source says beside its data', () => {
  const odd: readonly (readonly [title: string, meta: object, kept: object])[] = [
    ['a key that is a number', { key: 7 }, { dedup_key: '7' }],
    ['a key that is null', { key: null }, { dedup_key: null }],
    ['a content type that is a list', { contentType: ['text/plain'] }, { content_type: null }],
    ['a cursor that is an object', { cursor: { page: 7 } }, {}],
    ['a time that is text', { atMs: 'today' }, {}],
    ['a time that is no number', { atMs: Number.NaN }, {}],
  ];
  for (const [title, meta, kept] of odd) {
    test(`is taken as far as it makes sense: ${title}`, async () => {
      const source = pushSource({ id: 'a' });
      const rig = await startedRig({}, source, numbers());
      expect(await rig.clock.runUntil(source.push(1, meta as never))).toMatchObject({ stored: 1 });
      expect(rig.query("SELECT * FROM records WHERE source_id = 'a'")).toMatchObject([kept]);
      expect(rig.complaints()).toEqual([]);
    });
  }

  for (const key of [{ a: 1 }, () => 'x', true, Symbol('key')]) {
    for (const way of ['its own word', 'dedupKey'] as const) {
      test(`costs no more than its own record where the key is a ${typeof key}, by ${way}`, async () => {
        const dedupKey = way === 'dedupKey' ? { dedupKey: () => key as never } : {};
        const source = pushSource({ id: 'a', ...dedupKey });
        const rig = await startedRig({}, source, numbers());
        const pushed = source.push(1, { key: key as never });
        await rig.clock.advance(1_005);
        expect(await pushed).toMatchObject({ deadLettered: 1 });
        await rig.stop();
        expect(deadLetters(rig)).toMatchObject([
          { id: 'a', stage: 'dedupKey', code: 'HG_RECORD_UNSTORABLE' },
        ]);
        expect(rig.query('SELECT count(*) AS n FROM records')).toEqual([{ n: 100 }]);
        expect(rig.complaints('error')).toEqual([]);
      });
    }
  }
});
