/** What the burst demo must come to, worked out the slow way: every window is counted anew from the list
 *  of all times. */

export interface ExpectedBurst {
  readonly ingested: number;
  readonly dropped: number;
  /** Milliseconds since the start of the record that raised the alert and of the oldest in its window. */
  readonly alerts: readonly {
    readonly atMs: number;
    readonly oldestMs: number;
    readonly windowRecords: number;
  }[];
}

/** When the source emits, up to `untilMs`: 50 times after 1 ms, 10 times after 200 ms, and again. */
export function arrivalsUntil(untilMs: number): number[] {
  const times: number[] = [];
  let nowMs = 0;
  for (;;) {
    for (let step = 0; step < 60; step++) {
      nowMs += step < 50 ? 1 : 200;
      if (nowMs >= untilMs) return times;
      times.push(nowMs);
    }
  }
}

const inWindow = (times: readonly number[], nowMs: number, windowMs: number) =>
  times.filter((timeMs) => timeMs > nowMs - windowMs && timeMs <= nowMs);

/** Goes through time millisecond by millisecond. */
export function expectedBurst(untilMs: number, limitPerSecond: number): ExpectedBurst {
  const arrivals = arrivalsUntil(untilMs);
  const passed: number[] = [];
  const alerts: { atMs: number; oldestMs: number; windowRecords: number }[] = [];
  let waiting = 0;
  let dropped = 0;
  let pausedUntilMs = 0;
  let isBursting = false;
  for (let nowMs = 0; nowMs < untilMs; nowMs++) {
    const arriving = arrivals.filter((timeMs) => timeMs === nowMs).length;
    waiting += arriving;

    const window = inWindow(
      arrivals.filter((timeMs) => timeMs <= nowMs),
      nowMs,
      500,
    );
    if (window.length <= 30) isBursting = false;
    else if (!isBursting) {
      isBursting = true;
      alerts.push({ atMs: nowMs, oldestMs: Math.min(...window), windowRecords: window.length });
    }

    while (waiting > 0 && nowMs >= pausedUntilMs) {
      waiting--;
      if (inWindow(passed, nowMs, 1_000).length < limitPerSecond) {
        passed.push(nowMs);
      } else {
        dropped++;
        pausedUntilMs = nowMs + 10;
      }
    }
  }
  return { ingested: passed.length, dropped, alerts };
}
