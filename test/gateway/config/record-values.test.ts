/** Expressions read whatever a source hands in, or say what they cannot read. */

import { describe, expect, test } from 'vitest';
import { envelopeOf } from '../../../actors/sources/mqtt/mqtt-source.ts';
import { ArrivedRecord, type IngestRecord } from '../../../src/domain/record.ts';
import type { OutboundRecord } from '../../../src/domain/sink.ts';
import { compileExpression } from '../../../src/gateway/config/expression.ts';
import { ARRIVING_RECORD, SINK_RECORD, STAGE_RECORD } from '../../../src/gateway/config/fields.ts';
import { arrivingView, outboundView, stageView } from '../../../src/gateway/config/record-view.ts';
import { payloadDecoder } from '../../../src/pipeline/decode/payload-decoder.ts';

const SHARED = {
  ...{ sourceId: 'hall', tenant: 'default', incarnation: 1, atMs: 0, receivedMonoMs: 0 },
  ...{ contentType: undefined, key: undefined, cursor: undefined },
};

function recordWith(data: unknown): IngestRecord {
  return new ArrivedRecord(SHARED, 1, data, undefined);
}

/** Evaluates as a stage does. */
function evaluate(text: string, data: unknown): unknown {
  return compileExpression(text, STAGE_RECORD).evaluate({ record: stageView(recordWith(data)) });
}

const ENVELOPE = envelopeOf({ topic: 'hall/2', qos: 1, retain: false }, { celsius: 21 });

test('a stage, a dedup key and a sink read the envelope of an MQTT message', () => {
  const text = 'record.data.payload.celsius > 20 && record.data.topic == "hall/2" && has(record.data.qos)';
  const record = recordWith(ENVELOPE);
  const views = [
    [STAGE_RECORD, stageView(record)],
    [ARRIVING_RECORD, arrivingView('hall', ENVELOPE, {})],
    [SINK_RECORD, outboundView({ ...record, sourceSeq: 1 } as unknown as OutboundRecord)],
  ] as const;
  for (const [variables, view] of views) {
    expect(compileExpression(text, variables).evaluate({ record: view })).toBe(true);
    expect(compileExpression('record.data', variables).evaluate({ record: view })).toBe(ENVELOPE);
  }
});

describe('reads what a source decodes from', () => {
  const payloads: [format: 'json' | 'ndjson' | 'csv' | 'text' | 'bytes', text: string, value: unknown][] = [
    ['json', 'record.data.a.b[1] == 2', { a: { b: [1, 2] } }],
    ['ndjson', 'record.data.a == 1', { a: 1 }],
    ['csv', 'record.data.a == "1" && size(record.data) == 2', 'a,b\n1,2\n'],
    ['text', 'record.data.startsWith("hall")', 'hall 2'],
    ['bytes', 'size(record.data) == 1 && record.data[0] == b"abc"', 'abc'],
  ];
  for (const [format, text, value] of payloads) {
    test(format, () => {
      const payload = typeof value === 'string' ? value : JSON.stringify(value);
      const [data] = payloadDecoder({ format }).decode(new TextEncoder().encode(payload), undefined);
      expect(evaluate(text, data)).toBe(true);
    });
  }
});

class Reading {
  readonly #secret = 1;
  readonly celsius = 21;
  readonly nothing = undefined;
  inherited(): number {
    return this.#secret;
  }
}

class Money {
  readonly cents: number;
  constructor(cents: number) {
    this.cents = cents;
  }
  toJSON(): string {
    return `${this.cents / 100} EUR`;
  }
}

describe('reads', () => {
  const cases: [title: string, text: string, data: unknown, value: unknown][] = [
    ['own fields of an instance', 'record.data.celsius + 1', new Reading(), 22],
    ['no methods of an instance', 'has(record.data.inherited)', new Reading(), false],
    ['no constructor', 'has(record.data.constructor)', new Reading(), false],
    ['no field that is undefined', 'has(record.data.nothing)', new Reading(), false],
    ['as many fields as JSON would have', 'size(record.data)', new Reading(), 1],
    ['instances within a list', 'record.data.map(r, r.celsius)', [new Reading()], [21]],
    [
      'an instance as what its toJSON returns',
      'record.data.price + "!"',
      { price: new Money(250) },
      '2.5 EUR!',
    ],
    ['an object without a prototype', 'record.data.a', Object.assign(Object.create(null), { a: 1 }), 1],
    ['a field called __proto__', 'record.data["__proto__"]', JSON.parse('{"__proto__": 5}'), 5],
    ['a Map', 'record.data.a + record.data.size()', new Map([['a', 1]]), 2],
    ['a Set as a list', '3 in record.data', new Set([1, 3]), true],
    ['a Date as a timestamp', 'record.data.at.getFullYear()', { at: new Date('2026-05-01T00:00:00Z') }, 2026],
    ['a Buffer as bytes', 'size(record.data)', Buffer.from('abc'), 3],
    ['a boxed number', 'record.data + 1', Object(1), 2],
    ['a hole of a list as null', 'record.data[1] == null', new Array(3), true],
    ['not a number', 'record.data == record.data', Number.NaN, false],
    ['headers of several values', 'record.data.h["x-a"][0]', { h: { 'x-a': ['1', '2'] } }, '1'],
  ];
  for (const [title, text, data, value] of cases) {
    test(title, () => expect(evaluate(text, data)).toEqual(value));
  }
});

describe('says that it cannot read', () => {
  const cases: [title: string, value: unknown, message: RegExp][] = [
    ['a function', () => 1, /holds a function/],
    ['a symbol', Symbol('a'), /holds a symbol/],
    ['an error', new TypeError('a'), /holds an instance of TypeError/],
    ['a promise', Promise.resolve(1), /holds an instance of Promise/],
    ['a regular expression', /a/, /holds an instance of RegExp/],
    ['numbers in an array of floats', new Float32Array(2), /holds an instance of Float32Array/],
    ['a date that is none', new Date(Number.NaN), /invalid date/],
  ];
  for (const [title, value, message] of cases) {
    test(title, () => {
      const failure = expect.objectContaining({
        code: 'HG_EXPRESSION_FAILED',
        message: expect.stringMatching(message),
      });
      expect(() => evaluate('record.data.a == 1', { a: value })).toThrow(failure);
      expect(() => evaluate('record.data == 1', value)).toThrow(failure);
      expect(evaluate('record.data.b', { a: value, b: 2 })).toBe(2);
    });
  }
});

describe('an integer beyond 2^53 keeps its digits', () => {
  const id = 1724442618569203767n;
  const data = { id, n: 1, half: 0.5, huge: 2n ** 70n };
  const cases: [text: string, value: unknown][] = [
    ['record.data.id', id],
    ['record.data.id == 1724442618569203767', true],
    ['record.data.id == 1724442618569203768', false],
    ['record.data.id > 1724442618569203766', true],
    ['record.data.id + 1', id + 1n],
    ['record.data.id + record.data.n', id + 1n],
    ['record.data.n + record.data.id', id + 1n],
    ['record.data.id - 1724442618569203760', 7],
    ['record.data.id / 2', id / 2n],
    ['record.data.id * record.data.half', Number(id) / 2],
    ['string(record.data.id)', String(id)],
    ['"%d".format([record.data.id])', String(id)],
    ['{"copy": record.data.id, "list": [record.data.id]}', { copy: id, list: [id] }],
    ['record.data.id in [1, 1724442618569203767]', true],
    ['record.data.huge', 2n ** 70n],
    ['record.data.huge > record.data.id', true],
  ];
  for (const [text, value] of cases) {
    test(text, () => expect(evaluate(text, data)).toEqual(value));
  }

  test('and a result that takes more than 64 bits is an error', () => {
    expect(() => evaluate('record.data.id * record.data.id', data)).toThrow(/integer overflow/);
    expect(() => evaluate('record.data.huge + 1', data)).toThrow(/integer overflow/);
  });
});

test('two evaluations of one expression share nothing', () => {
  const expression = compileExpression('record.data.map(x, x)', STAGE_RECORD);
  const data = [1];
  const made = expression.evaluate({ record: stageView(recordWith(data)) });
  expect(made).not.toBe(data);
  expect(expression.evaluate({ record: stageView(recordWith([2])) })).toEqual([2]);
});
