/** How a body was cut into chunks changes nothing of what is made of it. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { csvReader } from '../../../src/http/ingest/csv-reader.ts';
import { payloadReader } from '../../../src/http/ingest/payload-reader.ts';
import { decoderFor } from '../../../src/pipeline/decode/decoder.ts';
import { LIMITS } from '../../../src/domain/limits.ts';
import { jsonReader } from '../../../src/http/ingest/json-reader.ts';
import { ndjsonReader } from '../../../src/http/ingest/ndjson-reader.ts';
import type { BodyReader, ParsedChunk, ReaderOptions } from '../../../src/http/ingest/parsed-chunk.ts';

const OPTIONS: ReaderOptions = { recordBytesMax: 64, depthMax: 8, isMarked: true };

interface Read {
  readonly values: unknown[];
  readonly lines: number[];
  readonly marks: number[];
  readonly rejections: [line: number, code: string][];
}

function readAll(reader: BodyReader, chunks: readonly Buffer[]): Read {
  const read: Read = { values: [], lines: [], marks: [], rejections: [] };
  const take = (piece: ParsedChunk): boolean => {
    read.values.push(...piece.values);
    read.lines.push(...piece.lines);
    read.marks.push(...piece.marks);
    for (const { line, code } of piece.rejections) read.rejections.push([line, code]);
    return piece.isLast;
  };
  for (const chunk of chunks) {
    for (const piece of reader.push(Buffer.from(chunk))) if (take(piece)) return read;
  }
  for (const piece of reader.end()) take(piece);
  return read;
}

/** Cuts after each of these shares of the body. */
function cut(body: Buffer, shares: readonly number[]): Buffer[] {
  const places = [
    0,
    ...shares.map((share) => Math.floor(share * body.length)).sort((a, b) => a - b),
    body.length,
  ];
  return places.slice(1).map((end, index) => body.subarray(places[index], end));
}

const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 });
const value = fc.jsonValue({ maxDepth: 3 });
const broken = fc.constantFrom(
  '{',
  '"',
  'x',
  '[1,2',
  '1 2',
  '\\',
  ',',
  ']',
  '}{',
  '{"a":1}}',
  '1e999',
  '[[[[[[[[[1]]]]]]]]]',
);
const bad = fc.constantFrom(Buffer.from([0xff]), Buffer.from([0xc3]), Buffer.from('"\xe4"', 'latin1'));
const long = fc.integer({ min: 55, max: 140 }).map((length) => `"${'y'.repeat(length)}"`);
const text = fc.oneof(
  { weight: 6, arbitrary: value.map((one) => JSON.stringify(one)) },
  { weight: 2, arbitrary: broken },
  long,
);

const lineEnd = fc.constantFrom('\n', '\r\n', '\n\n', '\n \t\n');
const ndjson = fc
  .tuple(
    fc.constantFrom('', '\uFEFF'),
    fc.array(fc.tuple(fc.oneof(text, bad), lineEnd), { maxLength: 12 }),
    fc.oneof(text, fc.constant('')),
  )
  .map(([mark, lines, last]) =>
    Buffer.concat(
      [mark, ...lines.flat(), last].map((part) => (typeof part === 'string' ? Buffer.from(part) : part)),
    ),
  );
const space = fc.constantFrom('', ' ', '\n', '\r\n\t');
const json = fc
  .tuple(
    fc.constantFrom('[', ' [', '\uFEFF[', ''),
    fc.array(fc.tuple(space, fc.oneof(text, bad), space), { maxLength: 12 }),
    fc.constantFrom(']', '] ', '', '] 1'),
  )
  .map(([open, items, close]) => {
    const parts: (string | Buffer)[] = [open];
    for (const [index, item] of items.entries()) parts.push(index === 0 ? '' : ',', ...item);
    parts.push(close);
    return Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
  });
const field = fc.constantFrom(
  '1',
  '',
  '"a,b"',
  '"two\nlines"',
  '"say ""no"""',
  'a"b',
  '"open',
  'é',
  'z'.repeat(70),
);
const csv = fc
  .tuple(
    fc.constantFrom('a,b', 'a', 'a,a', '"a",b'),
    fc.array(fc.tuple(field, field, lineEnd), { maxLength: 10 }),
  )
  .map(([header, rows]) =>
    Buffer.from(`${header}\n${rows.map(([one, other, end]) => `${one},${other}${end}`).join('')}`),
  );

describe('cut anywhere, a body reads the same:', () => {
  const kinds: [name: string, make: (options: ReaderOptions) => BodyReader, body: fc.Arbitrary<Buffer>][] = [
    ['NDJSON', ndjsonReader, ndjson],
    ['JSON', jsonReader, json],
    ['CSV', csvReader, csv],
  ];
  for (const [name, make, body] of kinds) {
    test(name, () => {
      fc.assert(
        fc.property(body, shares, (bytes, places) => {
          const whole = readAll(make(OPTIONS), [bytes]);
          expect(readAll(make(OPTIONS), cut(bytes, places))).toEqual(whole);
          expect(
            readAll(
              make(OPTIONS),
              [...bytes].map((byte) => Buffer.from([byte])),
            ),
          ).toEqual(whole);
        }),
        { numRuns: 500 },
      );
    });
  }
});

describe('what is read is what JSON says, integers by their digits:', () => {
  const values = fc.array(value, { maxLength: 12 });
  const roomy = { ...OPTIONS, recordBytesMax: 1_000_000 };
  /** As JSON.parse, but that an integer that no double holds keeps its digits. */
  const exact = (_: string, value: unknown, { source = '' }: { source?: string }) =>
    typeof value === 'number' && /^-?\d+$/.test(source) && !Number.isSafeInteger(value)
      ? BigInt(source)
      : value;
  const plain = (list: readonly unknown[]) =>
    JSON.parse(JSON.stringify(list), exact as (key: string, value: unknown) => unknown) as unknown[];

  test('NDJSON, by its lines', () => {
    fc.assert(
      fc.property(values, shares, (list, places) => {
        const body = Buffer.from(list.map((one) => `${JSON.stringify(one)}\n`).join(''));
        const { lines, rejections, ...read } = readAll(ndjsonReader(roomy), cut(body, places));
        expect(read.values).toEqual(plain(list));
        expect(lines).toEqual(list.map((_, index) => index + 1));
        expect(rejections).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  test('JSON, by its items', () => {
    fc.assert(
      fc.property(values, shares, fc.boolean(), (list, places, isPretty) => {
        const body = Buffer.from(isPretty ? JSON.stringify(list, null, 2) : JSON.stringify(list));
        const read = readAll(jsonReader(roomy), cut(body, places));
        expect(read.values).toEqual(plain(list));
        expect(read.rejections).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  test('JSON, one value that is no list', () => {
    fc.assert(
      fc.property(
        value.filter((one) => !Array.isArray(one)),
        shares,
        (one, places) => {
          const read = readAll(jsonReader(roomy), cut(Buffer.from(JSON.stringify(one)), places));
          expect(read.values).toEqual(plain([one]));
        },
      ),
    );
  });
});

describe('a byte order mark', () => {
  const read = (shares: readonly number[], ...bytes: number[]) => {
    const { values, rejections } = readAll(jsonReader(OPTIONS), cut(Buffer.from(bytes), shares));
    return [values, rejections];
  };
  for (const shares of [[], [0.2], [0.5], [0.2, 0.4, 0.6, 0.8]]) {
    test(`is passed over where it is whole, in ${shares.length + 1} parts`, () => {
      expect(read(shares, 0xef, 0xbb, 0xbf, 0x7b, 0x7d)).toEqual([[{}], []]);
      expect(read(shares, 0xef, 0xbb, 0xbf, 0x20, 0x5b, 0x31, 0x5d)).toEqual([[1], []]);
    });
    test(`is no UTF-8 where it is not, in ${shares.length + 1} parts`, () => {
      const refused = [[], [[1, 'HG_DECODE_FAILED']]];
      expect(read(shares, 0xef, 0xbb, 0x7b, 0x7d)).toEqual(refused);
      expect(read(shares, 0xef, 0x7b, 0x7d)).toEqual(refused);
      expect(read(shares, 0xef, 0xbb, 0x5b, 0x31, 0x5d)).toEqual(refused);
      expect(read(shares, 0xbb, 0xbf, 0x31)).toEqual(refused);
      expect(read(shares, 0xef, 0xbb)).toEqual(refused);
    });
  }
});

test('a line that never ends is not kept', () => {
  const reader = ndjsonReader(OPTIONS);
  const chunk = Buffer.alloc(1_000, 'x');
  const read = readAll(reader, [...Array.from({ length: 1_000 }, () => chunk), Buffer.from('x\n7\n')]);
  expect(read.rejections).toEqual([[1, 'HG_RECORD_TOO_LARGE']]);
  expect([read.values, read.lines]).toEqual([[7], [2]]);
});

test('after too many rejections the rest is not looked at', () => {
  const read = readAll(ndjsonReader(OPTIONS), [Buffer.from(`${'x\n'.repeat(10_000)}1\n`)]);
  expect(read.rejections).toHaveLength(5_000);
  expect(read.values).toEqual([]);
});

describe('a body is decoded a piece at a time, however many records its bytes come to', () => {
  const size: ReaderOptions = { recordBytesMax: 1024 * 1024, depthMax: 64, isMarked: false };
  const wide = `${Array.from({ length: 900 }, (_, index) => `${'n'.repeat(60)}${index}`).join(',')}\n`;
  const payload = { decode: decoderFor('json'), contentType: 'text/plain', isMarked: false };
  test.each<[string, BodyReader, string]>([
    ['NDJSON of empty objects', ndjsonReader(size), '{}\n'.repeat(20_000)],
    ['a list of empty lists', jsonReader(size), `[${'[],'.repeat(20_000)}[]]`],
    ['records of many small parts', ndjsonReader(size), `[${'[],'.repeat(5_000)}0]\n`.repeat(4)],
    ['records of many names', jsonReader(size), `[${`{${'"a":{},'.repeat(2_000)}"b":0},`.repeat(4)}0]`],
    ['rows of commas below long names', csvReader(size), wide + `${','.repeat(899)}\n`.repeat(60)],
    ['a payload that is one large record', payloadReader(payload), `[${'[],'.repeat(20_000)}0]`],
  ])('%s', (_, reader, text) => {
    const weights: number[] = [];
    const rests: number[] = [];
    for (const pieces of [reader.push(Buffer.from(text)), reader.end()]) {
      for (const { bytes, values } of pieces) {
        weights.push(bytes);
        rests.push(bytes / Math.max(1, values.length));
      }
    }
    const largest = Math.max(...rests);
    // What a record takes is more than its text many times over, and is counted as such.
    expect(weights.reduce((sum, weight) => sum + weight, 0)).toBeGreaterThan(8 * text.length);
    expect(Math.max(...weights)).toBeLessThanOrEqual(LIMITS.ingestPieceBytesMax + largest);
  });

  test('nothing more is made of a body than what was asked for', () => {
    const made: number[] = [];
    const pieces = ndjsonReader(size).push(Buffer.from('{}\n'.repeat(20_000)));
    for (const { values } of pieces) {
      made.push(values.length);
      break;
    }
    expect(made[0]).toBeLessThan(2_100);
  });
});

test('a payload that comes to more records than may wait is refused', () => {
  const decode = decoderFor('ndjson');
  const reader = payloadReader({ decode, contentType: 'text/plain', isMarked: false });
  const payload = Buffer.from('1\n'.repeat(1_000_000));
  const [piece] = [...reader.push(payload), ...reader.end()];
  expect(piece?.failure?.code).toBe('HG_HTTP_TOO_LARGE');
});

describe('the row that names the columns is bounded', () => {
  const names = (count: number, chars: number) =>
    Array.from({ length: count }, (_, index) => `${index}`.padEnd(chars, 'x')).join(',');
  test.each([
    ['in bytes', `${names(100, 700)}\n`, /header has 70099 bytes/],
    ['in columns', `${names(4_097, 5)}\n`, /header has 4097 columns/],
  ])('%s', (_, text, message) => {
    const [piece] = csvReader({ recordBytesMax: 1024 * 1024, depthMax: 64, isMarked: false }).push(
      Buffer.from(text),
    );
    expect(piece?.rejections[0]?.message).toMatch(message);
    expect(piece?.isLast).toBe(true);
  });

  test('a record is measured with the names of its columns', () => {
    const reader = csvReader({ recordBytesMax: 600, depthMax: 64, isMarked: false });
    const read = readAll(reader, [Buffer.from(`${names(2, 250)}\n1,2\n${'3'.repeat(200)},4\n5,6\n`)]);
    expect(read.lines).toEqual([2, 4]);
    expect(read.rejections).toEqual([[3, 'HG_RECORD_TOO_LARGE']]);
  });
});
