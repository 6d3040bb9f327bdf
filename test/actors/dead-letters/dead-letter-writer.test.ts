/** The dead-letter desk: every letter is kept; the timeline hears of the first, then of how many a second. */

import { describe, expect, test } from 'vitest';
import { DeadLetterWriter } from '../../../actors/dead-letters/dead-letter-writer.ts';
import { HeadgateError } from '../../../src/domain/errors.ts';
import { LIMITS } from '../../../src/domain/limits.ts';
import type { DeadLetter } from '../../../src/domain/timeline.ts';
import { virtualClock } from '../../../src/testing/virtual-clock.ts';

const ORIGIN = { tenant: 'default', sourceId: 'plc-7', actorId: 'plc-7#1', record: null, isAwaited: false };

class Field {
  readonly clock = virtualClock();
  readonly kept: DeadLetter[] = [];
  readonly failedAgain: [id: number, code: string, message: string][] = [];
  readonly notes: { readonly atMs: number; readonly actorId: string; readonly data: unknown }[] = [];
  readonly desk = new DeadLetterWriter({
    clock: this.clock,
    keep: (letter) => this.kept.push(letter),
    onFailedAgain: (id, error) => this.failedAgain.push([id, error.code, error.message]),
    note: (actorId, data) => this.notes.push({ atMs: this.clock.monotonicMs(), actorId, data }),
  });

  bury(error: unknown = new Error('no'), payload: unknown = 'x', stage = 'decode'): void {
    this.desk.add(ORIGIN, stage, payload, error, 'HG_DECODE_FAILED');
  }

  get told(): unknown[] {
    return this.notes.map(({ atMs, data }) => [atMs, (data as { count: number }).count]);
  }
}

describe('a dead letter', () => {
  test('says whose it is, which stage gave up, why, and when', async () => {
    const field = new Field();
    const shown: DeadLetter[] = [];
    field.desk.letters$.subscribe((letter) => shown.push(letter));
    await field.clock.advance(70);
    field.bury(new SyntaxError('unexpected }'), '{"n":}');
    const atMs = Date.UTC(2020, 0, 1) + 70;
    const letter = {
      tenant: 'default',
      sourceId: 'plc-7',
      stage: 'decode',
      code: 'HG_DECODE_FAILED',
      message: 'unexpected }',
      payload: '{"n":}',
      attempts: 1,
      firstAtMs: atMs,
      lastAtMs: atMs,
      origin: null,
      isTruncated: false,
    };
    expect([field.kept, shown]).toEqual([[letter], [letter]]);
    expect(field.notes).toEqual([
      { atMs: 70, actorId: 'plc-7#1', data: { stage: 'decode', code: 'HG_DECODE_FAILED', count: 1 } },
    ]);
  });

  test('that was tried again and failed again makes no second one', () => {
    const field = new Field();
    field.desk.add({ ...ORIGIN, letterId: 7 }, 'scale', 5, new Error('still no'), 'HG_STAGE_THREW');
    expect(field.failedAgain).toEqual([[7, 'HG_STAGE_THREW', 'still no']]);
    expect([field.kept, field.notes]).toEqual([[], []]);
  });

  test('of data that JSON has no word for says that it was not kept whole', () => {
    const field = new Field();
    field.bury(new Error('no'), { n: new Map() }, 'record');
    expect(field.kept).toMatchObject([{ isTruncated: true }]);
  });

  test('of which only the first bytes were kept says so', () => {
    const field = new Field();
    const details = { bytes: 9_000_000, keptBytes: 1_024 };
    field.bury(new HeadgateError('HG_READ_TOO_LARGE', 'large', { details }), new Uint8Array(1_024), 'decode');
    expect(field.kept).toMatchObject([{ isTruncated: true, code: 'HG_READ_TOO_LARGE' }]);
  });

  /** What becomes of whatever was thrown. */
  const check = (error: unknown, code: string, message: string) => {
    const field = new Field();
    field.bury(error);
    expect([field.kept[0]?.code, field.kept[0]?.message]).toEqual([code, message]);
  };
  test('keeps the code of an error of ours', () =>
    check(new HeadgateError('HG_RECORD_UNSTORABLE', 'a bigint'), 'HG_RECORD_UNSTORABLE', 'a bigint'));
  test('keeps facts as they are', () =>
    check({ code: 'HG_STAGE_THREW', message: 'no' }, 'HG_STAGE_THREW', 'no'));
  test('takes the system’s own codes for no code of ours', () =>
    check(Object.assign(new Error('gone'), { code: 'ECONNRESET' }), 'HG_DECODE_FAILED', 'gone'));
  test('is made of nothing, too', () => check(null, 'HG_DECODE_FAILED', 'null'));

  test('is cut to the limits', () => {
    const field = new Field();
    field.bury(new Error('e'.repeat(10_000)), 'p'.repeat(1_100_000));
    expect(field.kept[0]?.message.length).toBe(LIMITS.errorMessageCharsMax);
    expect(field.kept[0]?.payload.length).toBe(LIMITS.deadLetterPayloadCharsMax);
  });
});

describe('the timeline', () => {
  test('hears of the first at once, then of the count once a second, until none comes', async () => {
    const field = new Field();
    for (let letters = 0; letters < 25; letters++) {
      field.bury();
      await field.clock.advance(100);
    }
    await field.clock.advance(5_000);
    expect(field.kept.length).toBe(25);
    expect(field.told).toEqual([
      [0, 1],
      [1_000, 9],
      [2_000, 10],
      [3_000, 5],
    ]);
    expect(field.clock.pendingTimers).toBe(0);
    field.bury();
    expect(field.told.at(-1)).toEqual([7_500, 1]);
  });

  test('hears of each stage and code for itself', () => {
    const field = new Field();
    field.bury();
    field.bury(new HeadgateError('HG_STAGE_THREW', 'no'));
    field.bury(new Error('no'), 'x', 'dedupKey');
    field.bury();
    expect(field.notes.map(({ data }) => data)).toEqual([
      { stage: 'decode', code: 'HG_DECODE_FAILED', count: 1 },
      { stage: 'decode', code: 'HG_STAGE_THREW', count: 1 },
      { stage: 'dedupKey', code: 'HG_DECODE_FAILED', count: 1 },
    ]);
  });

  test('hears what is untold when the desk closes, and nothing twice', async () => {
    const field = new Field();
    for (let letters = 0; letters < 4; letters++) field.bury();
    field.desk.close();
    field.desk.close();
    await field.clock.advance(5_000);
    expect(field.told).toEqual([
      [0, 1],
      [0, 3],
    ]);
    expect(field.clock.pendingTimers).toBe(0);
  });
});
