/** Reports of one run about the wall clock: that it jumped, or that it was wrong at the start. */

import type { AlertDispatcher } from '../../actors/alerts/alert-dispatcher.ts';
import type { TimelineObserver } from '../../actors/timeline/timeline-observer.ts';
import type { EventStore } from '../../storage/event-store.ts';
import { EARLIEST_WALL_MS, type Clock } from '../domain/clock.ts';
import { LIMITS } from '../domain/limits.ts';
import type { ClockJump } from '../platform/watched-clock.ts';

const MINUTE_MS = 60_000;
const ACTOR = 'healthMonitor';

const NOTHING_GOES = 'nothing stored is deleted for it, and windows and waits go on';

export interface ClockReportParts {
  readonly clock: Clock;
  readonly observer: TimelineObserver;
  readonly dispatcher: AlertDispatcher;
}

/** Writes a row and raises an alert for each jump; of a clock that jumps all the time, so many a minute. */
export function jumpReporter({ clock, observer, dispatcher }: ClockReportParts): (jump: ClockJump) => void {
  let minute = -1;
  let told = 0;
  let suppressed = 0;
  return ({ jumpMs, fromMs, toMs }) => {
    const thisMinute = Math.floor(clock.monotonicMs() / MINUTE_MS);
    if (thisMinute !== minute) [minute, told] = [thisMinute, 0];
    if (told >= LIMITS.clockRowsPerMinuteMax) {
      suppressed++;
      return;
    }
    told++;
    const data = { jumpMs, ...(suppressed === 0 ? {} : { suppressed }) };
    suppressed = 0;
    const row = { kind: 'clock', event: 'clock.jumped', data, actorId: ACTOR, cause: null } as const;
    const cause = observer.append(row);
    const direction = jumpMs > 0 ? 'forward' : 'back';
    const message =
      `the wall clock jumped ${direction} by ${spanOf(jumpMs)}, from ${timeOf(fromMs)} to ${timeOf(toMs)}; ` +
      `${NOTHING_GOES}. Let one time service slew the clock`;
    const facts = { event: 'CLOCK_JUMP', severity: 'warning', sourceId: null, timestamp: toMs } as const;
    dispatcher.raise({ ...facts, message, details: { ...data, direction, fromMs, toMs } }, ACTOR, cause);
  };
}

/** A clock that was never set, that is behind what was stored before, or so far ahead of it that no outage
 *  explains it. To be called at the start. */
export function noteClockAtStart(
  store: Pick<EventStore, 'previousRun'> | null,
  parts: ClockReportParts,
): void {
  const wallMs = parts.clock.wallMs();
  const previous = store?.previousRun ?? null;
  const lastAtMs = previous?.lastAtMs ?? null;
  const isBehind = lastAtMs !== null && wallMs < lastAtMs - LIMITS.clockJumpMs;
  if (wallMs < EARLIEST_WALL_MS || isBehind) noteBehind(parts, { wallMs, lastAtMs, isBehind });
  else if (previous !== null) noteAhead(parts, wallMs, previous.latestAtMs);
}

interface Behind {
  readonly wallMs: number;
  readonly lastAtMs: number | null;
  readonly isBehind: boolean;
}

function noteBehind(
  { observer, dispatcher }: ClockReportParts,
  { wallMs, lastAtMs, isBehind }: Behind,
): void {
  const jumpMs = lastAtMs === null ? null : Math.round(wallMs - lastAtMs);
  const data = { wallMs, lastAtMs, ...(jumpMs === null ? {} : { jumpMs }) };
  const row = { kind: 'clock', event: 'clock.behind', data, actorId: ACTOR, cause: null } as const;
  const cause = observer.append(row);
  const why = isBehind
    ? `${spanOf(jumpMs ?? 0)} before the end of the run before`
    : 'a time before any gateway was built';
  const message =
    `the wall clock says ${timeOf(wallMs)}, ${why}; rows bear that time until it is set, and ` +
    'nothing stored is deleted for it. Set it, and let the gateway start after time synchronisation';
  const facts = { event: 'CLOCK_BEHIND', severity: 'warning', sourceId: null, timestamp: wallMs } as const;
  dispatcher.raise({ ...facts, message, details: data }, ACTOR, cause);
}

/** A database whose latest time is that of a clock that was never set says nothing about this one. */
function noteAhead({ observer, dispatcher }: ClockReportParts, wallMs: number, latestAtMs: number): void {
  const jumpMs = Math.round(wallMs - latestAtMs);
  if (jumpMs < LIMITS.clockAheadMs || latestAtMs < EARLIEST_WALL_MS) return;
  const data = { jumpMs, wallMs, lastAtMs: latestAtMs };
  const row = { kind: 'clock', event: 'clock.ahead', data, actorId: ACTOR, cause: null } as const;
  const cause = observer.append(row);
  const message =
    `the wall clock says ${timeOf(wallMs)}, ${spanOf(jumpMs)} after the latest time in the database, ` +
    `${timeOf(latestAtMs)}; where the gateway was not away for so long, the clock is wrong. Rows bear that ` +
    'time until it is set. Look at it, and let the gateway start after time synchronisation';
  const facts = { event: 'CLOCK_JUMP', severity: 'warning', sourceId: null, timestamp: wallMs } as const;
  const details = { ...data, direction: 'forward', fromMs: latestAtMs, toMs: wallMs };
  dispatcher.raise({ ...facts, message, details }, ACTOR, cause);
}

/** The last moment a date can tell. */
const DATE_MS_MAX = 8_640_000_000_000_000;

function timeOf(ms: number): string {
  return Math.abs(ms) > DATE_MS_MAX ? `${Math.round(ms)} ms` : new Date(Math.round(ms)).toISOString();
}

const UNITS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
] as const;

function spanOf(ms: number): string {
  const lengthMs = Math.abs(ms);
  for (const [unit, unitMs] of UNITS) {
    if (lengthMs < 2 * unitMs) continue;
    return `${Math.round(lengthMs / unitMs).toLocaleString('en')} ${unit}s`;
  }
  return lengthMs < 10_000 ? `${Math.round(lengthMs)} ms` : `${Math.round(lengthMs / 1_000)} s`;
}
