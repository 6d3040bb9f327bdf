/** Values of rows as a person reads them: times, durations, states, data. */

import { printable } from './printable.ts';

/** Local ISO time with milliseconds and offset: `2026-11-22T03:12:04.123+01:00`. The command reads it back as
 *  it is. */
export function readableTime(atMs: unknown): string {
  const date = new Date(typeof atMs === 'number' ? atMs : Number.NaN);
  if (Number.isNaN(date.getTime())) return '-';
  const day = `${pad(date.getFullYear(), 4)}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
  const time = `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
  return `${day}T${time}.${pad(date.getMilliseconds(), 3)}${readableOffset(-date.getTimezoneOffset())}`;
}

function readableOffset(minutes: number): string {
  if (minutes === 0) return 'Z';
  const size = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${pad(Math.floor(size / 60))}:${pad(size % 60)}`;
}

function pad(value: number, digits = 2): string {
  return String(value).padStart(digits, '0');
}

/** Two units at most: `12 ms`, `3.2 s`, `4 min 5 s`, `3 h 12 min`, `2 d 5 h`. */
export function readableDuration(durationMs: number): string {
  const ms = Math.max(0, Math.round(durationMs));
  if (ms < 1_000) return `${ms} ms`;
  if (ms < 60_000) return `${Math.floor(ms / 100) / 10} s`;
  const seconds = Math.floor(ms / 1_000);
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1_440) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  const hours = Math.floor(minutes / 60);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** A cell: text made printable, nothing for null. */
export function readableCell(value: unknown): string {
  if (value === null || value === undefined) return '';
  return printable(typeof value === 'string' ? value : JSON.stringify(value));
}

/** `connecting → backingOff`; where nothing changed, the state; where only one side is known, that one. */
export function readableChange(from: unknown, to: unknown): string {
  const before = readableCell(from);
  const after = readableCell(to);
  if (before === after) return after;
  if (before === '') return `→ ${after}`;
  return after === '' ? `${before} →` : `${before} → ${after}`;
}

/** A row's data on one line: `code=HG_LINK_REFUSED message="no route"`. */
export function readableData(data: unknown): string {
  if (data === null || data === undefined) return '';
  if (typeof data !== 'object' || Array.isArray(data)) return readableCell(data);
  return Object.entries(data)
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([key, value]) => `${printable(key)}=${readableValue(value)}`)
    .join(' ');
}

/** The message in a row's data: `the broker hung up`; empty where there is none. */
export function readableWords(data: unknown): string {
  if (!isPlainObject(data)) return '';
  const { message, error } = data;
  return typeof message === 'string' ? printable(message) : readableWords(error);
}

/** A row's data as the reason for it: what happened in words first, `the broker hung up (HG_LINK_LOST)`. */
export function readableReason(data: unknown): string {
  if (!isPlainObject(data)) return readableData(data);
  const { message, code, error, ...rest } = data;
  if (isPlainObject(error) && message === undefined) return readableReason({ ...rest, ...error });
  const words = typeof message === 'string' ? printable(message) : '';
  if (words === '') return readableData(data);
  const coded = typeof code === 'string' ? `${words} (${printable(code)})` : words;
  return [coded, readableData(error === undefined ? rest : { ...rest, error })].filter(Boolean).join('  ');
}

function isPlainObject(data: unknown): data is Record<string, unknown> {
  return typeof data === 'object' && data !== null && !Array.isArray(data);
}

function readableValue(value: unknown): string {
  if (typeof value === 'string' && /^[^\s"=]+$/.test(value)) return printable(value);
  return printable(JSON.stringify(value));
}

type StateColour = 'green' | 'yellow' | 'red' | 'gray' | 'cyan';

const STATE_COLOURS: Readonly<Record<string, StateColour>> = {
  streaming: 'green',
  connecting: 'cyan',
  degraded: 'yellow',
  backingOff: 'yellow',
  circuitOpen: 'red',
  quarantined: 'red',
  failed: 'red',
  paused: 'gray',
  draining: 'gray',
  stopped: 'gray',
  limiting: 'yellow',
  bursting: 'yellow',
  stalled: 'red',
};

export function stateColour(state: unknown): StateColour | undefined {
  return typeof state === 'string' ? STATE_COLOURS[state] : undefined;
}

const SEVERITY_COLOURS: Readonly<Record<string, StateColour>> = {
  warning: 'yellow',
  critical: 'red',
  info: 'cyan',
};

export function severityColour(severity: unknown): StateColour | undefined {
  return typeof severity === 'string' ? SEVERITY_COLOURS[severity] : undefined;
}
