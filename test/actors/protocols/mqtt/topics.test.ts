import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  filterProblem,
  hasWildcard,
  sharedFilter,
  shareGroupProblem,
  topicMatcher,
  topicProblem,
} from '../../../../actors/protocols/mqtt/topics.ts';

describe('a topic filter matches a topic', () => {
  test.each([
    ['a/b', 'a/b', true],
    ['a/b', 'a/b/c', false],
    ['a/b', 'a', false],
    ['a/+', 'a/b', true],
    ['a/+', 'a/', true],
    ['a/+', 'a', false],
    ['a/+', 'a/b/c', false],
    ['+/b', 'a/b', true],
    ['+/+', '/finance', true],
    ['/+', '/finance', true],
    ['+', '/finance', false],
    ['a/+/c', 'a/b/c', true],
    ['a/+/c', 'a/b/d', false],
    ['a/#', 'a', true],
    ['a/#', 'a/b/c', true],
    ['a/#', 'ab', false],
    ['#', 'a/b', true],
    ['+/#', 'a', true],
    ['#', '$SYS/uptime', false],
    ['+/uptime', '$SYS/uptime', false],
    ['$SYS/#', '$SYS/uptime', true],
    ['$SYS/+', '$SYS/uptime', true],
    ['$share/g/a/+', 'a/b', true],
    ['$share/g/#', '$SYS/uptime', false],
    ['$share/g/a', '$share/g/a', false],
    ['A/b', 'a/b', false],
    [' a', 'a', false],
  ])('%s with %s: %s', (filter, topic, expected) => {
    expect(topicMatcher(filter)(topic)).toBe(expected);
  });
});

describe('a filter is refused with its reason', () => {
  test.each([
    ['', /empty/],
    ['a\0b', /NUL/],
    ['a/#/b', /"#" must be a whole level and the last one/],
    ['a/b#', /"#" must be a whole level/],
    ['a+/b', /"\+" must be a whole level/],
    ['\ud800', /surrogate/],
    ['x'.repeat(65_536), /65535 bytes/],
    ['ü'.repeat(32_768), /65535 bytes/],
    ['$share/g', /\$share\/group\/filter/],
    ['$share/g/', /\$share\/group\/filter/],
    ['$share//a', /empty/],
    ['$share/g+/a', /name of a group/],
    ['$share/g/a/#/b', /last one/],
  ])('%j', (filter, reason) => {
    expect(filterProblem(filter)).toMatch(reason);
  });

  test.each([
    '/',
    'a',
    'a/',
    '//',
    '+',
    '#',
    '+/+/#',
    '$SYS/#',
    '$share/g/a/#',
    'ü/ ',
    '$shared/a',
    'x'.repeat(65_535),
  ])('but %.20s is one', (filter) => {
    expect(filterProblem(filter)).toBeNull();
  });
});

test('a will cannot be published to a wildcard, a group cannot bear a slash', () => {
  expect(topicProblem('a/+')).toMatch(/no wildcards/);
  expect(topicProblem('')).toMatch(/empty/);
  expect(topicProblem('a/b')).toBeNull();
  expect(shareGroupProblem('a/b')).toMatch(/group/);
  expect(shareGroupProblem('fleet')).toBeNull();
});

test('a group’s name is no wildcard of the filter', () => {
  expect(sharedFilter('g', 'a/b')).toBe('$share/g/a/b');
  expect(hasWildcard('$share/g/a/b')).toBe(false);
  expect(hasWildcard('$share/g/a/+')).toBe(true);
});

const level = fc.string({ unit: fc.constantFrom('a', 'b', 'ü', '$', ' '), maxLength: 3 });
const topics = fc.array(level, { minLength: 1, maxLength: 5 });

test('a topic is matched by itself, by + in any place and by # at any depth', () => {
  fc.assert(
    fc.property(topics, fc.nat(), (levels, seed) => {
      const topic = levels.join('/');
      const place = seed % levels.length;
      const plus = levels.map((text, index) => (index === place ? '+' : text)).join('/');
      const hash = [...levels.slice(0, place), '#'].join('/');
      expect(topicMatcher(topic)(topic)).toBe(!topic.startsWith('$share/'));
      const hidden = place === 0 && topic.startsWith('$');
      if (plus.startsWith('$share/') || hash.startsWith('$share/')) return;
      expect(topicMatcher(plus)(topic)).toBe(!hidden);
      expect(topicMatcher(hash)(topic)).toBe(!hidden);
    }),
  );
});
