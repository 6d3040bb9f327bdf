/** Expressions: what they give, what they refuse, and what they may cost. */

import { describe, expect, test } from 'vitest';
import { HeadgateError } from '../../../src/domain/errors.ts';
import { LIMITS } from '../../../src/domain/limits.ts';
import { compileExpression } from '../../../src/gateway/config/expression.ts';
import { STAGE_RECORD } from '../../../src/gateway/config/fields.ts';

const RECORD = {
  id: 'plc-7',
  atMs: 1_767_225_600_123,
  data: {
    value: 21.5,
    n: 3,
    zero: 0,
    text: 'hello',
    list: [1, 2.5, 3],
    words: ['a', 'b'],
    none: null,
    yes: true,
    'odd name': 7,
    deep: { x: { y: [{ z: 1 }, { z: 2 }] } },
    bytes: new Uint8Array([1, 2, 3]),
  },
};

function evaluate(text: string): unknown {
  return compileExpression(text, STAGE_RECORD).evaluate({ record: RECORD });
}

function refusal(text: string): { message: string; offset: unknown } {
  try {
    compileExpression(text, STAGE_RECORD);
  } catch (error) {
    if (!(error instanceof HeadgateError)) throw error;
    expect(error.code).toBe('HG_EXPRESSION_INVALID');
    return { message: error.message, offset: error.details['offset'] };
  }
  throw new Error(`${text} was not refused`);
}

describe('gives', () => {
  const cases: [text: string, value: unknown][] = [
    ['record.data.value > 20', true],
    ['20 < record.data.value', true],
    ['record.data.n == 3', true],
    ['record.data.n != 3', false],
    ['3 == record.data.n && record.data.n == 3.0', true],
    ['record.data.n in [1, 2, 3]', true],
    ['record.data.n + 1', 4],
    ['1 + record.data.n', 4],
    ['record.data.n * 2 - 1', 5],
    ['record.data.n / 2', 1.5],
    ['7 / record.data.n', 7 / 3],
    ['record.data.n % 2 == 1', true],
    ['7.5 % 2', 1.5],
    ['-record.data.n', -3],
    ['(record.data.value - 32) / 1.8', (21.5 - 32) / 1.8],
    ['(record.data.value - 32) * 5 / 9', ((21.5 - 32) * 5) / 9],
    ['5 / 2', 2],
    ['1', 1],
    ['9007199254740993', 9007199254740993n],
    ['9007199254740991', 9007199254740991],
    ['record.data.n / record.data.zero', Number.POSITIVE_INFINITY],
    ['size(record.data.list) * record.data.n', 9],
    ['record.data.list[0] + record.data.list[1]', 3.5],
    ['record.data.list[int(record.data.n) - 1]', 3],
    ['record.data.list.map(x, x * 2)', [2, 5, 6]],
    ['record.data.list.filter(x, x > 2)', [2.5, 3]],
    ['record.data.deep.x.y.map(e, e.z)', [1, 2]],
    ['record.data.deep.x.y.exists(e, e.z == 2)', true],
    ['record.data.words.join("-")', 'a-b'],
    ['record.data.text + "!"', 'hello!'],
    ['record.data.text + string(record.data.n)', 'hello3'],
    ['string(record.data.value)', '21.5'],
    ['record.data["odd name"]', 7],
    ['has(record.data.value)', true],
    ['has(record.data.other)', false],
    ['has(record.key)', false],
    ['record.data.?other.orValue(5)', 5],
    ['record.data.none == null', true],
    ['record.data.none', null],
    ['record.data.yes ? "a" : "b"', 'a'],
    ['record.data.n > 5 || record.data.yes', true],
    ['{"a": record.data.n, "b": [1, {"c": "x"}]}', { a: 3, b: [1, { c: 'x' }] }],
    ['floor(record.data.value) + ceil(record.data.value) + round(record.data.value)', 21 + 22 + 22],
    ['abs(-2.5) + abs(-2)', 4.5],
    ['timestamp(int(record.atMs / 1000))', '2026-01-01T00:00:00.000Z'],
    ['timestamp("2026-01-01T00:00:00Z").getFullYear()', 2026],
    ['duration("90s")', 90_000],
    ['duration("1h") > duration("59m")', true],
    ['record.data.text.matches("^h[a-z]+o$")', true],
    ['record.data.text.matches("l{3}")', false],
    ['record.data.bytes.size()', 3],
    ['cel.bind(v, record.data.value, v * v)', 21.5 * 21.5],
    ['record.id + "/" + string(int(record.data.n))', 'plc-7/3'],
    ['record.data.list[record.data.n - 1]', 3],
    ['true ? 1 : "a"', 1],
    ['.5 + 1', 1.5],
    ['record.data.`odd name`', 7],
    ['has(record.data.`odd name`)', true],
    ['[].map(n, n / 2)', []],
    ['"GRÖSSE Æ".lowerAscii()', 'grÖsse Æ'],
    ['"größe æ".upperAscii()', 'GRößE æ'],
    ['"a-b-c".replace("-", "+")', 'a+b+c'],
    ['"a-b-c".replace("-", "+", 1)', 'a+b-c'],
    ['"ab".replace("", "_")', '_a_b_'],
    ['"a,b,,c".split(",")', ['a', 'b', '', 'c']],
    ['"a,b,,c".split(",", 2)', ['a', 'b,,c']],
    ['"😀x".split("")', ['😀', 'x']],
    ['"😀x".charAt(1)', 'x'],
    ['"😀xyz".substring(1, 3)', 'xy'],
    ['"😀x😀".lastIndexOf("😀")', 2],
    ['"😀x".size()', 2],
    ['"ab😀".reverse()', '😀ba'],
    ['"\\u0085 \\u2003 a \\t".trim()', 'a'],
    [
      '"%s: %.1f °C, %d, %x".format([record.id, record.data.value, record.data.n, 255])',
      'plc-7: 21.5 °C, 3, ff',
    ],
    ['math.greatest(record.data.n, 2.5) + math.least(1, 2)', 4],
    ['math.sqrt(16) + math.abs(-2)', 6],
    ['string(timestamp("2026-01-01T00:00:00.5Z"))', '2026-01-01T00:00:00.5Z'],
    ['int(timestamp("2026-01-01T00:00:00Z"))', 1_767_225_600],
    ['timestamp("2026-01-01T00:00:00+02:00")', '2025-12-31T22:00:00.000Z'],
    ['timestamp("2026-07-01T00:00:00Z").getHours("Europe/Vienna")', 2],
    ['timestamp("2026-01-01T00:00:00Z") + duration("1h30m")', '2026-01-01T01:30:00.000Z'],
    ['{1: "a", true: "b"}', { 1: 'a', true: 'b' }],
    ['record.data.list.exists(i, v, i == 1 && v > 2)', true],
    ['{"a": 1}.transformMap(k, v, v + 1)', { a: 2 }],
    ['record.data.?deep.?x.optMap(d, size(d)).orValue(0)', 1],
  ];
  for (const [text, value] of cases) {
    test(text, () => expect(evaluate(text)).toEqual(value));
  }

  test('what a record holds as it is, not a copy', () => {
    expect(evaluate('record.data')).toBe(RECORD.data);
    expect(evaluate('record.data.bytes')).toBe(RECORD.data.bytes);
  });

  test('plain JSON for a list of whole numbers within a map of the record', () => {
    expect(JSON.stringify(evaluate('{"n": [1, 2], "data": record.data.list}'))).toBe(
      '{"n":[1,2],"data":[1,2.5,3]}',
    );
  });
});

describe('is refused when it is read:', () => {
  const cases: [text: string, message: RegExp, offset: number][] = [
    ['', /is empty/, 0],
    ['   ', /is empty/, 0],
    ['1 +', /ends too soon/, 3],
    ['record.data. > 1', /expected the name of a field/, 13],
    ['"abc', /does not end/, 0],
    ['record.dta > 1', /record has no "dta"; did you mean "record.data"/, 7],
    ['has(record.dat)', /did you mean "record.data"/, 11],
    ['1 + record.sourceId', /record has no "sourceId"; it has id, tenant, data/, 11],
    ['recrd.data', /^unknown variable: recrd; did you mean "record"\?$/, 0],
    ['record.data.n = 1', /^unexpected "="; to compare, write "=="$/, 14],
    ['record.data.n & 1', /to combine conditions, write "&&"/, 14],
    ['record.data.n | 1', /to combine conditions, write "\|\|"/, 14],
    ['record.data.n # 1', /^unexpected "#"$/, 14],
    ['record.id.lowerCase()', /^there is no method "lowerCase"; did you mean/, 10],
    ['math.greatst(1)', /^there is no function "math.greatst"; did you mean "math.greatest"\?$/, 0],
    ['"a".substring("b")', /^no such overload: string.substring\(string\)$/, 0],
    ['if(1)', /^"if" is a word of the language/, 0],
    ['9223372036854775808', /does not fit into 64 bits/, 0],
    ['"a\\q"', /is no escape of CEL/, 2],
    ['1 && true', /take true or false, and here is a value of the kind int/, 0],
    ['1 + "a"', /no such overload: int \+ string/, 0],
    ['nothing(1)', /^there is no function "nothing"/, 0],
    ['record.id.matches(record.data.pattern)', /takes a pattern that is written out/, 18],
    ['record.id.matches("(")', /none of RE2: .*missing closing \)/, 18],
    ['record.id.matches("(a)\\\\1")', /none of RE2: .*invalid escape sequence/, 18],
    ['record.id.matches("a(?=b)")', /none of RE2: .*invalid/, 18],
    ['record.id.matches("(a{500}){500}")', /none of RE2: .*repeat count/, 18],
    [`record.id.matches("${'a'.repeat(501)}")`, /longer than 500 characters/, 18],
    [`"${'a'.repeat(LIMITS.expressionCharsMax)}"`, /longer than 4096 characters/, 0],
  ];
  for (const [text, message, offset] of cases) {
    test(text.slice(0, 60) || '(empty)', () => {
      const refused = refusal(text);
      expect(refused.message).toMatch(message);
      expect(refused.offset).toBe(offset);
    });
  }

  test('one with too many parts, or too deep', () => {
    expect(refusal(Array(1_100).fill('1').join('+')).message).toMatch(/more than 1000 parts/);
    expect(refusal(`${'('.repeat(500)}1${')'.repeat(500)}`).message).toMatch(/nests more than 64 deep/);
    expect(refusal('['.repeat(4_000)).message).toMatch(/nests more than 64 deep/);
    expect(refusal('!'.repeat(4_000)).message).toMatch(/nests more than 64 deep/);
  });
});

describe('fails for a record, with the code HG_EXPRESSION_FAILED:', () => {
  const cases: [text: string, message: RegExp][] = [
    ['record.data.other > 1', /^record\.data\.other > 1: no such key: other$/],
    ['record.data.text > 1', /no such overload/],
    ['record.data.n && true', /requires bool operands, got double/],
    ['record.data.list[9]', /index out of bounds|no such key/i],
    ['record.data.constructor', /no such key: constructor/],
    ['record.data.__proto__', /no such key|reserved/i],
    ['int(record.data.text)', /cannot convert/],
    ['1 / int(record.data.zero)', /division by zero/],
    ['record.data.?other', /does not know; wrap it in string\(…\), or say \.orValue/],
    ['type(record.data.n)', /JSON does not know/],
    ['duration(record.data.text)', /invalid duration/],
    ['9223372036854775807 + 1', /integer overflow/],
    ['-9223372036854775808 / -1', /integer overflow/],
    ['int(1e30)', /integer overflow/],
    [
      'record.data.list.map(x, x / 2 > record.data.text)',
      /no such overload: double has no order with string/,
    ],
    ['"a".substring(2)', /index out of range: 2/],
    ['"%d".format(["a"])', /"%d" takes no string/],
    ['timestamp("2026-02-31T00:00:00Z")', /invalid timestamp/],
    ['timestamp("2026-01-01T00:00:00Z").getHours(record.data.text)', /unknown time zone "hello"/],
    ['{"a": 1, "a": 2}', /the map has "a" twice/],
    ['string(b"\\xff")', /not valid UTF-8/],
  ];
  for (const [text, message] of cases) {
    test(text, () => {
      expect(() => evaluate(text)).toThrow(
        expect.objectContaining({
          code: 'HG_EXPRESSION_FAILED',
          remedy: 'drop',
          message: expect.stringMatching(message),
        }),
      );
    });
  }
});

test('one failed evaluation leaves the next one alone', () => {
  const expression = compileExpression(
    'record.data.list.map(x, record.data.list.map(y, x * y))',
    STAGE_RECORD,
  );
  const list = Array.from({ length: 1_000 }, (_, n) => n);
  expect(() => expression.evaluate({ record: { data: { list } } })).toThrow(/more than 200000 steps/);
  expect(expression.evaluate({ record: { data: { list: [1, 2] } } })).toEqual([
    [1, 2],
    [2, 4],
  ]);
});

test('it changes nothing of the record', () => {
  const before = structuredClone(RECORD);
  evaluate('record.data.list + [4] + record.data.list.map(x, x)');
  evaluate('{"data": record.data, "n": 1}');
  expect(RECORD).toEqual(before);
});
