/** Time as the engine sees it. One clock is handed in at the composition root and reaches every part from
 *  there. */

/** What {@link Clock.setTimeout} returns; only good for {@link Clock.clearTimeout} of the same clock. */
export type TimerHandle = unknown;

export interface Clock {
  /** Wall time in epoch milliseconds. May jump; rows and schedules carry it, windows and waits never use it.
   *  */
  wallMs(): number;
  /** Milliseconds since an arbitrary start, never going back. Windows, waits and timeouts run on it. */
  monotonicMs(): number;
  /** Calls `callback` once, about `delayMs` from now: timers of the runtime may come a fraction of a
   *  millisecond early. */
  setTimeout(callback: () => void, delayMs: number): TimerHandle;
  clearTimeout(handle: TimerHandle): void;
  /** Resolves after `delayMs`, or as soon as `signal` aborts. Never rejects: look at the signal afterwards.
   *  */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
  /** How long ago the wall clock said `wallMs`, whatever jumps came since, milliseconds. A clock that cannot
   *  tell leaves it out: see {@link ageOf}. */
  ageMs?(wallMs: number): number;
}

/** How long ago `clock` said `wallMs`, milliseconds, never negative. */
export function ageOf(clock: Clock, wallMs: number): number {
  return clock.ageMs?.(wallMs) ?? Math.max(0, clock.wallMs() - wallMs);
}

/** No gateway was ever built before: a wall clock that says less was never set. */
export const EARLIEST_WALL_MS = Date.UTC(2020, 0, 1);

/** {@link Clock.sleep} for any pair of timer functions. */
export function sleepOn(
  clock: Pick<Clock, 'setTimeout' | 'clearTimeout'>,
  delayMs: number,
  signal?: AbortSignal,
): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) {
      resolve();
      return;
    }
    const wake = () => {
      clock.clearTimeout(timer);
      signal?.removeEventListener('abort', wake);
      resolve();
    };
    const timer = clock.setTimeout(wake, delayMs);
    signal?.addEventListener('abort', wake, { once: true });
  });
}
