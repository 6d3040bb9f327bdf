import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { BENCHES } from '../../bench/benches.ts';

const rows = BENCHES.flatMap((bench) => bench.rows);

test('no two benchmarks print a row of one name', () => {
  expect(new Set(rows).size).toBe(rows.length);
});

test('the docs say of each row what it measures', () => {
  const docs = readFileSync(new URL('../../docs/benchmarks.md', import.meta.url), 'utf8');
  const described = docs
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .flatMap((line) => [...(line.split(' | ')[0] ?? '').matchAll(/`([^`]+)`/g)].map(([, name]) => name));
  expect(rows.filter((row) => !described.includes(row))).toEqual([]);
});
