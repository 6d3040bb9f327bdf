/** Lines of the log for a person: `12:04:05.123 WARN  the broker hung up  source=plc-7 code=HG_LINK_LOST`. */

import { styleText } from 'node:util';
import { printable } from '../domain/printable-text.ts';

type Style = Parameters<typeof styleText>[0];

const LEVEL_STYLES: Readonly<Record<string, Style>> = {
  debug: 'gray',
  info: 'green',
  warn: 'yellow',
  error: 'red',
  fatal: 'red',
};

/** Fields with a place of their own in the line, or the same in each. */
const PLACED = new Set(['level', 'time', 'name', 'msg']);

/** `line`: one line of pino's JSON. Characters that would act on a terminal are shown as escapes. */
export function readableLine(line: string, colours: boolean): string {
  const fields = JSON.parse(line) as Record<string, unknown>;
  const { level, time, msg } = fields;
  const style = (how: Style, text: string) =>
    colours ? styleText(how, text, { validateStream: false }) : text;
  const name = printable(String(level));
  const facts = Object.entries(fields)
    .filter(([key, value]) => !PLACED.has(key) && value !== undefined && value !== null)
    .map(([key, value]) => `${printable(key)}=${readableValue(value)}`);
  return [
    localTime(String(time)),
    style(LEVEL_STYLES[name] ?? 'cyan', name.toUpperCase().padEnd(5)),
    printable(String(msg)),
    ...(facts.length === 0 ? [] : [style('gray', facts.join(' '))]),
  ].join(' ');
}

/** Hours to milliseconds, in the zone of the process. */
function localTime(iso: string): string {
  const time = new Date(iso);
  const pad = (value: number, digits = 2) => String(value).padStart(digits, '0');
  const clock = [time.getHours(), time.getMinutes(), time.getSeconds()].map((part) => pad(part)).join(':');
  return `${clock}.${pad(time.getMilliseconds(), 3)}`;
}

function readableValue(value: unknown): string {
  if (typeof value === 'string' && /^[^\s"=]+$/.test(value)) return printable(value);
  return printable(JSON.stringify(value));
}
