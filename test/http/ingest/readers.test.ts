/** How a body was cut into chunks changes nothing of what is made of it. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { csvReader } from '../../../src/http/ingest/csv-reader.ts';
import { jsonReader } from '../../../src/http/ingest/json-reader.ts';
import { ndjsonReader } from '../../../src/http/ingest/ndjson-reader.ts';
import type { BodyReader, Piece, ReaderOptions } from '../../../src/http/ingest/piece.ts';

const OPTIONS: ReaderOptions = { recordBytesMax: 64, depthMax: 8, isMarked: true };

interface Read {
  readonly values: unknown[];
  readonly lines: number[];
  readonly marks: number[];
  readonly rejections: [line: number, code: string][];
}

function readAll(reader: BodyReader, chunks: readonly Buffer[]): Read {
  const read: Read = { values: [], lines: [], marks: [], rejections: [] };
  const take = (piece: Piece): boolean => {
    read.values.push(...piece.values);
    read.lines.push(...piece.lines);
    read.marks.push(...piece.marks);
    for (const { line, code } of piece.rejections) read.rejections.push([line, code]);
    return piece.isLast;
  };
  for (const chunk of chunks) if (take(reader.push(Buffer.from(chunk)))) return read;
  take(reader.end());
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

describe('what is read is what JSON.parse reads:', () => {
  const values = fc.array(value, { maxLength: 12 });
  const roomy = { ...OPTIONS, recordBytesMax: 1_000_000 };
  /** As JSON has them: without a negative zero. */
  const plain = (list: readonly unknown[]) => JSON.parse(JSON.stringify(list)) as unknown[];

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

test('a line that never ends is not kept', () => {
  const reader = ndjsonReader(OPTIONS);
  const chunk = Buffer.alloc(1_000, 'x');
  let rejections = 0;
  for (let index = 0; index < 1_000; index++) rejections += reader.push(chunk).rejections.length;
  const piece = reader.push(Buffer.from('x\n7\n'));
  expect(rejections).toBe(1);
  expect([piece.values, piece.lines]).toEqual([[7], [2]]);
});

test('after too many rejections the rest is not looked at', () => {
  const piece = ndjsonReader(OPTIONS).push(Buffer.from(`${'x\n'.repeat(10_000)}1\n`));
  expect(piece.isLast).toBe(true);
  expect(piece.rejections).toHaveLength(5_000);
  expect(piece.values).toEqual([]);
});
