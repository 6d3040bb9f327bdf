import { expect, test } from 'vitest';
import { inTurn } from '../../bench/bench.ts';
import { rowOf, type Measured } from '../../bench/result.ts';

const measured: Measured = {
  name: 'one',
  unit: 'messages/s',
  values: [90, 10, 80],
  references: [100, 300, 200, 100],
  referenceName: 'peer',
  better: 'higher',
  bound: { of: 'ratio', limit: 0.5 },
};

test('a row holds medians, and the ratio is judged by the bound', () => {
  expect(rowOf(measured)).toMatchObject({
    value: 80,
    reference: 150,
    ratio: 80 / 150,
    bound: 0.5,
    met: true,
  });
  expect(rowOf({ ...measured, bound: { of: 'ratio', limit: 0.6 } }).met).toBe(false);
  expect(rowOf({ ...measured, better: 'lower' }).met).toBe(false);
  expect(rowOf({ ...measured, bound: { of: 'value', limit: 80 } }).met).toBe(true);
});

test('a row that could not be measured says why, has numbers all the same, and does not meet its bound', () => {
  const row = rowOf({ ...measured, values: [], references: [], skipped: 'no broker' });
  expect(row).toMatchObject({ value: 0, reference: 0, ratio: 0, met: false, skipped: 'no broker' });
  expect(row).toMatchObject({ name: 'one', unit: 'messages/s', bound: 0.5, better: 'higher' });
});

test('the sides of a benchmark are measured one at a time, and who goes first takes turns', async () => {
  const order: string[] = [];
  let isBusy = false;
  const side = (name: string) => async () => {
    expect(isBusy).toBe(false);
    isBusy = true;
    await Promise.resolve();
    isBusy = false;
    order.push(name);
    return `${name}${order.length}`;
  };
  expect(await inTurn(3, side('a'), side('b'))).toEqual([
    ['a1', 'a4', 'a5'],
    ['b2', 'b3', 'b6'],
  ]);
});
