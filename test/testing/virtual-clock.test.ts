/** The virtual clock against a naive one, a sorted list, and what it promises about promises. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { virtualClock } from '../../src/testing/virtual-clock.ts';

/** A clock without a heap: looks through all timers for the next. */
class NaiveClock {
  nowMs = 0;
  #timers: { dueMs: number; order: number; callback: () => void }[] = [];
  #order = 0;

  setTimeout(callback: () => void, delayMs: number): number {
    this.#timers.push({ dueMs: this.nowMs + Math.max(0, delayMs), order: this.#order, callback });
    return this.#order++;
  }

  clearTimeout(order: number): void {
    this.#timers = this.#timers.filter((timer) => timer.order !== order);
  }

  advance(ms: number): void {
    const endMs = this.nowMs + ms;
    for (;;) {
      const next = this.#timers
        .filter(({ dueMs }) => dueMs <= endMs)
        .toSorted((left, right) => left.dueMs - right.dueMs || left.order - right.order)[0];
      if (next === undefined) break;
      this.clearTimeout(next.order);
      this.nowMs = Math.max(this.nowMs, next.dueMs);
      next.callback();
    }
    this.nowMs = endMs;
  }

  get pendingTimers(): number {
    return this.#timers.length;
  }
}

/** What a timer does when it fires: sets others, clears others. */
interface Plan {
  readonly delayMs: number;
  readonly children: readonly Plan[];
  /** Clears the timer that was set so many before it. */
  readonly clears: number | null;
}

function planOfDepth(depth: number): fc.Arbitrary<Plan> {
  return fc.record({
    delayMs: fc.oneof(fc.integer({ min: -5, max: 60 }), fc.constant(0), fc.constant(1.5)),
    children: depth === 0 ? fc.constant([]) : fc.array(planOfDepth(depth - 1), { maxLength: 3 }),
    clears: fc.option(fc.integer({ min: 1, max: 4 })),
  });
}
const plan = planOfDepth(3);

type AnyClock = {
  setTimeout(callback: () => void, delayMs: number): unknown;
  clearTimeout(handle: never): void;
};

/** Sets timers by plan; writes down which fired when. */
function player(clock: AnyClock, nowMs: () => number, log: string[]) {
  const handles: unknown[] = [];
  const set = ({ delayMs, children, clears }: Plan): void => {
    const name = handles.length;
    handles.push(
      clock.setTimeout(() => {
        log.push(`${name} at ${nowMs()}`);
        if (clears !== null && name - clears >= 0) clock.clearTimeout(handles[name - clears] as never);
        for (const child of children) set(child);
      }, delayMs),
    );
  };
  return set;
}

describe('the virtual clock', () => {
  test('fires what a sorted list fires, in the same order at the same times', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.array(plan, { maxLength: 6 }), fc.integer({ min: 0, max: 50 })), {
          maxLength: 8,
        }),
        async (rounds) => {
          const [real, naive] = [virtualClock(), new NaiveClock()];
          const [realLog, naiveLog]: [string[], string[]] = [[], []];
          const setReal = player(real, () => real.monotonicMs(), realLog);
          const setNaive = player(naive, () => naive.nowMs, naiveLog);
          for (const [plans, ms] of rounds) {
            for (const one of plans) {
              setReal(one);
              setNaive(one);
            }
            await real.advance(ms);
            naive.advance(ms);
            expect(realLog).toEqual(naiveLog);
            expect([real.monotonicMs(), real.pendingTimers]).toEqual([naive.nowMs, naive.pendingTimers]);
          }
        },
      ),
      { numRuns: 150 },
    ));

  test('sorts ten thousand timers, those of one instant in the order they were set', async () => {
    const clock = virtualClock();
    const fired: number[] = [];
    const delays = Array.from({ length: 10_000 }, (_, index) => (index * 7_919) % 100);
    for (const [index, delayMs] of delays.entries()) clock.setTimeout(() => fired.push(index), delayMs);
    await clock.advance(100);
    const expected = [...delays.keys()].toSorted(
      (left, right) => (delays[left] as number) - (delays[right] as number) || left - right,
    );
    expect(fired).toEqual(expected);
  });

  test('lets all promises settle between two timers', async () => {
    const clock = virtualClock();
    const log: string[] = [];
    clock.setTimeout(() => {
      log.push('first');
      let chain = Promise.resolve();
      for (let link = 0; link < 50; link++) chain = chain.then(() => {});
      void chain.then(() => log.push('promises of the first'));
      process.nextTick(() => log.push('tick of the first'));
    }, 10);
    clock.setTimeout(() => log.push('second'), 10);
    await clock.advance(10);
    expect(log.slice(1, 3).toSorted()).toEqual(['promises of the first', 'tick of the first']);
    expect([log[0], log[3]]).toEqual(['first', 'second']);
  });

  test('fires on the way what is set on the way', async () => {
    const clock = virtualClock();
    const times: number[] = [];
    const again = () => {
      times.push(clock.monotonicMs());
      clock.setTimeout(again, 100);
    };
    clock.setTimeout(again, 100);
    await clock.advance(450);
    expect(times).toEqual([100, 200, 300, 400]);
    expect([clock.monotonicMs(), clock.pendingTimers]).toEqual([450, 1]);
  });

  test('fires what sleepers set after they woke', async () => {
    const clock = virtualClock();
    const times: number[] = [];
    void (async () => {
      for (let round = 0; round < 5; round++) {
        await clock.sleep(30);
        times.push(clock.monotonicMs());
      }
    })();
    await clock.advance(1_000);
    expect(times).toEqual([30, 60, 90, 120, 150]);
  });

  test('settles promises even where no time passes', async () => {
    const clock = virtualClock();
    let isSettled = false;
    void Promise.resolve().then(() => {
      isSettled = true;
    });
    await clock.advance(0);
    expect(isSettled).toBe(true);
  });

  test('never goes back, whoever moves it', async () => {
    const clock = virtualClock();
    clock.setTimeout(() => {}, 60);
    const seen: number[] = [];
    const look = () => {
      seen.push(clock.monotonicMs());
      if (clock.monotonicMs() < 90) clock.setTimeout(look, 7);
    };
    look();
    const moves = [100, 50, 10].map((ms) => clock.advance(ms).then(() => seen.push(clock.monotonicMs())));
    await Promise.all(moves);
    expect(seen).toEqual(seen.toSorted((left, right) => left - right));
    await clock.advance(-50);
    expect(clock.monotonicMs()).toBe(seen.at(-1));
  });
});

describe('a timer', () => {
  test('that was cleared does not fire, and is not pending', async () => {
    const clock = virtualClock();
    const fired: string[] = [];
    const handle = clock.setTimeout(() => fired.push('cleared'), 10);
    clock.setTimeout(() => fired.push('kept'), 10);
    clock.clearTimeout(handle);
    expect(clock.pendingTimers).toBe(1);
    await clock.advance(20);
    expect([fired, clock.pendingTimers]).toEqual([['kept'], 0]);
  });

  test('may be cleared twice, after it fired, or without having been', async () => {
    const clock = virtualClock();
    const handle = clock.setTimeout(() => {}, 10);
    clock.setTimeout(() => {}, 20);
    await clock.advance(10);
    clock.clearTimeout(handle);
    clock.clearTimeout(handle);
    clock.clearTimeout(undefined);
    expect(clock.pendingTimers).toBe(1);
  });

  test('may clear another of the same instant', async () => {
    const clock = virtualClock();
    const fired: string[] = [];
    clock.setTimeout(() => {
      fired.push('first');
      clock.clearTimeout(second);
    }, 10);
    const second = clock.setTimeout(() => fired.push('second'), 10);
    await clock.advance(10);
    expect(fired).toEqual(['first']);
  });

  test.each([0, -5, Number.NaN])('with a delay of %d fires now, once time is let pass', async (delayMs) => {
    const clock = virtualClock();
    let fired = 0;
    clock.setTimeout(() => fired++, delayMs);
    expect(fired).toBe(0);
    await clock.advance(0);
    expect([fired, clock.monotonicMs()]).toEqual([1, 0]);
  });

  test('that throws is heard by whoever moves the clock, which can go on', async () => {
    const clock = virtualClock();
    let fired = 0;
    clock.setTimeout(() => {
      throw new Error('a defect');
    }, 10);
    clock.setTimeout(() => fired++, 10);
    await expect(clock.advance(20)).rejects.toThrow('a defect');
    expect([clock.monotonicMs(), clock.pendingTimers]).toEqual([10, 1]);
    await clock.advance(10);
    expect(fired).toBe(1);
  });
});

describe('running until work is done', () => {
  test('gives its result, and goes no further than needed', async () => {
    const clock = virtualClock();
    clock.setTimeout(() => {}, 10_000);
    const result = await clock.runUntil(clock.sleep(70).then(() => 'done'));
    expect([result, clock.monotonicMs(), clock.pendingTimers]).toEqual(['done', 70, 1]);
  });

  test('passes no time for work that is done already', async () => {
    const clock = virtualClock();
    clock.setTimeout(() => {}, 10);
    expect(await clock.runUntil(Promise.resolve(5))).toBe(5);
    expect(clock.monotonicMs()).toBe(0);
  });

  test('gives its error', async () => {
    const clock = virtualClock();
    const work = clock.sleep(10).then(() => Promise.reject(new Error('it failed')));
    await expect(clock.runUntil(work)).rejects.toThrow('it failed');
  });

  test('says so where no timer is left to wait for', async () => {
    const clock = virtualClock();
    const never = new Promise(() => {});
    clock.setTimeout(() => {}, 10);
    clock.clearTimeout(clock.setTimeout(() => {}, 99));
    await expect(clock.runUntil(never)).rejects.toThrow(/no timer left/);
    expect(clock.monotonicMs()).toBe(10);
  });
});

describe('wall time', () => {
  test('begins in 2020 and goes along', async () => {
    const clock = virtualClock();
    expect(new Date(clock.wallMs()).toISOString()).toBe('2020-01-01T00:00:00.000Z');
    await clock.advance(1_500);
    expect(new Date(clock.wallMs()).toISOString()).toBe('2020-01-01T00:00:01.500Z');
  });

  test('may begin elsewhere', () => expect(virtualClock(7).wallMs()).toBe(7));

  test('may jump, either way, while monotonic time goes on and timers keep to it', async () => {
    const clock = virtualClock(1_000_000);
    let firedMs: number | null = null;
    clock.setTimeout(() => {
      firedMs = clock.monotonicMs();
    }, 100);
    clock.jumpWall(-500_000);
    expect([clock.wallMs(), clock.monotonicMs()]).toEqual([500_000, 0]);
    await clock.advance(50);
    clock.jumpWall(3_600_000);
    await clock.advance(50);
    expect([firedMs, clock.wallMs()]).toEqual([100, 4_100_100]);
  });
});
