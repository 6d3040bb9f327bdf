/** Patterns and expressions that take for ever, if they are let: in stages and filters, and in topics. Each
 *  has the outcome that its row says. The tests count the work, not the time. */

import { describe, expect, test } from 'vitest';
import { filterProblem, topicMatcher } from '../../actors/protocols/mqtt/topics.ts';
import { HeadgateError } from '../../src/domain/errors.ts';
import { compileExpression } from '../../src/gateway/config/expression.ts';
import { STAGE_RECORD } from '../../src/gateway/config/fields.ts';

/** `spent`: ended by its budget; `bounded`: refused by a bound of its own; both make a poison record. */
type Outcome = 'done' | 'spent' | 'bounded' | 'refused when read';

const A = 'a'.repeat(50_000);
/** As long as `matches` takes it. */
const LONGEST = 8_192;

/** Regular expressions that backtracking engines spend minutes or millennia on, with what sets them off. */
const PATTERNS: readonly (readonly [outcome: Outcome, pattern: string, text: string])[] = [
  ['done', '^(a+)+$', `${'a'.repeat(8_000)}!`],
  ['done', '^(a|a)*$', `${'a'.repeat(8_000)}!`],
  ['done', '^(a|aa)+$', `${'a'.repeat(8_000)}!`],
  ['done', '(.*)*=(.*)*', 'a'.repeat(8_000)],
  ['done', '^(([a-z])+.)+[A-Z]([a-z])+$', 'a'.repeat(8_000)],
  ['done', '(x+x+)+y', 'x'.repeat(LONGEST)],
  ['done', '^(\\\\d+)*\\\\.$', '1'.repeat(LONGEST)],
  ['done', '\\\\s+$', `${' '.repeat(8_000)}x`],
  ['done', '(?:(?:a*)*)*b', 'a'.repeat(LONGEST)],
  ['done', '(a?){30}a{30}', 'a'.repeat(30)],
  ['spent', '^(a|b)*a(a|b){500}c$', 'ab'.repeat(LONGEST / 2)],
  ['bounded', '^(a+)+$', `${A}!`],
  ['refused when read', '((a{0,100}){0,100}){0,100}b', A],
];

/** Expressions whose cost is in what they build or how often they turn. */
const EXPRESSIONS: readonly (readonly [outcome: Outcome, text: string])[] = [
  [
    'spent',
    'record.data.list.map(a, record.data.list.map(b, record.data.list.map(c, a + b + c))).size() > 0',
  ],
  [
    'spent',
    'record.data.list.exists(a, record.data.list.exists(b, record.data.list.exists(c, a + b + c < 0)))',
  ],
  ['spent', 'record.data.list.all(a, record.data.list.all(b, record.data.list.all(c, a + b + c >= 0)))'],
  ['spent', 'record.data.list.filter(a, record.data.text.contains(string(a) + record.data.text)).size() > 0'],
  ['spent', 'record.data.list.map(a, record.data.text + record.data.text + record.data.text).size() > 0'],
  ['spent', 'record.data.text.split("a").map(x, record.data.text.split("a").size()).size() > 0'],
  ['done', 'record.data.text.contains(record.data.text + "!")'],
  ['done', 'record.data.deep == record.data.deep2'],
  ['refused when read', `${'('.repeat(500)}true${')'.repeat(500)}`],
  ['refused when read', `${'!'.repeat(5_000)}true`],
  ['refused when read', Array.from({ length: 5_000 }, () => 'record.data.n == 1').join(' || ')],
  ['refused when read', `[${'['.repeat(200)}${']'.repeat(200)}].size() > 0`],
  ['refused when read', 'record.data.text.matches(record.data.evil)'],
];

const HOSTILE = {
  n: 1,
  list: Array.from({ length: 2_000 }, (_, n) => n),
  text: A,
  evil: '^(a+)+$',
  deep: nested(6),
  deep2: nested(6),
};

function nested(depth: number): unknown {
  return depth === 0 ? [] : [nested(depth - 1), nested(depth - 1)];
}

function outcomeOf(text: string, data: object): Outcome {
  try {
    const expression = compileExpression(text, STAGE_RECORD);
    expression.evaluate({ record: { id: 'line', tenant: 'default', atMs: 0, seq: 1, incarnation: 1, data } });
    return 'done';
  } catch (error) {
    if (!(error instanceof HeadgateError)) throw error;
    if (error.code === 'HG_EXPRESSION_INVALID') return 'refused when read';
    expect(error).toMatchObject({ code: 'HG_EXPRESSION_FAILED', remedy: 'drop' });
    return /takes more than \d+ steps/.test(error.message) ? 'spent' : 'bounded';
  }
}

describe('an expression that is made to take long', () => {
  const cases: readonly (readonly [outcome: Outcome, title: string, text: string, data: object])[] = [
    ...PATTERNS.map(
      ([outcome, pattern, text]) =>
        [outcome, `matches ${pattern}`, `record.data.text.matches("${pattern}")`, { text }] as const,
    ),
    ...EXPRESSIONS.map(([outcome, text]) => [outcome, text.slice(0, 70), text, HOSTILE] as const),
  ];
  for (const [outcome, title, text, data] of cases) {
    test(`is ${outcome}: ${title}`, () => expect(outcomeOf(text, data)).toBe(outcome));
  }

  test('does not keep a pattern that is fine from what it says', () => {
    const expression = compileExpression('record.data.text.matches("^plc-[0-9]+$")', STAGE_RECORD);
    const matches = (text: string) => expression.evaluate({ record: { data: { text } } });
    expect([matches('plc-7'), matches('plc-x')]).toEqual([true, false]);
  });
});

/** A topic that counts how often one of its levels is read. */
function countedTopic(topic: string): { readonly topic: string; readonly reads: () => number } {
  let reads = 0;
  const levels = new Proxy(topic.split('/'), {
    get(target, key, receiver) {
      if (typeof key === 'string' && /^\d+$/.test(key)) reads++;
      return Reflect.get(target, key, receiver) as unknown;
    },
  });
  return { topic: { split: () => levels } as unknown as string, reads: () => reads };
}

describe('each level of a topic is looked at once:', () => {
  const deep = (name: string, levels: number) => Array.from({ length: levels }, () => name).join('/');
  const cases: readonly (readonly [title: string, filter: string, topic: string])[] = [
    ['plus upon plus', `${deep('+', 5_000)}/x`, deep('a', 5_000)],
    ['everything below', `${deep('+', 5_000)}/#`, deep('a', 30_000)],
    ['plus between slashes', `${'/'.repeat(30_000)}+`, '/'.repeat(60_000)],
    ['one long level', `+/${'a'.repeat(60_000)}b`, `x/${'a'.repeat(60_000)}`],
  ];
  for (const [title, pattern, text] of cases) {
    test(title, () => {
      expect(filterProblem(pattern)).toBeNull();
      const { topic, reads } = countedTopic(text);
      topicMatcher(pattern)(topic);
      // The first one is asked for a `$` besides.
      expect(reads()).toBeLessThanOrEqual(pattern.split('/').length + 1);
      expect(reads()).toBeGreaterThan(0);
    });
  }
});
