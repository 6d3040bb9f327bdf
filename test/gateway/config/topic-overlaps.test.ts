/** Topics of sinks against topics of sources: the same as by comparing each with each, for work that grows
 *  with their number. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { loopFindings } from '../../../src/gateway/config/loop-check.ts';
import { TopicOverlaps } from '../../../src/gateway/config/topic-overlaps.ts';
import { WorkBudget } from '../../../src/gateway/config/work-budget.ts';
import { LIMITS } from '../../../src/domain/limits.ts';
import { configOf } from './config-rig.ts';
import { slowTakers } from './topic-loops-oracle.ts';

/** As {@link slowTakers}, for several topics. */
function takers(
  topics: readonly string[],
  listeners: readonly (readonly string[])[],
  sourceIds: readonly string[],
): number[][] {
  const overlaps = new TopicOverlaps(sourceIds, new WorkBudget(LIMITS.loopCheckStepsMax));
  for (const [listener, filters] of listeners.entries()) {
    for (const [filter, text] of filters.entries()) overlaps.addFilter(text, { listener, filter });
  }
  const ends = topics.map((topic) => overlaps.addTemplate(topic));
  overlaps.compare();
  return ends.map((end) => {
    const found = end === null ? [] : overlaps.takersOf(end, listeners.length);
    const byListener = new Map(found.map(({ listener, filter }) => [listener, filter]));
    return listeners.map((_, listener) => byListener.get(listener) ?? -1);
  });
}

const PIECES = ['a', 'b', 'ab', '-', '$', ''];
const FIELDS = ['{data.x}', '{data.y.z}', '{sourceId}', '{sourceId}', '{tenant}'];

const joined = (parts: readonly string[], separator: string, max: number) =>
  fc.array(fc.constantFrom(...parts), { minLength: 1, maxLength: max }).map((all) => all.join(separator));

const templates = fc
  .array(joined([...PIECES, ...FIELDS], '', 4), { minLength: 1, maxLength: 5 })
  .map((levels) => levels.join('/'))
  .filter((topic) => topic !== '');

const filters = fc
  .record({
    levels: fc.array(fc.oneof(fc.constant('+'), joined([...PIECES, 'aa', 'aba', 'b-a', 'default'], '', 3)), {
      minLength: 1,
      maxLength: 6,
    }),
    isOpen: fc.boolean(),
  })
  .map(({ levels, isOpen }) => (isOpen ? [...levels.slice(1), '#'] : levels).join('/'))
  .filter((filter) => filter !== '' && !filter.startsWith('$share/'));

const fields = fc.record({
  topics: fc.array(templates, { minLength: 1, maxLength: 6 }),
  listeners: fc.array(fc.array(filters, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 8 }),
  sourceIds: fc.uniqueArray(fc.constantFrom('a', 'b', 'ab', 'aba', 'a-b', 'aa'), { maxLength: 4 }),
});

test('each sink is found with the same sources as by comparing each with each', () => {
  let matches = 0;
  fc.assert(
    fc.property(fields, ({ topics, listeners, sourceIds }) => {
      const slow = topics.map((topic) => slowTakers(topic, listeners, sourceIds));
      matches += slow.flat().filter((one) => one >= 0).length;
      expect(takers(topics, listeners, sourceIds)).toEqual(slow);
    }),
    { numRuns: 3_000 },
  );
  expect(matches).toBeGreaterThan(1_000);
});

describe('what a field may be:', () => {
  test.each([
    // The id of a source is the same wherever it stands.
    ['{sourceId}/{sourceId}', 'a/a', true],
    ['{sourceId}/{sourceId}', 'a/b', false],
    ['{sourceId}/{sourceId}', '+/b', true],
    ['{sourceId}/{data.x}', 'c/x', false],
    ['{sourceId}-{data.x}-{sourceId}', 'a-x-b', false],
    ['{sourceId}-{data.x}-{sourceId}', 'a-x/y-a', true],
    // A field may hold further levels.
    ['{data.x}/end', 'x/y/end', true],
    ['a{data.x}z', 'b/z', false],
    // Wildcards at the first level leave out topics of the broker.
    ['$SYS/{data.x}', '#', false],
    ['$SYS/{data.x}', '$SYS/#', true],
    ['{data.x}/up', '$SYS/up', true],
  ])('%s and %s: %s', (topic, filter, isTaken) => {
    expect(takers([topic], [[filter]], ['a', 'b'])).toEqual([[isTaken ? 0 : -1]]);
  });
});

/** Steps for a gateway of so many MQTT sources and sinks, at one broker. */
function stepsFor(
  count: { readonly sources: number; readonly sinks: number },
  filter: (n: number) => string,
  topic: (n: number) => string,
): number {
  const base = configOf(`
sources: { one: { type: mqtt, url: 'mqtt://broker', topics: t } }
sinks: { out: { type: mqtt, url: 'mqtt://broker', topic: t } }
`);
  const entries = <Entry>(total: number, make: (n: number) => readonly [string, Entry]) =>
    Object.fromEntries(Array.from({ length: total }, (_, n) => make(n)));
  const [source, sink] = [base.sources['one'], base.sinks['out']];
  if (source?.type !== 'mqtt' || sink?.type !== 'mqtt') throw new Error('these are no MQTT entries');
  const sources = entries(count.sources, (n) => [`s${n}`, { ...source, topics: filter(n) }]);
  const sinks = entries(count.sinks, (n) => [`k${n}`, { ...sink, topic: topic(n) }]);
  const work = new WorkBudget(Infinity);
  loopFindings({ ...base, sources, sinks }, work);
  return work.steps;
}

describe('15,000 MQTT sources beside 200 sinks take few steps for each of them:', () => {
  test.each<[string, (n: number) => string, (n: number) => string]>([
    ['topics that are all different', (n) => `in/${n}/x`, (n) => `out/${n}`],
    ['ids in the topics', (n) => `plant/s${n}/in`, (n) => `plant/{sourceId}/out${n}`],
    ['ids at the beginning', (n) => `s${n}/in`, (n) => `{sourceId}/${n}`],
    ['ids within a level', (n) => `in-s${n}`, (n) => `out${n}-{sourceId}`],
    ['ids before a number', (n) => `s${n}-in`, (n) => `{sourceId}-${n}`],
    ['fields in one level', (n) => `plant/s${n}/in`, (n) => `{data.a}-{data.b}-${n}/{data.c}/up`],
    ['fields in many levels', (n) => `plant/s${n}/a/b/c/d/e`, (n) => `${'{data.x}/'.repeat(4)}${n}`],
    ['wildcards', (n) => `+/+/s${n}/#`, (n) => `plant/hall/{sourceId}-${n}/x`],
    ['the same topics', () => 'plant/#', (n) => `plant/${n}`],
    ['sources that take all', () => '#', () => '{sourceId}/{data.x}'],
  ])('%s', (_, filter, topic) => {
    const steps = stepsFor({ sources: 15_000, sinks: 200 }, filter, topic);
    // Comparing each with each takes 3 million comparisons, and 45 milliards with {sourceId}.
    expect(steps).toBeLessThan(LIMITS.loopCheckStepsMax);
    const half = stepsFor({ sources: 7_500, sinks: 100 }, filter, topic);
    expect(steps).toBeLessThan(half * 2.5);
  });
});

test('fields in fifty levels take steps in proportion to the square of the levels', () => {
  const levels = (count: number) =>
    stepsFor(
      { sources: 1, sinks: 1 },
      () => `${'a/'.repeat(2 * count)}z`,
      () => `${'{data.x}/'.repeat(count)}end`,
    );
  expect(levels(50)).toBeLessThan(20 * 50 * 50);
});

test('a topic of thousands of levels is compared, too', () => {
  const deep = 'a/'.repeat(20_000);
  expect(takers([`${deep}{data.x}`, deep], [[`${deep}x`], [`${deep}#`]], [])).toEqual([
    [0, 0],
    [-1, 0],
  ]);
});

const url = 'mqtt://broker';

test('the work ends at its budget, and the finding says that not everything was compared', () => {
  const config = configOf(`
sources: { hall: { type: mqtt, url: '${url}', topics: [a/b, c/d] } }
sinks: { out: { type: mqtt, url: '${url}', topic: c/d } }
`);
  expect(loopFindings(config, new WorkBudget(3))).toEqual([
    { path: ['sinks'], message: expect.stringContaining('could not all be compared') },
  ]);
  expect(loopFindings(config)).toEqual([
    { path: ['sinks', 'out', 'topic'], message: expect.stringContaining('source "hall"') },
  ]);
});

test('a sink that feeds more sources than are told is named with the first of them', () => {
  const count = LIMITS.configProblemsMax + 5;
  const sources = Array.from(
    { length: count },
    (_, n) => `  s${n}: { type: mqtt, url: '${url}', topics: '#' }`,
  );
  const config = configOf(`
sources:\n${sources.join('\n')}
sinks: { out: { type: mqtt, url: '${url}', topic: c/d } }
`);
  const found = loopFindings(config).map(({ message }) => message);
  expect(found).toHaveLength(LIMITS.configProblemsMax + 1);
  expect(found[0]).toContain('source "s0"');
  expect(found.at(-2)).toContain(`source "s${LIMITS.configProblemsMax - 1}"`);
  expect(found.at(-1)).toContain('topics that more sources take');
});
