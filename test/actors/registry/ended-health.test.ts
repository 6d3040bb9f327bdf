import { expect, test } from 'vitest';
import { EndedHealth } from '../../../actors/registry/ended-health.ts';
import { LIMITS } from '../../../src/domain/limits.ts';
import { Tally } from '../../../src/domain/tally.ts';

interface Health {
  readonly name: string;
  readonly incarnation: number;
  readonly records: number;
}

/** Names that come and go, each counting. */
function random() {
  const ended = new EndedHealth<Health, 'records'>();
  const live = new Map<string, ReturnType<typeof incarnation>>();
  let incarnations = 0;
  const incarnation = (name: string, records: number) => {
    const health = { name, incarnation: ++incarnations, records };
    const tally = ended.tallyOf(name) ?? new Tally(['records']);
    return { name, tally, health: () => health, totals: (of: Health) => tally.totals(of) };
  };
  const running = { runtimes: () => live.values(), has: (name: string) => live.has(name) };
  return {
    comes: (name: string, records: number) => void live.set(name, incarnation(name, records)),
    ends: (name: string) => {
      const rig = live.get(name);
      live.delete(name);
      if (rig !== undefined) ended.keep(rig);
    },
    told: () =>
      ended.stats(running).map(({ name, records, totals }) => [name, records, totals.counts.records]),
    names: () => ended.healths(running).map(({ name }) => name),
  };
}

test('what comes back counts on, and is told once, in order of registration', () => {
  const { comes, ends, told, names } = random();
  comes('a', 3);
  comes('b', 5);
  ends('a');
  expect(told()).toEqual([
    ['a', 3, 3],
    ['b', 5, 5],
  ]);
  comes('a', 4);
  expect(told()).toEqual([
    ['b', 5, 5],
    ['a', 4, 7],
  ]);
  ends('a');
  ends('b');
  comes('a', 1);
  expect([told().at(-1), names()]).toEqual([
    ['a', 1, 8],
    ['b', 'a'],
  ]);
});

test('so many of those that have ended are remembered, the latest, and their counts with them', () => {
  const { comes, ends, told } = random();
  const names = Array.from({ length: LIMITS.endedSourcesKept + 1 }, (_, index) => `s-${index}`);
  for (const name of names) {
    comes(name, 2);
    ends(name);
  }
  expect(told().map(([name]) => name)).toEqual(names.slice(1));
  comes('s-0', 1);
  comes('s-1', 1);
  expect(told().slice(-2)).toEqual([
    ['s-0', 1, 1],
    ['s-1', 1, 3],
  ]);
});
