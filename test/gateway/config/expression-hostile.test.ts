/** No expression that is accepted, and no record, holds the gateway up. Each case is either refused when it is
 *  read, or takes no more processor time than the parsing of one large record takes at the same moment (DATA,
 *  470 kB of JSON, some 4 ms). It is the time of this thread, which a loaded machine lengthens little. */

import { describe, expect, test } from 'vitest';
import { HeadgateError } from '../../../src/domain/errors.ts';
import { compileExpression, type Expression } from '../../../src/gateway/config/expression.ts';
import { STAGE_RECORD } from '../../../src/gateway/config/fields.ts';

const RUNS = 20;
/** What else the machine does may fall on one measurement and not on the other: the least of some counts. */
const TRIALS = 5;

/** Patterns that take exponential or high polynomial time where they are run by going back. */
const PATTERNS = [
  '(a+)+$',
  '(a*)*$',
  '(a|a)*$',
  '(a|aa)+$',
  '(a|a?)+$',
  '([a-zA-Z]+)*$',
  '(.*a){20}$',
  '(.*)*x',
  '(a?){30}a{30}',
  'a*a*a*a*a*b',
  '.*.*.*.*=.*',
  '\\\\s+$',
  '^(([a-z])+.)+[A-Z]([a-z])+$',
  '(x+x+)+y',
  '((a+)+)+!',
  '(a{0,50}){20}b',
  '^(\\\\w+\\\\s?)*$',
  '(?:a+){2,}b',
  '(.+)+\\\\z',
  '[a-z]*[a-z0-9]*[a-z0-9_]*\\\\$',
  '(?i)(a|b|ab)*c',
  '(\\\\d+)*\\\\.(\\\\d+)*x',
  '^([a-zA-Z0-9])(([\\\\-.]|[_]+)?([a-zA-Z0-9]+))*(@){1}[a-z0-9]+[.]{1}(([a-z]{2,3})|([a-z]{2,3}[.]{1}[a-z]{2,3}))$',
];
const TEXTS = ['a', 'aA', 'x', ' ', '1', 'ab', 'a.', 'a '].flatMap((unit) =>
  ['', '!', 'X'].map((tail) => unit.repeat(8_191 / unit.length).slice(0, 8_190) + tail),
);

const LIST = Array.from({ length: 20_000 }, (_, n) => n);
const HUGE = '1'.repeat(100_000);
const DATA = {
  list: LIST,
  lists: Array.from({ length: 200 }, () => LIST.slice(0, 200)),
  huge: HUGE,
  words: Array.from({ length: 5_000 }, (_, n) => `word ${n}`),
  map: Object.fromEntries(LIST.slice(0, 5_000).map((n) => [`k${n}`, n])),
  zone: 'Europe/Vienna',
};

/** Loops, growth and library calls. */
const EXPRESSIONS = [
  'record.data.list.map(x, record.data.list.map(y, x * y))',
  'record.data.list.all(x, record.data.list.all(y, x == y || true))',
  'record.data.list.exists(x, record.data.list.exists(y, y < 0))',
  'record.data.list.filter(x, x in record.data.list)',
  'record.data.list.all(x, x in record.data.list)',
  'record.data.lists.map(x, record.data.lists.map(y, x == y))',
  'record.data.lists.map(x, x + x + x + x)',
  'record.data.map.all(k, k in record.data.map)',
  'record.data.words.map(w, record.data.huge.contains(w))',
  'record.data.words.all(w, !(w + record.data.huge == ""))',
  'record.data.words.map(w, record.data.words.join(w))',
  'record.data.list.map(x, record.data.huge.split("1"))',
  'record.data.words.filter(w, w.matches("^(w+o*r*)+$"))',
  'record.data.list.map(x, timestamp("2026-01-01T00:00:00Z").getHours("Europe/Vienna"))',
  'record.data.list.map(x, record.data.list.map(y, record.data.list.map(z, z)))',
  'cel.bind(a, record.data.list + record.data.list, cel.bind(b, a + a + a, cel.bind(c, b + b + b, c + c + c)))',
  'cel.bind(a, record.data.huge + record.data.huge, cel.bind(b, a + a + a + a, cel.bind(c, b + b + b + b, c + c)))',
  'record.data.list.all(x, record.data.map ? true : false)',
  'record.data.list.all(x, -record.data.map == 1)',
  'record.data.list.all(x, record.data.map.exists(k, true))',
  'record.data.list.all(x, record.data.map && true)',
  'record.data.list.all(x, size(record.data.map) > 1)',
  'record.data.list.all(x, record.data.map < 1)',
  'duration(record.data.huge)',
  'duration(record.data.huge + "h")',
  'timestamp(record.data.huge)',
  'int(record.data.huge)',
  'double(record.data.huge)',
  'record.data.huge.matches("(1+)+$")',
  'record.data.huge.indexOf("2")',
  'record.data.huge == record.data.huge + "1"',
];

const DATA_TEXT = JSON.stringify(DATA);

/** The processor time that an evaluation takes, in parsings of `DATA`; its outcome does not matter. */
function cost(expression: Expression, data: unknown): number {
  const evaluate = () => {
    try {
      expression.evaluate({ record: { data } });
    } catch (error) {
      if (!(error instanceof HeadgateError)) throw error;
    }
  };
  let least = cpuMs(evaluate) / PARSING_MS;
  for (let trial = 1; trial < TRIALS && least > 1; trial++) {
    least = Math.min(least, cpuMs(evaluate) / parsingMs());
  }
  return least;
}

const PARSING_MS = parsingMs();

function parsingMs(): number {
  return cpuMs(() => JSON.parse(DATA_TEXT));
}

/** Of one run, on the average, since the system counts processor time in ticks. The first runs are not counted:
 *  they compile. */
function cpuMs(work: () => unknown): number {
  for (let run = 0; run < RUNS / 2; run++) work();
  const before = process.threadCpuUsage();
  for (let run = 0; run < RUNS; run++) work();
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1_000 / RUNS;
}

function compiled(text: string): Expression | null {
  try {
    return compileExpression(text, STAGE_RECORD);
  } catch (error) {
    if (error instanceof HeadgateError && error.code === 'HG_EXPRESSION_INVALID') return null;
    throw error;
  }
}

describe('within bounds:', () => {
  for (const pattern of PATTERNS) {
    test(`the pattern ${pattern}`, () => {
      const expression = compiled(`record.data.matches("${pattern}")`);
      if (expression === null) return;
      for (const text of TEXTS) expect(cost(expression, text), text.slice(-5)).toBeLessThanOrEqual(1);
    });
  }

  for (const text of EXPRESSIONS) {
    test(text, () => {
      const expression = compiled(text);
      if (expression === null) return;
      expect(cost(expression, DATA)).toBeLessThanOrEqual(1);
    });
  }
});

test('the corpus is hostile: run by going back, its patterns take far longer', () => {
  const slow = /(a+)+$/;
  const before = process.threadCpuUsage();
  slow.test(`${'a'.repeat(20)}!`);
  const { user } = process.threadCpuUsage(before);
  expect(user / 1_000 / PARSING_MS).toBeGreaterThan(1);
});
