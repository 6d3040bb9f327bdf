/** Whether the clock of this machine can be believed. */

import type { Clock } from '../domain/clock.ts';
import { ok, problem, warning, type Check, type Verdict } from './check.ts';
import type { ForeignTime } from './link-checks.ts';

/** No gateway of today has an earlier time; without a battery they begin in 1970. */
const EARLIEST_MS = Date.UTC(2026, 0, 1);
const SKEW_MS_WARNING = 2_000;
const SKEW_MS_PROBLEM = 60_000;
const JUMP_MS_WARNING = 50;
/** The header has seconds only. */
const DATE_RESOLUTION_MS = 1_000;

export interface ClockReading {
  readonly wallMs: number;
  readonly monotonicMs: number;
}

export function readClock(clock: Clock): ClockReading {
  return { wallMs: clock.wallMs(), monotonicMs: clock.monotonicMs() };
}

/** To be run last: `since` is what the clock said first, `times` what answers said of theirs. */
export function clockChecks(
  clock: Clock,
  since: ClockReading,
  times: readonly ForeignTime[],
  timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone,
): Check[] {
  const local = (subject: string, run: () => Verdict): Check => ({ subject, isService: false, run });
  return [
    local('clock', () => timeVerdict(clock.wallMs(), timeZone)),
    local('clock jumps', () => jumpVerdict(since, readClock(clock))),
    local('clock skew', () => skewVerdict(times)),
  ];
}

function timeVerdict(wallMs: number, timeZone: string): Verdict {
  const is = `it is ${new Date(wallMs).toISOString()}, time zone ${timeZone}`;
  if (wallMs >= EARLIEST_MS) return ok(is);
  return problem(
    `${is}: the clock was never set`,
    'set it, and let the gateway start after time synchronisation (systemd: After=time-sync.target)',
  );
}

function jumpVerdict(before: ClockReading, now: ClockReading): Verdict {
  const passedMs = now.monotonicMs - before.monotonicMs;
  const jumpMs = Math.round(now.wallMs - before.wallMs - passedMs);
  if (Math.abs(jumpMs) < JUMP_MS_WARNING) return ok(`steady over ${(passedMs / 1_000).toFixed(1)} s`);
  return warning(
    `it jumped by ${jumpMs} ms within ${(passedMs / 1_000).toFixed(1)} s`,
    'something sets it in steps: let one time service slew it (chrony, systemd-timesyncd)',
  );
}

/** The least that any of them differs by: one server may be wrong, all of them hardly. */
function skewVerdict(times: readonly ForeignTime[]): Verdict {
  const skews = times.map(({ host, theirWallMs, ourWallMs, tookMs }) => {
    // What ours may be ahead by: at most as if they had answered now, at least as if when they were asked.
    const atMostMs = ourWallMs - theirWallMs;
    const atLeastMs = atMostMs - tookMs - DATE_RESOLUTION_MS;
    const skewMs = atLeastMs > 0 ? atLeastMs : Math.min(atMostMs, 0);
    return { host, skewMs };
  });
  const best = skews.toSorted((a, b) => Math.abs(a.skewMs) - Math.abs(b.skewMs))[0];
  if (best === undefined) return ok('no server was there to compare it with');
  const seconds = (Math.abs(best.skewMs) / 1_000).toFixed(1);
  if (Math.abs(best.skewMs) < SKEW_MS_WARNING) return ok(`agrees with that of ${best.host}`);
  const is = `${seconds} s ${best.skewMs > 0 ? 'ahead of' : 'behind'} that of ${best.host}`;
  const remedy = 'run a time service: timedatectl set-ntp true';
  return Math.abs(best.skewMs) < SKEW_MS_PROBLEM ? warning(is, remedy) : problem(is, remedy);
}
