import { describe, expect, test } from 'vitest';
import { mqttConnection } from '../../../../actors/sources/mqtt/connection.ts';
import { mqttSource, type MqttSourceInput } from '../../../../actors/sources/mqtt/mqtt-source.ts';
import type { HeadgateError } from '../../../../src/domain/errors.ts';

const BASE = { id: 'm', url: 'mqtt://broker', topics: 'a' } as const;
const PEM = '-----BEGIN CERTIFICATE-----\nnot base64\n-----END CERTIFICATE-----';

function refusal(make: () => unknown): HeadgateError {
  try {
    make();
  } catch (error) {
    return error as HeadgateError;
  }
  throw new Error('nothing was refused');
}

type Case = [about: string, options: object, field: string, message: RegExp];

const CASES: Case[] = [
  ['no url', { url: undefined }, 'url', /mqtt:\/\/host:1883/],
  ['another scheme', { url: 'http://broker' }, 'url', /schemes are mqtt, mqtts, ws and wss/],
  ['no host', { url: 'mqtt://' }, 'url', /must be a URL/],
  ['a path', { url: 'mqtt://broker/plant' }, 'url', /no path/],
  ['a query', { url: 'mqtt://broker?clientId=x' }, 'url', /no path and no query/],
  ['an empty topic', { topics: '' }, 'topics', /empty/],
  ['no topics', { topics: [] }, 'topics', /at least one/],
  ['# in the middle', { topics: ['ok', 'a/#/b'] }, 'topics.1', /"#" must be a whole level and the last one/],
  ['NUL in a topic', { topics: [{ topic: 'a\0' }] }, 'topics.0.topic', /NUL/],
  ['a QoS of 3', { topics: [{ topic: 'a', qos: 3 }] }, 'topics.0.qos', /0, 1 or 2/],
  ['a number for a topic', { topics: 7 }, 'topics', /topic filter/],
  ['no topics option', { topics: undefined }, 'topics', /topic filter/],
  ['one topic twice', { topics: ['a', { topic: 'a', qos: 0 }] }, 'topics.1', /twice/],
  ['QoS 4', { qos: 4 }, 'qos', /0, 1 or 2/],
  ['MQTT 3.1', { protocolVersion: 3 }, 'protocolVersion', /4 \(MQTT 3\.1\.1\) or 5/],
  ['a kept session without a client id', { clean: false }, 'clientId', /clean: false keeps a session/],
  [
    'expiry of a clean session',
    { protocolVersion: 5, sessionExpirySeconds: 9 },
    'sessionExpirySeconds',
    /clean: false/,
  ],
  [
    'session expiry in 3.1.1',
    { clean: false, clientId: 'c', sessionExpirySeconds: 9 },
    'sessionExpirySeconds',
    /protocolVersion: 5/,
  ],
  ['receiveMaximum in 3.1.1', { receiveMaximum: 9 }, 'receiveMaximum', /protocolVersion: 5/],
  ['a password alone in 3.1.1', { password: 'p' }, 'password', /without a username/],
  ['credentials in two places', { url: 'mqtt://u:s3cret@broker', username: 'v' }, 'url', /one place/],
  ['tls on a plain url', { tls: {} }, 'tls', /mqtts:\/\//],
  [
    'a path for a certificate',
    { url: 'mqtts://broker', tls: { ca: '/etc/ca.pem' } },
    'tls.ca',
    /readFileSync/,
  ],
  [
    'a certificate that is none',
    { url: 'mqtts://broker', tls: { cert: PEM, key: PEM } },
    'tls',
    /cannot be used/,
  ],
  ['a certificate without key', { url: 'mqtts://broker', tls: { cert: PEM } }, 'tls.key', /go together/],
  ['a will to a wildcard', { will: { topic: 'a/+', payload: 'x' } }, 'will.topic', /wildcards/],
  ['a will without payload', { will: { topic: 'a' } }, 'will.payload', /text or bytes/],
  ['two groups', { topics: '$share/g/a', sharedGroup: 'h' }, 'sharedGroup', /one place/],
  ['a group with a slash', { sharedGroup: 'a/b' }, 'sharedGroup', /group/],
  ['no keepalive', { keepaliveSeconds: 0 }, 'keepaliveSeconds', /at least 1/],
  ['a connection that is none', { url: undefined, connection: {} }, 'connection', /mqttConnection\(\)/],
];

describe('an option is refused with its field and its reason', () => {
  test.each(CASES)('%s', (_about, options, field, message) => {
    const error = refusal(() => mqttSource({ ...BASE, ...options }));
    expect(error).toMatchObject({ code: 'HG_OPTION_INVALID', details: { subject: 'mqttSource', field } });
    expect(error.message).toMatch(message);
  });

  test('a misspelled name is met with the right one', () => {
    const error = refusal(() => mqttSource({ ...BASE, keepAliveSecond: 3 } as unknown as MqttSourceInput));
    expect(error).toMatchObject({ code: 'HG_OPTION_UNKNOWN', details: { suggestion: 'keepaliveSeconds' } });
  });
});

describe('a shared connection and options about the link exclude each other', () => {
  test.each([
    { url: 'mqtt://broker' },
    { username: 'u' },
    { password: 'p' },
    { clientId: 'c' },
    { clean: true },
    { protocolVersion: 5 },
    { keepaliveSeconds: 5 },
    { will: { topic: 'a', payload: '' } },
  ])('%o', (extra) => {
    const connection = mqttConnection({ url: 'mqtt://broker' });
    const error = refusal(() =>
      mqttSource({ id: 'm', topics: 'a', connection, ...extra } as MqttSourceInput),
    );
    expect(error).toMatchObject({ code: 'HG_OPTION_INVALID', details: { field: 'connection' } });
    expect(error.message).toContain(Object.keys(extra)[0]);
  });

  test('a connection checks its own options', () => {
    const error = refusal(() => mqttConnection({ url: 'mqtt://broker', clean: false }));
    expect(error).toMatchObject({
      code: 'HG_OPTION_INVALID',
      details: { subject: 'mqttConnection', field: 'clientId' },
    });
  });
});

test('a good spec says what it is, and defaults are filled in', () => {
  const spec = mqttSource(BASE);
  expect(spec).toMatchObject({ id: 'm', type: 'mqtt', tenant: 'default', logic: { connects: true } });
  expect(Object.isFrozen(spec)).toBe(true);
});

test('the caller’s options are not changed', () => {
  const topics = ['b', { topic: 'a', qos: 2 as const }];
  const options = { ...BASE, topics };
  const before = structuredClone(options);
  mqttSource(options);
  expect(options).toEqual(before);
  expect(Object.isFrozen(topics)).toBe(false);
});

test('no password is in a spec, a connection, or an error about options', () => {
  const url = 'mqtt://user:s3cret@broker';
  const spec = mqttSource({ ...BASE, url });
  const connection = mqttConnection({ url: 'mqtt://broker', username: 'user', password: 's3cret' });
  const errors = [
    refusal(() => mqttSource({ ...BASE, url: 'mqtt://user:s3cret@broker/path' })),
    refusal(() => mqttSource({ ...BASE, url: 'ftp://user:s3cret@broker' })),
    refusal(() => mqttSource({ ...BASE, url, password: 's3cret' })),
    refusal(() => mqttSource({ ...BASE, password: 's3cret', username: 7 as unknown as string })),
  ];
  const shown = [
    JSON.stringify(spec),
    JSON.stringify(connection),
    ...errors.map((error) => `${error.message}${JSON.stringify(error.details)}${error.stack}`),
  ].join('\n');
  expect(shown).not.toContain('s3cret');
  expect(connection.url).toBe('mqtt://broker');
});
