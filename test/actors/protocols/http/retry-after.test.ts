import { describe, expect, test } from 'vitest';
import { retryAfter, RetryAfterReader } from '../../../../actors/protocols/http/retry-after.ts';
import { SILENT_LOGGER, type Logger } from '../../../../src/domain/logger.ts';

const NOW_MS = Date.UTC(2026, 10, 22, 2);

function answer(retry: string | null, date: string | null = null) {
  return { header: (name: string) => (name === 'retry-after' ? retry : name === 'date' ? date : null) };
}

describe('Retry-After', () => {
  test.each([
    ['30', 30_000],
    ['30.5', 30_500],
    ['0.0001', 1],
    [' 7 ', 7_000],
    ['0', 0],
    ['00012', 12_000],
    ['99999999999999999999', 3_600_000],
    ['Sun, 22 Nov 2026 02:00:09 GMT', 9_000],
    ['Sunday, 22-Nov-26 02:00:09 GMT', 9_000],
    ['Sun Nov 22 02:00:09 2026', 9_000],
    ['2026-11-22T02:00:09Z', 9_000],
    ['20, 5', 20_000],
    ['5,  20', 20_000],
    ['3, Sun, 22 Nov 2026 02:00:09 GMT', 9_000],
    ['Sunday, 22-Nov-26 02:00:09 GMT, 3', 9_000],
    ['Sun, 22 Nov 2026 01:00:00 GMT', 0],
    ['Mon, 22 Nov 2027 02:00:00 GMT', 3_600_000],
  ])('"%s" is a wait of %i ms', (text, waitMs) => {
    expect(retryAfter(answer(text), NOW_MS)).toBe(waitMs);
  });

  test('with a date is measured by the clock of the far end', () => {
    const date = 'Wed, 01 Jan 2020 00:00:00 GMT';
    expect(retryAfter(answer('Wed, 01 Jan 2020 00:00:05 GMT', date), NOW_MS)).toBe(5_000);
  });

  test.each([
    '-5',
    '-0.5',
    '+5',
    '5s',
    '1e3',
    '0x10',
    '30, soon',
    '1,5',
    ',',
    '1.',
    '.5',
    'soon',
    'Sun',
    'NaN',
    '5 6',
    '',
  ])('"%s" is ignored', (text) => {
    expect(retryAfter(answer(text), NOW_MS)).toBeNull();
  });
});

test('a header that makes no sense is told once, as text that is fit for a log', () => {
  const lines: object[] = [];
  const log: Logger = { ...SILENT_LOGGER, warn: (fields: object) => void lines.push(fields) };
  const reader = new RetryAfterReader();
  const place = 'http://far.example/';
  expect(reader.read(answer(null), NOW_MS, { log, place })).toBeNull();
  expect(reader.read(answer('12'), NOW_MS, { log, place })).toBe(12_000);
  expect(lines).toEqual([]);
  for (let time = 0; time < 3; time++) {
    expect(reader.read(answer(`-5\u001b[31m${'x'.repeat(500)}`), NOW_MS, { log, place })).toBeNull();
  }
  expect(lines).toEqual([
    { place, retryAfter: expect.stringMatching(/^-5\\x1b\[31mx+$/), next: expect.anything() },
  ]);
});
