/** Values of options and arguments that several commands take. */

import { InvalidArgumentError } from 'commander';
import { realClock } from '../platform/real-clock.ts';
import { parseTime, TIME_FORMS } from './time-argument.ts';

export function time(text: string): number {
  const atMs = parseTime(text, realClock.wallMs());
  if (atMs === null) throw new InvalidArgumentError(`A time is ${TIME_FORMS}.`);
  return atMs;
}

export function wholeNumber(text: string): number {
  const value = Number(text);
  if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(value))
    throw new InvalidArgumentError('A whole number is needed.');
  return value;
}
