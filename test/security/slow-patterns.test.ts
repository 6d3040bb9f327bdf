/** Patterns and expressions that take for ever, if they are let: in stages and filters, and in topics. Each is refused,
 *  or done within a few milliseconds. */

import { describe, expect, test } from 'vitest';
import { filterProblem, topicMatcher } from '../../actors/sources/mqtt/topics.ts';
import { compileExpression, type Expression } from '../../src/gateway/config/expression.ts';
import { STAGE_RECORD } from '../../src/gateway/config/fields.ts';
import type { HeadgateError } from '../../src/domain/errors.ts';
import { realClock } from '../../src/real-clock.ts';

const A = 'a'.repeat(50_000);

/** Regular expressions that backtracking engines spend minutes or millennia on, with what sets them off. */
const PATTERNS: readonly (readonly [pattern: string, text: string])[] = [
  ['^(a+)+$', `${A}!`],
  ['^(a|a)*$', `${A}!`],
  ['^(a|aa)+$', `${A}!`],
  ['(.*)*=(.*)*', A],
  ['^(([a-z])+.)+[A-Z]([a-z])+$', A],
  ['(x+x+)+y', 'x'.repeat(50_000)],
  ['^(\\\\d+)*\\\\.$', '1'.repeat(50_000)],
  [
    '^([a-zA-Z0-9])(([\\\\-.]|[_]+)?([a-zA-Z0-9]+))*(@){1}[a-z0-9]+[.]{1}(([a-z]{2,3})|([a-z]{2,3}[.]{1}[a-z]{2,3}))$',
    A,
  ],
  ['(a?){30}a{30}', 'a'.repeat(30)],
  ['((a{0,100}){0,100}){0,100}b', A],
  ['\\\\s+$', `${' '.repeat(50_000)}x`],
  ['(?:(?:a*)*)*b', A],
];

/** Expressions whose cost is in what they build or how often they turn. */
const EXPRESSIONS: readonly string[] = [
  'record.data.list.map(a, record.data.list.map(b, record.data.list.map(c, a + b + c))).size() > 0',
  'record.data.list.exists(a, record.data.list.exists(b, record.data.list.exists(c, a + b + c < 0)))',
  'record.data.list.all(a, record.data.list.all(b, record.data.list.all(c, a + b + c >= 0)))',
  'record.data.list.filter(a, record.data.text.contains(string(a) + record.data.text)).size() > 0',
  'record.data.list.map(a, record.data.text + record.data.text + record.data.text).size() > 0',
  'record.data.text.split("a").map(x, record.data.text.split("a").size()).size() > 0',
  'record.data.text.contains(record.data.text + "!")',
  'record.data.deep == record.data.deep2',
  `${'('.repeat(500)}true${')'.repeat(500)}`,
  `${'!'.repeat(5_000)}true`,
  Array.from({ length: 5_000 }, () => 'record.data.n == 1').join(' || '),
  `[${'['.repeat(200)}${']'.repeat(200)}].size() > 0`,
  'record.data.text.matches(record.data.evil)',
];

/** An evaluation alone; what comes on top of it (arrival, commit, a machine that does other things) is measured by
 *  records that are not hostile, and taken off. */
const EVALUATION_MS_MAX = 5;
const ROUNDS = 20;

const HOSTILE = {
  n: 1,
  list: Array.from({ length: 2_000 }, (_, n) => n),
  text: A,
  evil: '^(a+)+$',
  deep: nested(60),
  deep2: nested(60),
};

function nested(depth: number): unknown {
  let value: unknown = 0;
  for (let level = 0; level < depth; level++) value = [value, value];
  return level(value, 6);
}

/** Cut to so many levels: a doubling of sixty would not fit into any memory. */
function level(value: unknown, depth: number): unknown {
  if (!Array.isArray(value)) return value;
  return depth === 0 ? [] : value.map((one) => level(one, depth - 1));
}

/** The least that one of many turns takes: the first compiles, and what a loaded machine adds, it does not add to
 *  every one. */
function leastMsOf(work: () => unknown): number {
  let leastMs = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const fromMs = realClock.monotonicMs();
    try {
      work();
    } catch (error) {
      // It gave up in time: the record becomes a dead letter.
      expect((error as HeadgateError).code).toBe('HG_EXPRESSION_FAILED');
    }
    leastMs = Math.min(leastMs, realClock.monotonicMs() - fromMs);
  }
  return leastMs;
}

/** Null where it is refused. */
function compiled(text: string): Expression | null {
  try {
    return compileExpression(text, STAGE_RECORD);
  } catch (error) {
    expect((error as HeadgateError).code).toBe('HG_EXPRESSION_INVALID');
    return null;
  }
}

describe('an expression is refused before it runs, or is quick:', () => {
  const cases: readonly (readonly [title: string, text: string, data: object])[] = [
    ...PATTERNS.map(
      ([pattern, text]) =>
        [`matches ${pattern}`, `record.data.text.matches("${pattern}")`, { text }] as const,
    ),
    ...EXPRESSIONS.map((text) => [text.slice(0, 70), text, HOSTILE] as const),
  ];
  for (const [title, text, data] of cases) {
    test(title, () => {
      const fromMs = realClock.monotonicMs();
      const expression = compiled(text);
      expect(realClock.monotonicMs() - fromMs).toBeLessThan(5_000);
      if (expression === null) return;
      const record = { id: 'line', tenant: 'default', atMs: 0, seq: 1, incarnation: 1, data };
      expect(leastMsOf(() => expression.evaluate({ record }))).toBeLessThan(EVALUATION_MS_MAX);
    });
  }

  test('and a pattern that is fine still does what it says', () => {
    const record = (text: string) => ({ record: { data: { text } } });
    const expression = compiled('record.data.text.matches("^plc-[0-9]+$")');
    expect([expression?.evaluate(record('plc-7')), expression?.evaluate(record('plc-x'))]).toEqual([
      true,
      false,
    ]);
  });
});

describe('a topic is matched in no time:', () => {
  const deep = (name: string, levels: number) => Array.from({ length: levels }, () => name).join('/');
  const cases: readonly (readonly [title: string, filter: string, topic: string])[] = [
    ['plus upon plus', `${deep('+', 5_000)}/x`, deep('a', 5_000)],
    ['everything below', `${deep('+', 5_000)}/#`, deep('a', 30_000)],
    ['nothing but slashes', '/'.repeat(30_000), '/'.repeat(60_000)],
    ['one long level', `${'a'.repeat(60_000)}b`, 'a'.repeat(60_000)],
  ];
  for (const [title, pattern, topic] of cases) {
    test(title, () => {
      expect(filterProblem(pattern)).toBeNull();
      expect(leastMsOf(() => topicMatcher(pattern)(topic))).toBeLessThan(EVALUATION_MS_MAX);
    });
  }
});
