/** What a person gets to see: harmless text of known width, tables that fit, durations and data that can be
 *  read. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Output } from '../../src/cli/output.ts';
import { clip, displayWidth, printable } from '../../src/cli/printable.ts';
import { readableChange, readableData, readableDuration, readableReason } from '../../src/cli/readable.ts';
import { createTable, type Column } from '../../src/cli/table.ts';

describe('text from outside', () => {
  const cases: [text: string, shown: string][] = [
    ['plain, ümläut, 漢字, 👩‍🔬', 'plain, ümläut, 漢字, 👩‍🔬'],
    ['\u001b[31mred', '\\x1b[31mred'],
    ['a\nb\r\tc', 'a\\nb\\r\\tc'],
    ['\u0000\u0007\u007f\u009b', '\\x00\\x07\\x7f\\x9b'],
    ['\u202efdp.exe', '\\u202efdp.exe'],
    ['a\u200bb\ufeff', 'a\\u200bb\\ufeff'],
    ['a\u2028b', 'a\\u2028b'],
    ['half \ud83d', 'half \\ud83d'],
  ];
  for (const [text, shown] of cases) {
    test(`is shown as ${JSON.stringify(shown)}`, () => {
      expect(printable(text)).toBe(shown);
    });
  }

  test('never holds a control character, whatever comes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(printable(text)).not.toMatch(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_C}]/u);
      }),
    );
  });
});

describe('width', () => {
  const cases: [text: string, width: number][] = [
    ['', 0],
    ['plc-7', 5],
    ['ümläut', 6],
    ['u\u0308', 1],
    ['漢字', 4],
    ['한글', 4],
    ['ｆｕｌｌ', 8],
    ['👩‍🔬', 2],
    ['🇩🇪', 2],
    ['→ …', 3],
  ];
  for (const [text, width] of cases) {
    test(`of ${JSON.stringify(text)} is ${width}`, () => {
      expect(displayWidth(text)).toBe(width);
    });
  }

  test('clipped text fits, and is left alone where it fits already', () => {
    const texts = fc.string({ unit: 'grapheme' });
    fc.assert(
      fc.property(texts, fc.integer({ min: 0, max: 40 }), (text, width) => {
        const clipped = clip(text, width);
        expect(displayWidth(clipped)).toBeLessThanOrEqual(width);
        if (displayWidth(text) <= width) expect(clipped).toBe(text);
      }),
    );
  });

  test('clipping never cuts a wide character in two', () => {
    expect(clip('漢字漢字', 6)).toBe('漢字…');
    expect(clip('漢字漢字', 5)).toBe('漢字…');
  });
});

describe('durations', () => {
  const cases: [ms: number, shown: string][] = [
    [-5, '0 ms'],
    [0, '0 ms'],
    [999, '999 ms'],
    [1_000, '1 s'],
    [3_250, '3.2 s'],
    [59_999, '59.9 s'],
    [60_000, '1 min 0 s'],
    [3_599_999, '59 min 59 s'],
    [3_600_000, '1 h 0 min'],
    [86_399_999, '23 h 59 min'],
    [190_800_000, '2 d 5 h'],
  ];
  for (const [ms, shown] of cases) {
    test(`${ms} ms are ${shown}`, () => {
      expect(readableDuration(ms)).toBe(shown);
    });
  }
});

test('a change of state shows the sides that are known', () => {
  expect(readableChange('connecting', 'streaming')).toBe('connecting → streaming');
  expect(readableChange(null, 'streaming')).toBe('→ streaming');
  expect(readableChange('streaming', null)).toBe('streaming →');
  expect(readableChange('streaming', 'streaming')).toBe('streaming');
  expect(readableChange(null, null)).toBe('');
});

describe('a reason', () => {
  const cases: [data: unknown, shown: string][] = [
    [{ code: 'HG_LINK_LOST', message: 'hung up' }, 'hung up (HG_LINK_LOST)'],
    [
      { error: { code: 'HG_LINK_LOST', message: 'hung up' }, attempt: 2 },
      'hung up (HG_LINK_LOST)  attempt=2',
    ],
    [{ message: 'hung up' }, 'hung up'],
    [{ message: 'hung\u001b up' }, 'hung\\x1b up'],
    [{ attempt: 2 }, 'attempt=2'],
    [null, ''],
  ];
  for (const [data, shown] of cases) {
    test(`of ${JSON.stringify(data)} is "${shown}"`, () => {
      expect(readableReason(data)).toBe(shown);
    });
  }
});

test('data is shown on one line, strings quoted only where they must be', () => {
  const data = {
    code: 'HG_LINK_LOST',
    message: 'hung "up"',
    count: 3,
    none: null,
    list: [1, { a: 2 }],
    esc: '\u001b',
  };
  expect(readableData(data)).toBe(
    'code=HG_LINK_LOST message="hung \\"up\\"" count=3 list=[1,{"a":2}] esc=\\x1b',
  );
  expect(readableData(null)).toBe('');
});

/** A terminal of so many columns that shows colours as tags. */
function terminal(columns: number | null): Output {
  return {
    columns,
    open: true,
    onClosed: () => undefined,
    write: () => Promise.resolve(),
    note: () => undefined,
    style: (style, text) => `<${String(style)}>${text}</>`,
  };
}

describe('a table', () => {
  type Item = { name: string; count: number; text: string };
  const columns: Column<Item>[] = [
    { title: 'name', shrinks: true, cell: ({ name }) => name },
    { title: 'count', align: 'right', cell: ({ count }) => String(count) },
    { title: 'text', shrinks: true, cell: ({ text }) => text },
  ];
  const untagged = (lines: string[]) => lines.map((line) => line.replaceAll(/<[^>]*>/g, ''));

  test('aligns names left and numbers right, by columns, not characters', () => {
    const items = [
      { name: 'plc-7', count: 1, text: 'a' },
      { name: '漢字', count: 1_000, text: 'b' },
    ];
    expect(untagged(createTable(columns, terminal(null)).lines(items))).toEqual([
      'name   count  text',
      'plc-7      1  a',
      '漢字    1000  b',
    ]);
  });

  test('puts a last column that has no room beneath its row, broken between words', () => {
    const items = [
      { name: 'a-long-name', count: 123_456, text: 'the broker hung up in the midst of a message' },
      { name: 'b', count: 1, text: '' },
    ];
    expect(untagged(createTable(columns, terminal(40)).lines(items))).toEqual([
      'name          count',
      'a-long-name  123456',
      '    the broker hung up in the midst of a',
      '    message',
      'b                 1',
    ]);
  });

  test('takes width from names, never from numbers', () => {
    const items = [{ name: 'a-long-name', count: 123_456, text: 'x' }];
    expect(untagged(createTable(columns, terminal(20)).lines(items))[1]).toBe('a-long-…  123456  x');
  });

  test('leaves out the columns that can be spared, the first of them first', () => {
    const sparing = columns.map((column, index) => (index === 1 ? { ...column, spare: 1 } : column));
    const items = [{ name: 'a-name', count: 123_456, text: 'x' }];
    expect(untagged(createTable(sparing, terminal(20)).lines(items))[1]).toBe('a-name  123456  x');
    expect(untagged(createTable(sparing, terminal(12)).lines(items))).toEqual(['name    text', 'a-name  x']);
  });

  test('has no line that is wider than the terminal and loses no character of the last column', () => {
    fc.assert(
      fc.property(fc.integer({ min: 24, max: 120 }), fc.string({ maxLength: 200 }), (width, text) => {
        const items = [{ name: 'plc-7', count: 1, text: printable(text) }];
        const plain: Output = { ...terminal(width), style: (_, shown) => shown };
        const [, ...lines] = createTable(columns, plain).lines(items);
        expect(Math.max(...lines.map(displayWidth))).toBeLessThanOrEqual(width);
        expect(lines.join('').replaceAll(/\s/g, '')).toBe(`plc-71${printable(text).replaceAll(/\s/g, '')}`);
      }),
    );
  });

  test('has its titles once, and later pages in line with the first', () => {
    const table = createTable(columns, terminal(null));
    expect(untagged(table.lines([{ name: 'a-long-name', count: 1, text: '' }]))).toHaveLength(2);
    expect(table.lines([])).toEqual([]);
    expect(table.lines([{ name: 'b', count: 2, text: 'c' }])).toEqual(['b                2  c']);
  });

  test('colours cells without colouring the gaps', () => {
    const coloured: Column<Item>[] = [
      { title: 'name', cell: ({ name }) => name, style: () => 'cyan' },
      { title: 'count', align: 'right', cell: ({ count }) => String(count), style: () => 'gray' },
    ];
    const lines = createTable(coloured, terminal(80)).lines([{ name: 'ab', count: 7, text: '' }]);
    expect(lines).toEqual(['<bold>name</>  <bold>count</>', '<cyan>ab</>        <gray>7</>']);
  });
});
