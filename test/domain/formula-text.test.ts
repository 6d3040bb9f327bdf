import { expect, test } from 'vitest';
import { withoutFormula } from '../../src/domain/formula-text.ts';

const cases: [title: string, text: string, shown: string][] = [
  ['a formula', '=1+1', "'=1+1"],
  ['a command', '@SUM(1)', "'@SUM(1)"],
  ['a sum', '+1+1', "'+1+1"],
  ['a number with a plus, which is none in JSON', '+49', "'+49"],
  ['a difference', '-1-1', "'-1-1"],
  ['a command after a number', "-2+3+cmd|' /C calc'!A0", "'-2+3+cmd|' /C calc'!A0"],
  ['a number and a line', '-1\n=1+1', "'-1\n=1+1"],
  ['a tab', '\t=1', "'\t=1"],
  ['a carriage return', '\r=1', "'\r=1"],
  ['a line feed', '\n=1', "'\n=1"],
  ['a wide equals sign', '＝1', "'＝1"],
  ['a negative number', '-5', '-5'],
  ['a fraction', '-0.25', '-0.25'],
  ['a power of ten', '-1.5e-7', '-1.5e-7'],
  ['a number beyond a double', '-123456789012345678901234567890', '-123456789012345678901234567890'],
  ['a number', '7', '7'],
  ['a text', 'a=1', 'a=1'],
  ['an apostrophe', "'=1", "'=1"],
  ['nothing', '', ''],
];
for (const [title, text, shown] of cases) {
  test(`a spreadsheet is shown ${title} as ${JSON.stringify(shown)}`, () => {
    expect(withoutFormula(text)).toBe(shown);
  });
}
