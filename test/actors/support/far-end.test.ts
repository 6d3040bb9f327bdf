/** A far end by its checksums: the same options give the same ones, other addresses others. */

import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { farEndOf } from '../../../actors/support/far-end.ts';
import {
  defineSource,
  fileSink,
  fileSource,
  httpSink,
  httpSource,
  jetStreamSink,
  mqttConnection,
  mqttSink,
  mqttSource,
  webSocketSource,
} from '../../../src/index.ts';

const KINDS = {
  httpSource: (host: string) => httpSource({ id: 'a', url: `http://u:secret@${host}/`, intervalMs: 1_000 }),
  mqttSource: (host: string) => mqttSource({ id: 'a', url: `mqtt://u:secret@${host}`, topics: 't' }),
  sharedMqtt: (host: string) =>
    mqttSource({ id: 'a', connection: mqttConnection({ url: `mqtt://${host}` }), topics: 't' }),
  webSocketSource: (host: string) => webSocketSource({ id: 'a', url: `ws://u:secret@${host}/` }),
  fileSource: (host: string) => fileSource({ id: 'a', path: `/data/${host}.log` }),
  httpSink: (host: string) => httpSink({ id: 'a', url: `http://u:secret@${host}/` }),
  mqttSink: (host: string) => mqttSink({ id: 'a', url: `mqtt://u:secret@${host}`, topic: 't' }),
  jetStreamSink: (host: string) => jetStreamSink({ id: 'a', servers: `nats://${host}`, subject: 's' }),
  fileSink: (host: string) => fileSink({ id: 'a', path: `/data/${host}.log` }),
};

describe.each(Object.entries(KINDS))('%s', (_, make) => {
  test('has the same checksums whenever it is made, and others for another address', () => {
    const farEnd = farEndOf(make('one'));
    expect(farEndOf(make('one'))).toEqual(farEnd);
    expect(farEnd.addressCrc).not.toBe(0);
    expect(farEndOf(make('two')).addressCrc).not.toBe(farEnd.addressCrc);
    expect(make('one').logic.target).not.toContain('secret');
  });
});

test('of all options no more than eight bits are kept, since there are passwords among them', () => {
  const crcs = Array.from({ length: 2_000 }, (_, n) => {
    const headers = { authorization: `Bearer ${n}` };
    return farEndOf(httpSource({ id: 'a', url: 'http://h/', intervalMs: 1_000, headers }))
      .optionsCrc as number;
  });
  expect(Math.max(...crcs)).toBeLessThan(256);
  expect(new Set(crcs).size).toBeGreaterThan(200);
});

test('options of a kind of its own that have no form in JSON do no harm', () => {
  const plc = defineSource({ type: 'plc', options: { odd: z.any() }, stream: async () => {} });
  const circle: { self?: unknown } = {};
  circle.self = circle;
  for (const odd of [1n, circle, () => 1, new Map(), Symbol('s'), undefined, Object.create(null)]) {
    expect(farEndOf(plc({ id: 'a', odd }))).toEqual(farEndOf(plc({ id: 'a', odd })));
  }
});
