/** What it takes to read a configuration grows with its size, not with the square of it: otherwise a file within
 *  its limit stops the gateway for minutes. */

import { expect, test } from 'vitest';
import { read } from './config-rig.ts';

const SIZE = 1_000;
const FACTOR = 6;

const repeated = (count: number, line: (n: number) => string) =>
  Array.from({ length: count }, (_, n) => line(n)).join('\n');

const KINDS: readonly (readonly [title: string, make: (count: number) => string])[] = [
  ['unknown names', (count) => repeated(count, (n) => `k${n}: 1`)],
  ['sources', (count) => `sources:\n${repeated(count, (n) => `  s${n}: { type: push }`)}`],
  [
    'references to what is not set',
    (count) => `sources:\n${repeated(count, (n) => `  s${n}: { type: push, tenant: "\${X${n}}" }`)}`,
  ],
  ['misspelt fields', (count) => `sources:\n${repeated(count, (n) => `  s${n}: { type: push, decod: a }`)}`],
  ['names given twice', (count) => `sources:\n${repeated(count, () => '  s: { type: push }')}`],
  [
    'secrets',
    (count) =>
      `sources:\n${repeated(count, (n) => `  s${n}: { type: push, password: "secret-${n}-${'x'.repeat(9)}" }`)}`,
  ],
  [
    'aliases',
    (count) =>
      `sources: &s { a: { type: push } }\nsinks: [${repeated(count, () => '*s,')}]`.replaceAll('\n*', ' *'),
  ],
];

/** Processor time of reading a text, milliseconds; the least of some tries. */
function cpuMs(text: string): number {
  const tries = Array.from({ length: 3 }, () => {
    const before = process.cpuUsage();
    read(text);
    return process.cpuUsage(before).user / 1_000;
  });
  return Math.min(...tries);
}

test.for(KINDS)('reading %s takes time in proportion to their number', ([, make]) => {
  cpuMs(make(SIZE));
  const few = Math.max(cpuMs(make(SIZE)), 1);
  const many = cpuMs(make(SIZE * FACTOR));
  // In proportion it is 6, by the square 36.
  expect(many / few).toBeLessThan(2.5 * FACTOR);
});
