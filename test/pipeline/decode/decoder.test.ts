import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HeadgateError } from '../../../src/domain/errors.ts';
import { decoderFor, type PayloadFormat } from '../../../src/pipeline/decode/decoder.ts';
import { JSON_DEPTH_MAX, writeJson } from '../../../src/domain/json-text.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

const decode = (format: PayloadFormat, payload: string | Uint8Array) =>
  decoderFor(format)(typeof payload === 'string' ? bytes(payload) : payload, undefined);

function check(format: PayloadFormat, payload: string | Uint8Array, values: unknown[]) {
  expect(decode(format, payload)).toEqual(values);
}

function refusal(format: PayloadFormat, payload: string | Uint8Array): HeadgateError {
  try {
    decode(format, payload);
  } catch (error) {
    expect(error).toBeInstanceOf(HeadgateError);
    expect((error as HeadgateError).code).toBe('HG_DECODE_FAILED');
    expect((error as HeadgateError).remedy).toBe('drop');
    return error as HeadgateError;
  }
  throw new Error('it was decoded');
}

describe('json', () => {
  test('is one value', () => {
    check('json', '{"a":1,"b":[null,true,"x"]}', [{ a: 1, b: [null, true, 'x'] }]);
    check('json', '[1,2]', [[1, 2]]);
    check('json', ' 7\n', [7]);
    check('json', 'null', [null]);
  });
  test('takes a byte order mark', () => check('json', '\ufeff{"a":1}', [{ a: 1 }]));
  test('takes the last of equal keys', () => check('json', '{"a":1,"a":2}', [{ a: 2 }]));
  test('refuses what is empty, and says so', () => {
    expect(refusal('json', '').message).toContain('empty');
    expect(refusal('json', ' \n').message).toContain('empty');
  });
  test.each(['{"a":', '{a:1}', "{'a':1}", 'NaN', '[1,]', '{}{}', '\u0000', '<html></html>', '01'])(
    'refuses %j',
    (text) => expect(refusal('json', text).message).toContain('not valid JSON'),
  );

  test('takes values nested as deep as the limit and refuses one level more', () => {
    const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
    expect(decode('json', nested(JSON_DEPTH_MAX))).toHaveLength(1);
    expect(refusal('json', nested(JSON_DEPTH_MAX + 1)).message).toContain('1000 levels');
    const objects = '{"a":'.repeat(1_001) + '1' + '}'.repeat(1_001);
    expect(refusal('json', objects).message).toContain('1000 levels');
  });
  test('does not take brackets within strings for depth', () => {
    const text = JSON.stringify({ text: '["'.repeat(5_000) + '\\' });
    check('json', text, [JSON.parse(text)]);
  });
  test('refuses a million levels without harm', () => {
    expect(refusal('json', '['.repeat(1_000_000) + ']'.repeat(1_000_000)).message).toContain('levels');
    refusal('json', '['.repeat(1_000_000));
  });

  test.each([
    '1e400',
    '-1E+400',
    '{"a":{"b":[0,1e309]}}',
    '9'.repeat(310),
    `${'9'.repeat(250)}e99`,
    '1e0000999',
  ])('refuses the number in %s, which would become Infinity', (text) =>
    expect(refusal('json', text).message).toContain('too large'),
  );
  test('refuses it wherever in the text it stands', () => {
    for (let before = 0; before <= 450; before++) {
      const text = `${' '.repeat(before)}["a",1234567890123,${'9'.repeat(310)},2]`;
      expect(refusal('json', text).message).toContain('too large');
    }
  });
  test.each([
    ['1e308', 1e308],
    ['1e-400', 0],
    ['"1e400"', '1e400'],
    [`${'9'.repeat(300)}`, BigInt('9'.repeat(300))],
  ])('takes %s', (text, value) => check('json', text, [value]));

  test('keeps a key __proto__ as a property and lets it reach no prototype', () => {
    const [value] = decode(
      'json',
      '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}',
    );
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(Object.hasOwn(value as object, '__proto__')).toBe(true);
    expect((value as { polluted?: boolean }).polluted).toBeUndefined();
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
    expect(JSON.stringify(value)).toContain('"__proto__":{"polluted":true}');
  });
});

describe('ndjson', () => {
  test('is a record a line', () =>
    check('ndjson', '{"n":1}\n{"n":2}\r\n{"n":3}', [{ n: 1 }, { n: 2 }, { n: 3 }]));
  test('passes over empty lines', () => check('ndjson', '\n1\n \t\r\n2\n\n', [1, 2]));
  test('of nothing is no record', () => check('ndjson', '', []));
  test('takes a byte order mark', () => check('ndjson', '\ufeff1\n2', [1, 2]));
  test('names the line that is bad', () => {
    const error = refusal('ndjson', '1\n\n{"n":\n2');
    expect(error.details).toEqual({ line: 3 });
    expect(error.message).toContain('line 3');
  });
});

describe('csv', () => {
  test('names fields by the first row and keeps them as strings', () =>
    check('csv', 'id,value\na,007\nb,1.50\n', [
      { id: 'a', value: '007' },
      { id: 'b', value: '1.50' },
    ]));
  test('reads quoted fields with commas, quotes and line breaks', () =>
    check('csv', '\ufeff"id",note\r\n1,"a, ""b""\nc"\r\n2,\r\n', [
      { id: '1', note: 'a, "b"\nc' },
      { id: '2', note: '' },
    ]));
  test('of a header alone, or of nothing, is no record', () => {
    check('csv', 'id,value\n', []);
    check('csv', '', []);
  });
  test('names the line of a row with the wrong number of fields', () => {
    const error = refusal('csv', 'a,b\n1,"x\ny"\n1,2,3\n');
    expect(error.details).toEqual({ line: 4 });
    expect(error.message).toContain('3 fields, the header 2');
  });
  test.each(['a,b\n1,x"y\n', 'a,b\n1,"x"y\n', 'a,b\n1,"xy\n'])('refuses the broken quote in %j', (text) =>
    expect(refusal('csv', text).details).toEqual({ line: 2 }),
  );
  test('refuses a column named twice or not at all', () => {
    expect(refusal('csv', 'a,b,a\n1,2,3\n').message).toContain('"a" stands twice');
    expect(refusal('csv', 'a,\n1,2\n').message).toContain('column 2');
  });
  test('takes a column named __proto__ as any other', () => {
    const [row] = decode('csv', '__proto__,b\n1,2\n');
    expect(Object.getPrototypeOf(row)).toBe(Object.prototype);
    expect(Object.entries(row as object)).toEqual([
      ['__proto__', '1'],
      ['b', '2'],
    ]);
  });
});

describe('text and bytes', () => {
  test('text is one string', () => check('text', 'a\nb', ['a\nb']));
  test('bytes are one frame, a copy', () => {
    const payload = new Uint8Array([0, 255]);
    const [frames] = decode('bytes', payload) as [Uint8Array[]];
    payload[0] = 9;
    expect(frames).toEqual([new Uint8Array([0, 255])]);
  });
  test.each<PayloadFormat>(['json', 'ndjson', 'csv', 'text'])('%s refuses what is no UTF-8', (format) => {
    for (const bad of [
      [0xff],
      [0xc0, 0x80],
      [0xed, 0xa0, 0x80],
      [0xe2, 0x82],
      [0xf8, 0x88, 0x80, 0x80, 0x80],
    ]) {
      expect(refusal(format, new Uint8Array([0x22, ...bad, 0x22])).message).toContain('UTF-8');
    }
  });
});

test('a function decodes as it is', () => {
  const own = (payload: Uint8Array) => [payload.length];
  expect(decoderFor(own)).toBe(own);
});

describe('whatever comes', () => {
  const formats = ['json', 'ndjson', 'csv', 'text', 'bytes'] as const;
  const seeds = [
    '{"a":[1,2,{"b":"c"}]}',
    '{"__proto__":{"x":1}}\n{"constructor":{"prototype":{"x":1}}}',
    'id,value\n1,"a ""b"""\n2,x\n',
    '[1e400,1e-400,-0,12345678901234567890]',
    '"\\ud800\\udfff"',
  ];
  const mutated = fc
    .tuple(
      fc.constantFrom(...seeds),
      fc.array(fc.tuple(fc.nat(80), fc.integer({ min: 0, max: 255 })), { maxLength: 4 }),
      fc.nat(80),
    )
    .map(([seed, changes, cut]) => {
      const payload = bytes(seed).slice(0, cut + 1);
      for (const [index, byte] of changes) if (index < payload.length) payload[index] = byte;
      return payload;
    });

  test.each(formats)(
    '%s gives values that JSON can hold, or a typed refusal, and touches no prototype',
    (format) => {
      const before = Object.getOwnPropertyNames(Object.prototype);
      const property = fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), mutated), (payload) => {
        try {
          const values = decode(format, payload);
          if (format !== 'bytes') expect(JSON.parse(writeJson(values))).toHaveLength(values.length);
        } catch (error) {
          expect(error).toMatchObject({ name: 'HeadgateError', code: 'HG_DECODE_FAILED' });
        }
      });
      fc.assert(property, { numRuns: 3_000 });
      expect(Object.getOwnPropertyNames(Object.prototype)).toEqual(before);
    },
  );

  test('every JSON value comes back as JSON.parse reads it, and integers by their digits', () => {
    const digits = (_key: string, value: unknown, { source }: { source?: string } = {}) =>
      source !== undefined && /^-?\d+$/.test(source) && !Number.isSafeInteger(value) ? BigInt(source) : value;
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), (text) => {
        expect(decode('json', text)).toEqual([JSON.parse(text, digits)]);
      }),
    );
  });
});
