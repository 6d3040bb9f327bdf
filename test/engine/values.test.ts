/** Values on their whole way: payload, stages, disk, log, sinks. None is changed. */

import { expect, test } from 'vitest';
import { addressOf } from '../../actors/sinks/address-template.ts';
import { csvFormat, NDJSON } from '../../actors/sinks/file/formats.ts';
import { payloadOf } from '../../actors/sinks/message-payload.ts';
import { recordAsJson } from '../../actors/sinks/outbound-text.ts';
import { functionSink, mqttSource, pushSource, transform } from '../../src/index.ts';
import type { OutboundRecord } from '../../src/index.ts';
import { simulatedMqttBroker } from '../../src/testing/simulated-mqtt.ts';
import { virtualClock } from '../../src/testing/virtual-clock.ts';
import { handedIn, startedRig } from '../support/engine-rig.ts';

const RULES = { noun: 'topic', addressProblem: () => null, valueProblem: () => null };
const DIGITS = ['9007199254740993', '1724442618569203714', '-18446744073709551615', '9007199254740991'];

test('integers of any size reach every sink with the digits they came with', async () => {
  const taken: OutboundRecord[] = [];
  const seen: unknown[] = [];
  const look = transform(({ data }) => {
    seen.push((data as { id: unknown }).id);
    return data;
  });
  const source = pushSource({ id: 'a', decode: 'ndjson' });
  const rig = await startedRig({ stages: [look] }, source);
  await rig.engine.registerSink(
    functionSink({ id: 'own', deliver: async (batch) => void taken.push(...batch) }),
  );
  await handedIn(source.pushPayload(DIGITS.map((id) => `{"id":${id}}\n`).join('')));
  await rig.clock.advance(2_000);
  await rig.stop();
  expect(seen.map(String)).toEqual(DIGITS);
  expect(seen.map((id) => typeof id)).toEqual(['bigint', 'bigint', 'bigint', 'number']);
  const data = DIGITS.map((id) => `{"id":${id}}`);
  expect(rig.query('SELECT data FROM records ORDER BY seq').map((row) => row['data'])).toEqual(data);
  expect(taken.map((record) => (record.data as { id: unknown }).id)).toEqual(seen);
  // What file, HTTP, MQTT and JetStream sinks write and send.
  const csv = csvFormat({ columns: ['data.id', 'data'], escapeFormulas: false });
  const topic = addressOf('a/{data.id}', RULES);
  for (const [n, record] of taken.entries()) {
    expect(NDJSON.line(record)).toContain(`"data":${data[n]}}`);
    expect(csv.line(record).split(',')[1]).toBe(DIGITS[n]);
    expect(payloadOf(record, { format: 'json' })).toBe(data[n]);
    expect(payloadOf({ ...record, data: seen[n] }, { format: 'text' })).toBe(DIGITS[n]);
    expect(recordAsJson(record, 'record')).toContain(`"data":${data[n]}}`);
    expect(topic(record)).toBe(`a/${DIGITS[n]}`);
  }
});

test('of a name that stands twice in an object the last value is stored, at the place of the first', async () => {
  const rows = [
    ['{"id":1,"id":2}', '{"id":2}'],
    ['{"a":{"n":1,"m":0,"n":[2]},"a":{"n":3,"n":null}}', '{"a":{"n":null}}'],
    ['{"n":1,"m":0,"n":[2]}', '{"n":[2],"m":0}'],
    // Another way through the decoder, since integers keep their digits.
    ['{"id":9007199254740993,"x":1,"id":9007199254740995}', '{"id":9007199254740995,"x":1}'],
    ['{"\\u0069d":1,"id":2}', '{"id":2}'],
    ['{"__proto__":1,"__proto__":2}', '{"__proto__":2}'],
  ] as const;
  const source = pushSource({ id: 'a', decode: 'ndjson' });
  const rig = await startedRig({}, source);
  await handedIn(source.pushPayload(rows.map(([payload]) => `${payload}\n`).join('')));
  await rig.clock.advance(100);
  await rig.stop();
  const stored = rig.query('SELECT data FROM records ORDER BY seq').map(({ data }) => data);
  expect(stored).toEqual(rows.map(([, data]) => data));
});

const bounds = ['1e400', '9'.repeat(310), '[1e999]'];
test.each(bounds)('a number beyond every double is a dead letter: %s', async (payload) => {
  const source = pushSource({ id: 'a', decode: 'json' });
  const rig = await startedRig({}, source);
  expect(await rig.clock.runUntil(source.pushPayload(payload))).toMatchObject({ deadLettered: 1, stored: 0 });
});

test('a dead letter that is tried again has the integers it had', async () => {
  let isReady = false;
  const stage = transform(({ data }) => {
    if (!isReady) throw new Error('not yet');
    return data;
  });
  const source = pushSource({ id: 'a', decode: 'json' });
  const rig = await startedRig({ stages: [stage] }, source);
  await rig.clock.runUntil(source.pushPayload('{"id":9007199254740993,"n":[-0]}'));
  isReady = true;
  await rig.clock.runUntil(rig.engine.deadLetters.retry([1]));
  await rig.clock.advance(100);
  await rig.stop();
  expect(rig.query('SELECT data FROM records')).toEqual([{ data: '{"id":9007199254740993,"n":[-0]}' }]);
});

test('a stage sees the same value, whether a record came by memory or by disk', async () => {
  const kept: unknown[] = [];
  const data = {
    ...{ at: new Date(5), bytes: Uint8Array.of(0, 255), id: 9007199254740993n, zero: -0, none: undefined },
    ...{ map: new Map([['a', new Set([1])]]), list: [Buffer.from('x'), [Uint8Array.of(1)]], text: '\ud800' },
  };
  const stage = transform((record) => {
    kept.push(record.data);
    return kept.length;
  });
  const outlet = { capacityRecords: 2, overflow: 'spill' } as const;
  const source = pushSource({ id: 'a', outlet, rateLimit: { recordsPerSecondMax: 1, policy: 'delay' } });
  const rig = await startedRig({ stages: [stage] }, source);
  for (let n = 0; n < 6; n++) await handedIn(source.push(data));
  await rig.clock.advance(20);
  expect(rig.query('SELECT count(*) AS n FROM spill')[0]?.['n']).toBeGreaterThan(0);
  await rig.clock.advance(20_000);
  await rig.stop();
  expect(kept).toHaveLength(6);
  for (const value of kept) expect(value).toStrictEqual(data);
});

test('bytes of a message are stored as base64, alone and in an envelope', async () => {
  const clock = virtualClock();
  const broker = simulatedMqttBroker({ clock });
  const options = { url: 'mqtt://broker', decode: 'bytes', transport: broker.transport } as const;
  const rig = await startedRig(
    { clock },
    mqttSource({ id: 'one', topics: 'a', ...options }),
    mqttSource({ id: 'many', topics: ['a', 'b'], ...options }),
  );
  await clock.advance(50);
  broker.publish('a', Uint8Array.of(0, 1, 255));
  await clock.advance(100);
  await rig.stop();
  expect(rig.query('SELECT data FROM records ORDER BY source_id DESC').map((row) => row['data'])).toEqual([
    '[{"base64":"AAH/"}]',
    '{"topic":"a","qos":1,"retain":false,"payload":[{"base64":"AAH/"}]}',
  ]);
});
