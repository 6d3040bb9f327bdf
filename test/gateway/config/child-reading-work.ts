/** Run as a process: writes the work of reading each large configuration with so many entries and with twice
 *  as many, as JSON. */

import { readConfig } from '../../../src/gateway/config/read-config.ts';
import { workOf } from '../../support/work-count.ts';
import { LARGE_CONFIGS } from './large-configs.ts';

/** The part of the largest size that is counted. */
const SHARE = 1 / 40;

const counts: Record<string, [number, number]> = {};
for (const [title, countMax, make] of LARGE_CONFIGS) {
  const read = (count: number) => {
    const text = make(count);
    return workOf(() => readConfig(text, { format: 'yaml', file: '/nowhere/edge.yaml', env: {} }));
  };
  // What is done once, at the first reading, is no part of it.
  await read(75);
  counts[title] = [await read(countMax * SHARE), await read(2 * countMax * SHARE)];
}
// Each with each, in ways that V8 counts and in one that it does not.
const pairs = (count: number) => {
  const names = Array.from({ length: count }, (_, n) => n);
  return workOf(() => names.filter((name) => names.some((other) => other === name + count)));
};
const searches = (count: number) => {
  const names = Array.from({ length: count }, (_, n) => n);
  return workOf(() => names.filter((name) => names.includes(name + count)));
};
counts['control: pairs'] = [await pairs(500), await pairs(1_000)];
counts['control: searches'] = [await searches(500), await searches(1_000)];
process.stdout.write(JSON.stringify(counts));
