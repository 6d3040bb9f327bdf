/** What it takes to read a configuration grows with its size, not with the square of it: otherwise a file
 *  within its limit stops the gateway for minutes. */

import { describe, expect, test } from 'vitest';
import { readConfigInThread } from '../../../src/gateway/config/read-in-thread.ts';
import { readConfig } from '../../../src/gateway/config/read-config.ts';
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
  [
    'file sources beside file sinks',
    (count) =>
      `sources:\n${repeated(count / 10, (n) => `  s${n}: { type: file, path: in/${n}.csv }`)}\n` +
      `sinks:\n${repeated(count / 10, (n) => `  k${n}: { type: file, path: out/${n}.ndjson }`)}`,
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

describe('a text that is not short is read in a thread', () => {
  const options = { format: 'yaml', file: '/nowhere/edge.yaml', env: { TENANT: 'north' } } as const;
  const sources = repeated(SIZE, (n) => `  s${n}: { type: push, tenant: "\${TENANT}" }`);

  /** Turns that the event loop had until `work` was done. */
  async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
    let turns = 0;
    let isDone = false;
    const done = work().finally(() => (isDone = true));
    while (!isDone) {
      await new Promise((resolve) => setImmediate(resolve));
      turns++;
    }
    await done;
    return turns;
  }

  test('the event loop goes on meanwhile', async () => {
    const large = await turnsDuring(() => readConfigInThread(`sources:\n${sources}`, options));
    const short = await turnsDuring(() => readConfigInThread('sources: {}', options));
    expect(short).toBeLessThanOrEqual(1);
    expect(large).toBeGreaterThan(20);
  });

  test.for([
    ['a valid one', `sources:\n${sources}\nlogging: { level: warn }`],
    ['one that is wrong', `sources:\n${sources}\nlogging: { level: loud }\nlimits: 3`],
    ['one that is no YAML', `sources:\n${sources}\n  {`],
    ['a short one with aliases', 'sources: { a: &a { type: push }, b: *a }'],
  ])('the result is the same: %s', async ([, text]) => {
    expect(await readConfigInThread(text as string, options)).toStrictEqual(
      readConfig(text as string, options),
    );
  });
});
