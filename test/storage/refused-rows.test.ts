/** Rows that the tables refuse: found one by one, so that the rest of their unit can be written. */

import { describe, expect, test } from 'vitest';
import type { WriteBatch } from '../../src/domain/timeline.ts';
import {
  writeBatch,
  headgateError,
  query,
  recordRow,
  sourceRow,
  temporaryFile,
  timelineRow,
} from './fixture.ts';
import { HOSTS } from './hosts.ts';

const owner = { tenant: 'default', sourceId: 'plc-7' };
const odd = (value: unknown) => value as never;

const letter: WriteBatch['deadLetters'][number] = {
  ...owner,
  ...{ stage: 'decode', code: 'HG_DECODE_FAILED', message: 'no', payload: '{', attempts: 1 },
  ...{ firstAtMs: 1, lastAtMs: 1, origin: null, isTruncated: false },
};
const health: WriteBatch['health'][number] = {
  ...owner,
  ...{ atMs: 1, state: 'streaming', recordsProduced: 1, lastReadTimestamp: null, consecutiveErrors: 0 },
  ...{ incarnation: 1, restarts: 0, rate1s: 0, queueDepth: 0, droppedCount: 0, deadLetteredCount: 0 },
};
const sink: WriteBatch['sinks'][number] = {
  ...{ tenant: 'default', sinkId: 'cloud', type: 'http', state: 'delivering', incarnation: 1, delivered: 0 },
  ...{ filtered: 0, deadLettered: 0, consecutiveErrors: 0, lastDeliveryAtMs: null, lastError: null },
  ...{ registeredAtMs: 1, deregisteredAtMs: null },
};
const circle: Record<string, unknown> = {};
circle['self'] = circle;

/** A good row, a row that is refused, a good row of each table. */
const MIXED: { readonly [Table in keyof WriteBatch]: readonly (readonly [string, WriteBatch[Table]])[] } = {
  timeline: [
    [
      'data that is no JSON',
      [timelineRow({ seq: 1 }), timelineRow({ seq: 2, data: circle }), timelineRow({ seq: 3 })],
    ],
    ['a number that is taken', [timelineRow({ seq: 1 }), timelineRow({ seq: 1 }), timelineRow({ seq: 3 })]],
    [
      'a function',
      [timelineRow({ seq: 1 }), timelineRow({ seq: 2, actor: odd(() => 1) }), timelineRow({ seq: 3 })],
    ],
  ],
  records: [1e20, 2 ** 63, Number.NaN, 'x', {}].map((atMs) => [
    `the time ${typeof atMs} ${JSON.stringify(atMs)}`,
    [1, 2, 3].map((sourceSeq) => recordRow({ sourceSeq, atMs: sourceSeq === 2 ? odd(atMs) : 5 })),
  ]),
  spilled: [
    [
      'a number that is not whole',
      [1, 1.5, 3].map((sourceSeq) => ({ ...recordRow({ sourceSeq }), cursor: null })),
    ],
    [
      'a cursor that is an object',
      ['a', odd({}), 'c'].map((cursor) => ({ ...recordRow({ sourceSeq: 1 }), cursor })),
    ],
  ],
  sources: [
    [
      'no state',
      [sourceRow(), sourceRow({ sourceId: 'b', state: odd(undefined) }), sourceRow({ sourceId: 'c' })],
    ],
  ],
  deadLetters: [['a payload that is an object', [letter, { ...letter, payload: odd({ a: 1 }) }, letter]]],
  health: [['a rate that is text', [health, { ...health, rate1s: odd('fast') }, health]]],
  cursors: [
    ['no text', ['1', odd(undefined), '3'].map((cursor, n) => ({ ...owner, sourceId: `s${n}`, cursor }))],
    ['a symbol', ['1', odd(Symbol('x')), '3'].map((cursor, n) => ({ ...owner, sourceId: `s${n}`, cursor }))],
  ],
  marks: [
    [
      'no number',
      [
        { kind: 'spill', seq: 1 },
        { kind: 'spill', seq: odd({}) },
        { kind: 'letter', id: 1 },
      ],
    ],
  ],
  letterFailures: [
    [
      'a message that is an object',
      ['a', odd(new Date(0)), 'c'].map((message, id) => ({
        id,
        code: 'X',
        message,
        atMs: 1,
        status: 'new' as const,
      })),
    ],
  ],
  sinks: [['no type', [sink, { ...sink, sinkId: 'b', type: odd(null) }, { ...sink, sinkId: 'c' }]]],
  sinkCursors: [
    [
      'a fraction',
      [1, 1.5, 3].map((seq) => ({ tenant: 'default', sinkId: `k${seq}`, reads: 'records' as const, seq })),
    ],
  ],
  deadlines: [
    [
      'no time',
      [1, Number.NaN, 3].map((dueAtMs, failures) => ({
        ...{ ...owner, sourceId: `d${failures}`, kind: 'wait' as const, state: 'backingOff' as const },
        ...{ dueAtMs, failures, farEnd: { addressCrc: 1, optionsCrc: 2 } },
      })),
    ],
  ],
};

describe.each(HOSTS)('a unit that is refused, $host,', ({ openStore }) => {
  test('is refused for single rows, which are found, whatever table they are of', async () => {
    const file = temporaryFile();
    const store = await openStore(file);
    for (const table of Object.keys(MIXED) as (keyof WriteBatch)[]) {
      for (const [flaw, rows] of MIXED[table]) {
        const unit = writeBatch({ [table]: rows });
        // A letter that is not there cannot fail: its row is bound all the same only where there is one.
        const error = await headgateError(() => store.commit(unit), 'HG_STORAGE_FAILED');
        expect([table, flaw, error.remedy]).toEqual([table, flaw, 'drop']);
        const refused = await store.examine(unit);
        expect([table, flaw, refused]).toEqual([
          table,
          flaw,
          [{ table, index: 1, reason: expect.stringMatching(/./) as string }],
        ]);
      }
    }
    const counts = ['timeline', 'records', 'spill', 'dead_letters', 'sources', 'sinks', 'source_cursors'];
    for (const table of counts) expect(query(file, `SELECT count(*) AS n FROM ${table}`)).toEqual([{ n: 0 }]);
  });

  test('is accepted without them, and its timeline is still one chain', async () => {
    const file = temporaryFile();
    const store = await openStore(file);
    const records = [recordRow({ sourceSeq: 1 }), recordRow({ sourceSeq: 2, atMs: 1e20 })];
    const timeline = [timelineRow({ seq: 1 })];
    const refused = await store.examine(writeBatch({ timeline, records }));
    expect(refused.map(({ table, index }) => [table, index])).toEqual([['records', 1]]);
    await store.commit(writeBatch({ timeline, records: records.slice(0, 1) }));
    expect(query(file, 'SELECT seq, source_seq FROM records')).toEqual([{ seq: 1, source_seq: 1 }]);
    const { verifyDatabase } = await import('../../storage/verify/verify-database.ts');
    await store.close({ atMs: 1 });
    expect(await verifyDatabase(file)).toMatchObject({ problems: [] });
  });

  test('of which no row is at fault has none to be found', async () => {
    const store = await openStore(temporaryFile());
    expect(await store.examine(writeBatch({ records: [recordRow({ sourceSeq: 1 })] }))).toEqual([]);
  });
});
