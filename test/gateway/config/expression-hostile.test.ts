/** No expression that is accepted, and no record, holds the gateway up: each evaluation ends within its budget of
 *  steps. The tests count steps, not time; the benchmarks measure how short a step is. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HeadgateError } from '../../../src/domain/errors.ts';
import { LIMITS } from '../../../src/domain/limits.ts';
import { compileExpression, type Expression } from '../../../src/gateway/config/expression.ts';
import { STAGE_RECORD } from '../../../src/gateway/config/fields.ts';
import { HOSTILE_DATA, HOSTILE_EXPRESSIONS, HOSTILE_PATTERNS, HOSTILE_TEXTS } from './hostile-expressions.ts';

type Outcome = 'done' | 'spent' | 'failed';

function outcomeOf(expression: Expression, data: unknown): Outcome {
  try {
    expression.evaluate({ record: { data } });
    return 'done';
  } catch (error) {
    if (!(error instanceof HeadgateError) || error.code !== 'HG_EXPRESSION_FAILED') throw error;
    return /takes more than \d+ steps/.test(error.message) ? 'spent' : 'failed';
  }
}

describe('ends with the right outcome:', () => {
  for (const [outcome, texts] of Object.entries(HOSTILE_EXPRESSIONS)) {
    for (const text of texts) {
      test(`${outcome}: ${text.slice(0, 90)}`, () => {
        expect(outcomeOf(compileExpression(text, STAGE_RECORD), HOSTILE_DATA)).toBe(outcome);
      });
    }
  }
});

describe('a pattern costs its size times the text:', () => {
  for (const pattern of HOSTILE_PATTERNS) {
    test(pattern, () => {
      const expression = compileExpression(`record.data.matches("${pattern}")`, STAGE_RECORD);
      for (const text of HOSTILE_TEXTS) {
        const outcome = outcomeOf(expression, text);
        expect(outcome).not.toBe('failed');
        // Each character may be held against each instruction of the pattern: two of them are a step.
        expect(expression.stepsSpent()).toBeGreaterThan((text.length * pattern.length) / 16);
      }
    });
  }
});

/** Counts what is read of it, at any depth. */
function counted(value: unknown, count: { reads: number }): unknown {
  if (typeof value !== 'object' || value === null) return value;
  return new Proxy(value, {
    get(target, key) {
      count.reads++;
      return counted(Reflect.get(target, key), count);
    },
    ownKeys(target) {
      const keys = Reflect.ownKeys(target);
      count.reads += keys.length;
      return keys;
    },
  });
}

const LIST = Array.from({ length: 150 }, (_, n) => n);
const SMALL = {
  list: LIST,
  lists: LIST.slice(0, 30).map((n) => LIST.slice(0, n)),
  map: Object.fromEntries(LIST.map((n) => [`k${n}`, n])),
  objects: LIST.map((n) => ({ n, text: `text ${n}`, inner: { list: [n, n] } })),
  text: 'ab'.repeat(500),
  texts: LIST.map((n) => `${'a'.repeat(n)}b`),
};

/** Expressions of a few dozen parts, most of them over whole lists and maps. */
const { expression: EXPRESSION } = fc.letrec<{ expression: string; list: string; bool: string }>((tie) => ({
  list: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom('record.data.list', 'record.data.texts', 'record.data.objects', 'record.data.lists'),
    fc.tuple(tie('list'), tie('list')).map(([one, other]) => `(${one} + ${other})`),
    fc.tuple(tie('list'), tie('expression')).map(([list, body]) => `${list}.map(x, ${body})`),
    fc.tuple(tie('list'), tie('bool')).map(([list, body]) => `${list}.filter(x, ${body})`),
    fc.constantFrom('record.data.text.split("b")', 'record.data.text.split("")'),
  ),
  bool: fc.oneof(
    { maxDepth: 4 },
    fc.tuple(tie('expression'), tie('expression')).map(([one, other]) => `dyn(${one}) == dyn(${other})`),
    fc.tuple(tie('expression'), tie('list')).map(([one, list]) => `${one} in ${list}`),
    fc.tuple(tie('list'), tie('bool')).map(([list, body]) => `${list}.all(x, ${body})`),
    fc.tuple(tie('bool'), tie('bool')).map(([one, other]) => `(${one} || ${other})`),
    fc.constantFrom('x == 1', 'record.data.text.contains(string(x))', 'x in record.data.map', 'size(x) > 1'),
  ),
  expression: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom('x', '1', '"a"', 'record.data.map', 'record.data', 'record.data.text'),
    tie('list'),
    fc.tuple(tie('list')).map(([list]) => `size(${list})`),
    fc.tuple(tie('expression'), tie('expression')).map(([one, other]) => `[${one}, ${other}]`),
    fc.tuple(tie('expression')).map(([one]) => `{"a": ${one}, "b": ${one}}`),
    fc.tuple(tie('expression')).map(([one]) => `"%s".format([${one}])`),
    fc.tuple(tie('expression'), tie('expression')).map(([value, body]) => `cel.bind(x, ${value}, ${body})`),
  ),
}));

/** A read of one element may cost a few reads of its container: its length, its prototype, its kind. */
const READS_A_STEP = 6;
const READS_AT_LEAST = 5_000;

test('whatever an expression is made of, it reads no more of the record than it is charged for', () => {
  const outcomes = { done: 0, spent: 0, failed: 0, refused: 0 };
  fc.assert(
    fc.property(EXPRESSION, (text) => {
      const whole = `cel.bind(x, record.data.list, ${text})`;
      if (whole.length > LIMITS.expressionCharsMax) return;
      let expression: Expression;
      try {
        expression = compileExpression(whole, STAGE_RECORD);
      } catch (error) {
        expect((error as HeadgateError).code).toBe('HG_EXPRESSION_INVALID');
        outcomes.refused++;
        return;
      }
      const count = { reads: 0 };
      const outcome = outcomeOf(expression, counted(SMALL, count));
      outcomes[outcome]++;
      const spent = expression.stepsSpent();
      if (outcome !== 'spent') expect(spent).toBeLessThanOrEqual(LIMITS.expressionStepsMax);
      expect(count.reads).toBeLessThanOrEqual(READS_AT_LEAST + spent * READS_A_STEP);
    }),
    { numRuns: 200, seed: 1 },
  );
  // All sorts of ends are tried, and most expressions are no mistakes.
  expect(Math.min(outcomes.done, outcomes.spent, outcomes.failed)).toBeGreaterThanOrEqual(3);
  expect(outcomes.done + outcomes.spent).toBeGreaterThan(60);
});
