import { describe, expect, test } from 'vitest';
import { believedClock } from '../../src/domain/believed-clock.ts';
import { createAuthenticator } from '../../src/http/auth.ts';
import { virtualClock } from '../../src/testing.ts';
import { hashOf } from '../../src/http/token-text.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const START_MS = Date.UTC(2027, 0, 1);

describe('wall time that is believed', () => {
  test('does not follow a jump for ten minutes, and then it does', async () => {
    const clock = virtualClock(START_MS);
    const read = believedClock(clock);
    await clock.advance(MINUTE_MS);
    clock.jumpWall(30 * DAY_MS);
    expect(read()).toBe(START_MS + MINUTE_MS);
    await clock.advance(9 * MINUTE_MS);
    expect(read()).toBe(START_MS + 10 * MINUTE_MS);
    await clock.advance(MINUTE_MS);
    expect(read()).toBe(START_MS + 11 * MINUTE_MS + 30 * DAY_MS);
  });

  test('is what it was where the clock was ahead for a while', async () => {
    const clock = virtualClock(START_MS);
    const read = believedClock(clock);
    clock.jumpWall(30 * DAY_MS);
    read();
    await clock.advance(5 * MINUTE_MS);
    clock.jumpWall(-30 * DAY_MS);
    expect(read()).toBe(START_MS + 5 * MINUTE_MS);
    await clock.advance(DAY_MS);
    expect(read()).toBe(START_MS + 5 * MINUTE_MS + DAY_MS);
  });

  test('is that of a clock that was set for the first time, at once', async () => {
    const clock = virtualClock(MINUTE_MS);
    const read = believedClock(clock);
    clock.jumpWall(START_MS);
    expect(read()).toBe(START_MS + MINUTE_MS);
  });

  test('follows a clock that is slewed', async () => {
    const clock = virtualClock(START_MS);
    const read = believedClock(clock);
    for (let second = 0; second < 1_000; second++) {
      clock.jumpWall(1);
      await clock.advance(1_000);
      read();
    }
    expect(read()).toBe(START_MS + 1_001_000);
  });
});

test('a token neither expires nor counts again while the clock is wrong for some minutes', async () => {
  const clock = virtualClock(START_MS);
  const token = (name: string, expiresAtMs: number) => ({
    ...{ name, hash: hashOf(name), expiresAtMs, scopes: ['read' as const], sources: null },
  });
  const tokens = [token('lasting', START_MS + DAY_MS), token('over', START_MS - DAY_MS)];
  const authenticator = createAuthenticator({
    tokens: () => tokens,
    clock,
    failedLoginsPerMinuteMax: 100,
    opensWithoutTokens: false,
  });
  const isIn = (name: string) =>
    authenticator.authenticate(`Bearer ${name}`, '127.0.0.1').principal !== undefined;
  for (const jumpMs of [0, 30 * DAY_MS, -60 * DAY_MS, 30 * DAY_MS]) {
    clock.jumpWall(jumpMs);
    expect([isIn('lasting'), isIn('over')]).toEqual([true, false]);
    await clock.advance(MINUTE_MS);
  }
  await clock.advance(DAY_MS);
  expect(isIn('lasting')).toBe(false);
});
