import { expect, test } from 'vitest';
import { drawChart } from '../../bench/chart.ts';
import type { Measured } from '../../bench/result.ts';

const faster: Measured = {
  name: 'faster-than-bound',
  unit: 'records/s',
  values: [300, 200, 100],
  references: [100],
  referenceName: 'peer',
  better: 'higher',
  bound: { of: 'ratio', limit: 1 },
};
const slower: Measured = {
  ...faster,
  name: 'slower-than-bound',
  values: [50],
  bound: { of: 'value', limit: 80 },
};
const missing: Measured = { ...faster, name: 'not-there', values: [], references: [], skipped: 'no peer' };
const smaller: Measured = { ...faster, name: 'smaller', unit: 'MB', better: 'lower', values: [-5] };
const told: Measured = {
  ...smaller,
  name: 'only-told',
  values: [1_000],
  bound: { of: 'value', limit: 5_000, isCeiling: true },
};

const MET = '#2f7d5b';
const NOT_MET = '#c8452f';
const TOLD = '#5b7fa6';

/** The bars of a colour; the legend has a square of each colour, too. */
const barsOf = (svg: string, colour: string) => svg.split(`fill="${colour}"`).length - 1;
const textsOf = (svg: string) => [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text]) => text);

test('the chart names each row, its value, what it is held against, and says how to read it', () => {
  const texts = textsOf(drawChart([faster, slower, missing, smaller, told], 'one machine'));
  expect(texts).toEqual(expect.arrayContaining(['Headgate: benchmarks', 'one machine', 'value ÷ reference']));
  expect(texts).toEqual(expect.arrayContaining(['met', 'not met', 'told, no bound', 'bound']));
  for (const { name } of [faster, slower, missing, smaller, told]) expect(texts).toContain(name);
  expect(texts).toContain('200 records/s = 2 × peer');
  expect(texts).toContain('50 records/s = 0.5 × peer');
  expect(texts).toContain('1,000 MB = 10 × peer');
  expect(texts).toContain('skipped');
});

test('a bar has the colour of its verdict', () => {
  const svg = drawChart([faster, slower, told], '');
  const none = drawChart([missing], '');
  expect(barsOf(svg, MET) - barsOf(none, MET)).toBe(1);
  expect(barsOf(svg, TOLD) - barsOf(none, TOLD)).toBe(1);
  // The words beside a bar that misses its bound have its colour as well.
  expect(barsOf(svg, NOT_MET) - barsOf(none, NOT_MET)).toBe(2);
});

test('a panel stands only where it has rows, and a chart of nothing is an empty one', () => {
  const texts = textsOf(drawChart([faster], ''));
  expect(texts).toContain('Promised: higher is better');
  expect(texts).not.toContain('Promised: lower is better');
  expect(textsOf(drawChart([], ''))).toContain('Headgate: benchmarks');
});
