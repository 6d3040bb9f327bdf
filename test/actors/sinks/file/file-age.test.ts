import { expect, test } from 'vitest';
import { FileAge } from '../../../../actors/sinks/file/file-age.ts';
import { virtualClock } from '../../../../src/testing.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const START_MS = Date.UTC(2027, 0, 1);

test('a file grows older by monotonic time, whatever the wall clock does', async () => {
  const clock = virtualClock(START_MS);
  const age = new FileAge(clock);
  age.began();
  for (const jumpMs of [30 * DAY_MS, -60 * DAY_MS, -START_MS, START_MS + 30 * DAY_MS]) {
    clock.jumpWall(jumpMs);
    await clock.advance(15 * MINUTE_MS);
    age.ms();
  }
  expect(age.ms()).toBe(60 * MINUTE_MS);
});

test('the age of a file that is found counts once the clock had time to be set', async () => {
  const clock = virtualClock(START_MS);
  const age = new FileAge(clock);
  clock.jumpWall(30 * DAY_MS);
  age.found(START_MS - DAY_MS);
  expect(age.ms()).toBe(0);
  await clock.advance(5 * MINUTE_MS);
  clock.jumpWall(-30 * DAY_MS);
  expect(age.ms()).toBe(5 * MINUTE_MS);
  await clock.advance(15 * MINUTE_MS);
  expect(age.ms()).toBe(20 * MINUTE_MS + DAY_MS);
});

test('the age of a file that was made before its clock was set is not known', async () => {
  const clock = virtualClock(START_MS);
  const age = new FileAge(clock);
  age.found(MINUTE_MS);
  await clock.advance(DAY_MS);
  expect(age.ms()).toBe(DAY_MS);
});
