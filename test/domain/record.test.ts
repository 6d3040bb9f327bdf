import { describe, expect, test } from 'vitest';
import { isPoison, poison, withData } from '../../src/domain/record.ts';
import { record } from '../pipeline/fixture.ts';

const error = { code: 'HG_STAGE_THREW', message: 'no' };
const original = record(7, { key: 'k', cursor: 'c', contentType: 'text/plain', tenant: 'north' });

describe('a poison record', () => {
  test('bears identity and place of its original, and no data', () => {
    const { data, error: why, originalRecord, ...rest } = poison(error, original);
    expect([data, why, originalRecord]).toEqual([undefined, error, original]);
    expect(rest).toMatchObject({
      seq: 7,
      key: 'k',
      cursor: 'c',
      tenant: 'north',
      sourceId: 'plc-7',
      incarnation: 1,
    });
  });
  test('is told from a record, also when it was copied', () => {
    expect(isPoison(poison(error, original))).toBe(true);
    expect(isPoison({ ...poison(error, original), queueWaitMs: 1 })).toBe(true);
    expect(isPoison(original)).toBe(false);
  });
  test('is not what merely looks like one', () => {
    for (const value of [{ error, originalRecord: original }, null, undefined, 'poison', 7, []]) {
      expect(isPoison(value)).toBe(false);
    }
  });
});

test('a record with other data is another record, the rest the same', () => {
  const changed = withData(original, 5);
  expect(changed).toEqual({ ...original, data: 5 });
  expect(original.data).toEqual({ n: 7 });
});
