import { expect, test } from 'vitest';
import { LIMITS } from '../../src/domain/limits.ts';
import { throttled } from '../../src/timing/throttle.ts';
import { virtualClock } from '../../src/testing/virtual-clock.ts';

test('what repeats is told at once, then once in a while with how often it was not told', async () => {
  const clock = virtualClock();
  const told: [suppressed: number, what: string][] = [];
  const report = throttled(clock, (suppressed, what: string) => void told.push([suppressed, what]));
  for (const what of ['first', 'second', 'third']) report(what);
  expect(told).toEqual([[0, 'first']]);
  await clock.advance(LIMITS.repeatedReportMs - 1);
  report('fourth');
  expect(told).toHaveLength(1);
  await clock.advance(1);
  report('fifth');
  expect(told.slice(1)).toEqual([[3, 'fifth']]);
  await clock.advance(LIMITS.repeatedReportMs);
  report('sixth');
  expect(told.slice(2)).toEqual([[0, 'sixth']]);
});

test('two reports know nothing of each other', () => {
  const clock = virtualClock();
  const told: string[] = [];
  for (const name of ['one', 'other']) throttled(clock, () => void told.push(name))();
  expect(told).toEqual(['one', 'other']);
});
