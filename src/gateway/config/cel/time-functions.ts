/** Parts of timestamps and of durations. */

import { charge } from './budget.ts';
import { secondsOf } from './conversions.ts';
import { overload, type Overload } from './overloads.ts';
import { EvaluationError, type Duration, type Timestamp } from './values.ts';

const NANOS_A_MS = 1_000_000n;
const NANOS_A_SECOND = 1_000_000_000n;
const MS_A_DAY = 86_400_000;

/** A moment as the clock of a place shows it, in milliseconds as if that were UTC. */
function shownMs({ nanos }: Timestamp, zone: string | undefined): number {
  const seconds = secondsOf(nanos);
  const ms = Number(seconds) * 1_000 + Number((nanos - seconds * NANOS_A_SECOND) / NANOS_A_MS);
  return zone === undefined ? ms : ms + offsetMs(ms, zone);
}

const FIXED_OFFSET = /^([+-]?)(\d\d):(\d\d)$/;

function offsetMs(ms: number, zone: string): number {
  const [fixed, sign, hours, minutes] = FIXED_OFFSET.exec(zone) ?? [];
  if (fixed === undefined) return zoneOffsetMs(ms, zone);
  const offset = (Number(hours) * 60 + Number(minutes)) * 60_000;
  return sign === '-' ? -offset : offset;
}

/** By name. A clock of a zone is slow to make; where there are too many, all go. */
const clocks = new Map<string, Intl.DateTimeFormat>();
const CLOCKS_MAX = 50;
const MAKE_CLOCK_STEPS = 10_000;
const READ_CLOCK_STEPS = 200;
const ZONE_CHARS_MAX = 64;

function clockOf(zone: string): Intl.DateTimeFormat {
  const known = clocks.get(zone);
  if (known !== undefined) return known;
  charge(MAKE_CLOCK_STEPS);
  const made = makeClock(zone);
  if (clocks.size >= CLOCKS_MAX) clocks.clear();
  clocks.set(zone, made);
  return made;
}

function makeClock(zone: string): Intl.DateTimeFormat {
  const parts = { year: 'numeric', month: 'numeric', day: 'numeric' } as const;
  const clock = { hour: 'numeric', minute: 'numeric', second: 'numeric', hourCycle: 'h23' } as const;
  try {
    if (zone.length > ZONE_CHARS_MAX) throw new RangeError();
    return new Intl.DateTimeFormat('en-US', {
      ...parts,
      ...clock,
      era: 'short',
      timeZone: zone,
      calendar: 'gregory',
    });
  } catch {
    throw new EvaluationError(`unknown time zone "${zone.slice(0, ZONE_CHARS_MAX)}"`);
  }
}

function zoneOffsetMs(ms: number, zone: string): number {
  const clock = clockOf(zone);
  charge(READ_CLOCK_STEPS);
  const parts: Record<string, string> = {};
  for (const { type, value } of clock.formatToParts(ms)) parts[type] = value;
  const of = (type: string) => Number(parts[type]);
  const year = parts['era'] === 'BC' ? 1 - of('year') : of('year');
  const shown = new Date(Date.UTC(2000, of('month') - 1, of('day'), of('hour'), of('minute'), of('second')));
  // Date.UTC takes the years 0 to 99 for those of the 20th century.
  shown.setUTCFullYear(year, of('month') - 1, of('day'));
  return shown.getTime() - Math.floor(ms / 1_000) * 1_000;
}

function dayOfYear(date: Date): number {
  const first = new Date(date.getTime());
  first.setUTCMonth(0, 1);
  return Math.round((date.getTime() - first.getTime()) / MS_A_DAY);
}

function part(read: (date: Date) => number): Overload[] {
  const of = (moment: Timestamp, zone?: string) => BigInt(read(new Date(shownMs(moment, zone))));
  return [overload(['timestamp'], 'int', of), overload(['timestamp', 'string'], 'int', of)];
}

/** Of a duration: all of it in that unit, rounded towards zero. */
function whole(unitNanos: bigint): Overload {
  return overload(['duration'], 'int', ({ nanos }: Duration) => nanos / unitNanos);
}

export const TIME_FUNCTIONS: Readonly<Record<string, readonly Overload[]>> = {
  '.getFullYear': part((date) => date.getUTCFullYear()),
  '.getMonth': part((date) => date.getUTCMonth()),
  '.getDate': part((date) => date.getUTCDate()),
  '.getDayOfMonth': part((date) => date.getUTCDate() - 1),
  '.getDayOfWeek': part((date) => date.getUTCDay()),
  '.getDayOfYear': part(dayOfYear),
  '.getHours': [...part((date) => date.getUTCHours()), whole(3_600_000_000_000n)],
  '.getMinutes': [...part((date) => date.getUTCMinutes()), whole(60_000_000_000n)],
  '.getSeconds': [...part((date) => date.getUTCSeconds()), whole(1_000_000_000n)],
  '.getMilliseconds': [
    ...part((date) => date.getUTCMilliseconds()),
    overload(['duration'], 'int', ({ nanos }: Duration) => (nanos % 1_000_000_000n) / NANOS_A_MS),
  ],
};
