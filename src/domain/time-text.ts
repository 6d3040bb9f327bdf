/** Times as people write them: epoch milliseconds, ISO 8601, or how long ago (`-10m`). */

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** How long ago. */
export const RELATIVE_TIME = /^(?:now)?-(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;
const ISO =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?(Z|[+-]\d{2}:?\d{2})?)?$/i;

/** The last moment a JavaScript date can tell. */
const EPOCH_MS_MAX = 8_640_000_000_000_000;

/** What a time may look like, for messages and help. */
export const TIME_FORMS =
  'epoch milliseconds, ISO 8601 (2026-11-22T03:12, local without Z or +01:00), or -10m (ms, s, m, h, d)';

/** A span for messages: in seconds where it is whole tenths of them, as `10 s`, else in milliseconds. */
export function shownSpan(ms: number): string {
  return ms >= UNIT_MS.s && ms % 100 === 0 ? `${ms / UNIT_MS.s} s` : `${ms} ms`;
}

/** Reads a time; null if it is none. Without an offset an ISO time is local, a bare date local midnight. */
export function parseTime(text: string, nowMs: number): number | null {
  if (text === 'now') return nowMs;
  if (/^\d+$/.test(text)) return Number(text) <= EPOCH_MS_MAX ? Number(text) : null;
  const relative = RELATIVE_TIME.exec(text);
  if (relative !== null) {
    const unitMs = UNIT_MS[relative[2] as keyof typeof UNIT_MS];
    return Math.round(nowMs - Number(relative[1]) * unitMs);
  }
  return parseIso(text);
}

function parseIso(text: string): number | null {
  const match = ISO.exec(text);
  if (match === null) return null;
  const [year, month, day, hour, minute, second] = match
    .slice(1, 7)
    .map((part) => Number(part ?? 0)) as FieldTuple;
  const ms = Math.floor(Number(`0.${match[7] ?? 0}`) * 1_000);
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return null;
  if (hour > 24 || minute > 59 || second > 59) return null;
  if (hour === 24 && minute + second + ms > 0) return null;
  const offset = match[8];
  if (offset === undefined) return new Date(year, month - 1, day, hour, minute, second, ms).getTime();
  return Date.UTC(year, month - 1, day, hour, minute, second, ms) - offsetMs(offset);
}

type FieldTuple = [number, number, number, number, number, number];

function daysIn(year: number, month: number): number {
  return new Date(Date.UTC(year, month, 0)).getUTCDate();
}

function offsetMs(offset: string): number {
  if (offset.toUpperCase() === 'Z') return 0;
  const digits = offset.replace(':', '');
  const minutes = Number(digits.slice(1, 3)) * 60 + Number(digits.slice(3, 5));
  return (digits.startsWith('-') ? -minutes : minutes) * UNIT_MS.m;
}
