import { describe, expect, test } from 'vitest';
import { factsOf } from '../../../actors/timeline/event-facts.ts';
import { HeadgateError } from '../../../src/domain/errors.ts';

describe('the facts of a message', () => {
  const check = (event: object, expected: object | null) =>
    expect(factsOf({ type: 'a.b', ...event })).toEqual(expected);

  test('are none where it has none', () => check({}, null));
  test('are its plain values', () =>
    check(
      { id: 'plc-7', deadlineMs: 5, forced: true, mode: null },
      { id: 'plc-7', deadlineMs: 5, forced: true, mode: null },
    ));
  test('are lists of plain values', () =>
    check({ ids: ['a', 'b'], none: [] }, { ids: ['a', 'b'], none: [] }));
  test('are not what the runtime keeps its books with', () =>
    check({ requestId: 7, monoMs: 5, random: 0.5, actorId: 'a#1', childId: 'c', output: 'o' }, null));
  test('of a spec are its id, and nothing that could be a secret', () =>
    check({ spec: { id: 'plc-7', password: 'hunter2', url: 'mqtt://u:p@h' } }, { id: 'plc-7' }));
  test('of a spec that is none are no id', () => check({ spec: null }, { id: undefined }));
  test('are no objects that machines hand each other', () =>
    check({ rig: { secret: 1 }, list: [{}], call() {} }, null));
  test('of an error are its code and message', () =>
    check(
      { error: new HeadgateError('HG_LINK_LOST', 'gone', { details: { password: 'x' } }) },
      { error: { code: 'HG_LINK_LOST', message: 'gone' } },
    ));
  test('of an error without a code are its message', () =>
    check({ problem: new Error('no') }, { error: { message: 'no' } }));
  test('of an error that is none are its text', () => check({ error: 'no' }, { error: 'no' }));
});
