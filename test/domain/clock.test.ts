import { describe, expect, test } from 'vitest';
import { sleepOn } from '../../src/domain/clock.ts';
import { virtualClock } from '../../src/testing/virtual-clock.ts';

describe('a sleep', () => {
  test('lasts as long as it was to', async () => {
    const clock = virtualClock();
    let wokeMs: number | null = null;
    void sleepOn(clock, 100).then(() => {
      wokeMs = clock.monotonicMs();
    });
    await clock.advance(99);
    expect(wokeMs).toBeNull();
    await clock.advance(50);
    expect(wokeMs).toBe(100);
  });

  test('ends when its signal aborts, without an error and without a timer left', async () => {
    const clock = virtualClock();
    const abort = new AbortController();
    const sleeping = sleepOn(clock, 100, abort.signal);
    abort.abort();
    await sleeping;
    expect([clock.monotonicMs(), clock.pendingTimers]).toEqual([0, 0]);
  });

  test('that is to begin after the abort does not begin', async () => {
    const clock = virtualClock();
    await sleepOn(clock, 100, AbortSignal.abort());
    expect(clock.pendingTimers).toBe(0);
  });

  test('that is over leaves nothing on its signal', async () => {
    const clock = virtualClock();
    const abort = new AbortController();
    let listeners = 0;
    const { signal } = abort;
    const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners++;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners--;
      remove(...args);
    };
    const sleeping = sleepOn(clock, 100, signal);
    expect(listeners).toBe(1);
    await clock.runUntil(sleeping);
    expect(listeners).toBe(0);
  });
});
