/** Times on the command line. */

import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readableTime } from '../../src/cli/readable.ts';
import { parseTime, protectRelativeTime } from '../../src/cli/time-argument.ts';

const NOW_MS = Date.UTC(2026, 10, 22, 12);

let zone: string | undefined;
beforeEach(() => {
  zone = process.env.TZ;
  process.env.TZ = 'Europe/Berlin';
});
afterEach(() => {
  if (zone === undefined) delete process.env.TZ;
  else process.env.TZ = zone;
});

describe('is read:', () => {
  const cases: [text: string, iso: string][] = [
    ['0', '1970-01-01T00:00:00.000Z'],
    ['1577836800000', '2020-01-01T00:00:00.000Z'],
    ['now', '2026-11-22T12:00:00.000Z'],
    ['-10m', '2026-11-22T11:50:00.000Z'],
    ['now-10m', '2026-11-22T11:50:00.000Z'],
    ['-250ms', '2026-11-22T11:59:59.750Z'],
    ['-1.5h', '2026-11-22T10:30:00.000Z'],
    ['-90s', '2026-11-22T11:58:30.000Z'],
    ['-2d', '2026-11-20T12:00:00.000Z'],
    ['2026-11-22T03:12:04.123Z', '2026-11-22T03:12:04.123Z'],
    ['2026-11-22T03:12:04.123456Z', '2026-11-22T03:12:04.123Z'],
    ['2026-11-22t03:12:04z', '2026-11-22T03:12:04.000Z'],
    ['2026-11-22T03:12+01:00', '2026-11-22T02:12:00.000Z'],
    ['2026-11-22T03:12-0530', '2026-11-22T08:42:00.000Z'],
    ['2026-11-22T03:12', '2026-11-22T02:12:00.000Z'],
    ['2026-11-22 03:12:30', '2026-11-22T02:12:30.000Z'],
    ['2026-07-01', '2026-06-30T22:00:00.000Z'],
    ['2024-02-29', '2024-02-28T23:00:00.000Z'],
    ['2026-11-22T24:00Z', '2026-11-23T00:00:00.000Z'],
  ];
  for (const [text, iso] of cases) {
    test(text, () => {
      const atMs = parseTime(text, NOW_MS);
      expect(atMs === null ? null : new Date(atMs).toISOString()).toBe(iso);
    });
  }
});

describe('is refused:', () => {
  const refused = [
    ...['', ' ', 'yesterday', '-10', '-10x', '-m', '+10m', '1e3', '12.5', '-1577836800000'],
    ...[
      '99999999999999999',
      '2026-11',
      '22.11.2026',
      '2026-11-22T',
      '2026-11-22T3:12',
      '2026-11-22T03:12 Z',
      '03:12',
    ],
    ...['2026-13-01', '2026-00-01', '2026-02-29', '2026-04-31', '2026-11-00'],
    ...['2026-11-22T25:00', '2026-11-22T24:01', '2026-11-22T03:60', '2026-11-22T03:12:60'],
  ];
  for (const text of refused) {
    test(JSON.stringify(text), () => {
      expect(parseTime(text, NOW_MS)).toBeNull();
    });
  }
});

test('what the tables show is read back as the same millisecond', () => {
  const minMs = Date.UTC(1970, 0, 1);
  const maxMs = Date.UTC(2100, 0, 1);
  fc.assert(
    fc.property(fc.integer({ min: minMs, max: maxMs }), (atMs) => {
      expect(parseTime(readableTime(atMs), NOW_MS)).toBe(atMs);
    }),
  );
});

test('only a time that counts back is kept from being taken for an option', () => {
  expect(['-10m', '-1.5h', '-V', '--json', '-10', 'edge.db', '-m'].map(protectRelativeTime)).toEqual([
    ...['now-10m', 'now-1.5h', '-V', '--json', '-10', 'edge.db', '-m'],
  ]);
});
