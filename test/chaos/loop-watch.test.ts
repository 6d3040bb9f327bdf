// @module-tag full
import { expect, test } from 'vitest';
import { waitOf } from './rig/loop-watch.ts';

test('a stall is weighed by the time it takes, not by the turns it lets pass', () => {
  const turns = Array.from({ length: 2_000 }, () => 2);
  expect(waitOf(turns, 0.99)).toBeLessThan(2.1);
  expect(waitOf([...turns, 4_000], 0.99)).toBeGreaterThan(3_900);
});
