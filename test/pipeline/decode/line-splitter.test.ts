import fc from 'fast-check';
import { parse } from 'csv-parse/sync';
import { describe, expect, test } from 'vitest';
import { csvFields } from '../../../src/pipeline/decode/csv.ts';
import {
  lineSplitter,
  type Line,
  type LineSplitterOptions,
} from '../../../src/pipeline/decode/line-splitter.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

const keep = (line: Line): Line => ({ ...line, bytes: Uint8Array.from(line.bytes) });

/** Lines of `text`, handed in in pieces that end at `cuts`. */
function split(
  text: string,
  options: Partial<LineSplitterOptions> = {},
  cuts: readonly number[] = [],
): Line[] {
  const splitter = lineSplitter({ lineBytesMax: 1_000, ...options });
  const payload = encoder.encode(text);
  const lines: Line[] = [];
  let from = 0;
  for (const cut of [...cuts, payload.length].toSorted((left, right) => left - right)) {
    const to = Math.min(cut, payload.length);
    const chunk = payload.slice(from, to);
    lines.push(...splitter.push(chunk).map(keep));
    // A reader may use the same memory for its next chunk.
    chunk.fill(0x78);
    from = to;
  }
  lines.push(...splitter.end().map(keep));
  return lines;
}
const texts = (lines: readonly Line[]) =>
  lines.map((line) => (line.overlong ? null : decoder.decode(line.bytes)));

function check(text: string, expected: (string | null)[], options: Partial<LineSplitterOptions> = {}) {
  expect(texts(split(text, options))).toEqual(expected);
}

describe('lines', () => {
  test('end with a line feed, or a carriage return and a line feed', () =>
    check('a\nb\r\nc', ['a', 'b', 'c']));
  test('may be empty', () => check('\n\r\n', ['', '']));
  test('of nothing are none', () => check('', []));
  test('do not end with a carriage return alone', () => check('a\rb\n', ['a\rb']));
  test('bear their number and where the next one begins', () => {
    const lines = split('ä\n\nb', { startOffset: 100, startNumber: 7 });
    expect(lines.map(({ number, endOffset }) => [number, endOffset])).toEqual([
      [7, 103],
      [8, 104],
      [9, 105],
    ]);
  });
  test('that are too long are reported once and skipped', () =>
    check(`aaaa\n${'b'.repeat(5)}\n${'c'.repeat(5_000)}\ndddd\n`, ['aaaa', null, null, 'dddd'], {
      lineBytesMax: 4,
    }));
  test('that are too long and never end are reported once', () =>
    check('b'.repeat(5_000), [null], { lineBytesMax: 4 }));
  test('are complete only with their line feed until the stream ends', () => {
    const splitter = lineSplitter({ lineBytesMax: 100 });
    expect(splitter.push(encoder.encode('par'))).toEqual([]);
    expect(texts(splitter.push(encoder.encode('tial\nnext')))).toEqual(['partial']);
    expect(texts(splitter.end())).toEqual(['next']);
    expect(splitter.end()).toEqual([]);
  });
  test('before the first line feed are skipped where the stream begins within a line', () =>
    check(`${'x'.repeat(20)}\nb\n`, ['b'], { skipFirst: true, lineBytesMax: 4 }));
});

describe('csv rows', () => {
  const csv = { csv: true };
  test('hold line feeds within quotes', () => check('a,"b\nc"\r\nd\n', ['a,"b\nc"', 'd'], csv));
  test('hold doubled quotes', () => check('"a""\n""b"\nc', ['"a""\n""b"', 'c'], csv));
  test('take a quote within a plain field for a character', () => check('a"b\nc"\n', ['a"b', 'c"'], csv));
  test('see a quote behind a byte order mark', () => check('\ufeff"a\nb"\nc', ['\ufeff"a\nb"', 'c'], csv));
  test('count the lines within them', () =>
    expect(split('"a\nb"\nc\n', csv).map(({ number }) => number)).toEqual([1, 3]));
  test('lose one line to a quote that is never closed', () =>
    check('a,b\nc,"d\ne,f\ng,h\n', ['a,b', 'c,"d', 'e,f', 'g,h'], csv));
  test('lose one line to a quote that is not closed within the limit', () =>
    check('c,"d\neee\nfff\nggg"\n', ['c,"d', 'eee', 'fff', 'ggg"'], { csv: true, lineBytesMax: 8 }));
  test('that are too long are skipped', () =>
    check('aaaaaaaaaa,"b\nb"\nc\n', [null, 'b"', 'c'], { csv: true, lineBytesMax: 8 }));
  test('give every quoted line of a hostile stream in linear time', () => {
    const lines = split('x,"y\n'.repeat(50_001), { csv: true, lineBytesMax: 100_000 });
    expect(lines.length).toBeGreaterThan(25_000);
  });
});

describe('however the stream is cut into chunks', () => {
  const text = fc.oneof(
    fc.string(),
    fc
      .array(fc.constantFrom('a', 'bb', ',', '"', '""', '\n', '\r\n', '\r', '\ufeff', 'ä'), { maxLength: 40 })
      .map((p) => p.join('')),
  );
  const cuts = fc.array(fc.nat(60), { maxLength: 8 });
  test.each([false, true])('the lines are the same (csv: %s)', (csv) => {
    fc.assert(
      fc.property(text, cuts, fc.integer({ min: 1, max: 12 }), (input, at, lineBytesMax) => {
        const options = { csv, lineBytesMax };
        expect(split(input, options, at)).toEqual(split(input, options));
      }),
      { numRuns: 3_000 },
    );
  });

  test('plain lines are those of a simple split', () => {
    fc.assert(
      fc.property(text, cuts, (input, at) => {
        const model = input.split('\n').map((line) => line.replace(/\r$/, ''));
        if (input.endsWith('\n') || input === '') model.pop();
        // At the end of the stream a lone carriage return is cut off as well.
        expect(texts(split(input, {}, at))).toEqual(model);
      }),
      { numRuns: 2_000 },
    );
  });

  test('the offsets lead back to the lines', () => {
    fc.assert(
      fc.property(text, fc.boolean(), (input, csv) => {
        const lines = split(input, { csv });
        for (const [index, line] of lines.entries()) {
          const rest = decoder.decode(encoder.encode(input).slice(line.endOffset));
          const resumed = split(rest, { csv, startOffset: line.endOffset, startNumber: line.nextNumber });
          expect(resumed).toEqual(lines.slice(index + 1));
        }
      }),
      { numRuns: 1_000 },
    );
  });
});

test('the fields of a row are those csv-parse reads, and so are the refusals', () => {
  const unit = fc.constantFrom('a', '1', ' ', '.', '"', '""', '\n', '\t', '\r', 'ä', ',');
  const outcome = (read: () => string[] | undefined) => {
    try {
      return read();
    } catch {
      return 'refused';
    }
  };
  const check = (row: string) => {
    const reference = outcome(() => {
      const rows = parse(row, { record_delimiter: '\n' });
      return rows.length === 1 ? rows[0] : undefined;
    });
    expect(outcome(() => csvFields(row))).toEqual(reference ?? 'refused');
  };
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 12 }), (row) => {
      // A line feed outside quotes ends the row: the splitter sees to that. Of an empty row nobody asks.
      const [first] = split(row, { csv: true });
      const text = first === undefined ? '' : decoder.decode(first.bytes);
      if (text !== '') check(text);
    }),
    { numRuns: 5_000 },
  );
});
