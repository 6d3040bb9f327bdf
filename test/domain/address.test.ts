import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  formatAddress,
  isNameSegment,
  parseAddress,
  RESERVED_NAMES,
  type SourceAddress,
} from '../../src/domain/address.ts';

describe('an address', () => {
  const check = (text: string, expected: SourceAddress, shown = text) => {
    expect(parseAddress(text)).toEqual(expected);
    expect(formatAddress(expected)).toBe(shown);
  };
  test('without a tenant is of the default one', () =>
    check('plc-7', { tenant: 'default', sourceId: 'plc-7' }));
  test('may name the default tenant, which is not shown', () =>
    check('default/plc-7', { tenant: 'default', sourceId: 'plc-7' }, 'plc-7'));
  test('of a tenant names it', () => check('north/plc-7', { tenant: 'north', sourceId: 'plc-7' }));
  test('is parted at the first slash', () => check('a/b/c', { tenant: 'a', sourceId: 'b/c' }));

  const segment = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,20}$/);
  test('is read as it was written', () =>
    fc.assert(
      fc.property(segment, segment, (tenant, sourceId) => {
        expect(parseAddress(formatAddress({ tenant, sourceId }))).toEqual({ tenant, sourceId });
      }),
    ));
});

describe('a name', () => {
  test.each(['a', '7', 'plc-7', 'Hall.2:plc_7', 'a'.repeat(128)])('may be %s', (name) =>
    expect(isNameSegment(name)).toBe(true),
  );
  test.each([
    '',
    ' ',
    'a b',
    '-a',
    '.a',
    '_a',
    ':a',
    'a/b',
    'ä',
    'a\n',
    '\na',
    'a\u0000',
    'a#1',
    'a'.repeat(129),
  ])('may not be %j', (name) => expect(isNameSegment(name)).toBe(false));
  test('of the engine’s own parts would otherwise do for a source', () => {
    expect(RESERVED_NAMES.every(isNameSegment)).toBe(true);
    expect(new Set(RESERVED_NAMES).size).toBe(RESERVED_NAMES.length);
  });
});
