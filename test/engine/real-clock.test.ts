import { expect, test } from 'vitest';
import { realClock } from '../../src/platform/real-clock.ts';

test('a delay of months does not fire at once', async () => {
  const fired: string[] = [];
  const months = realClock.setTimeout(() => fired.push('months'), 90 * 24 * 3_600_000);
  const forever = realClock.setTimeout(() => fired.push('for ever'), Number.POSITIVE_INFINITY);
  await realClock.sleep(3);
  for (const timer of [months, forever]) realClock.clearTimeout(timer);
  expect(fired).toEqual([]);
});

test('monotonic time goes on in milliseconds, wall time is that of the epoch', async () => {
  const [mono, wall] = [realClock.monotonicMs(), realClock.wallMs()];
  await realClock.sleep(2);
  expect(realClock.monotonicMs() - mono).toBeGreaterThanOrEqual(1.5);
  expect(Math.abs(realClock.wallMs() - wall)).toBeLessThan(60_000);
  expect(wall).toBeGreaterThan(Date.UTC(2020, 0, 1));
});

test('a delay that is over already fires without a warning', async () => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => void warnings.push(warning);
  process.on('warning', onWarning);
  await new Promise<void>((resolve) => void realClock.setTimeout(resolve, -0.5));
  // A warning is told in the next turn.
  await new Promise<void>((resolve) => void realClock.setTimeout(resolve, 0));
  process.off('warning', onWarning);
  expect(warnings).toEqual([]);
});
