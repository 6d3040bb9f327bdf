/** Alerts about limits that a NATS server sets, and errors of TLS, against a real nats-server. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { mayCapture, streamDifferences } from '../../../../actors/sinks/jetstream/stream-limits.ts';
import { streamSchema } from '../../../../actors/sinks/jetstream/stream.ts';
import { jetStreamSink, type JetStreamSinkOptions } from '../../../../src/index.ts';
import { startNatsServer, type NatsServer } from '../../../support/nats-server.ts';
import {
  makeOddCertificates,
  type KeyPair,
  type OddCertificates,
} from '../../../support/odd-certificates.ts';
import { sinkBench } from '../../../support/sink-bench.ts';

const CREATE = { subjects: ['plant.>'] };

describe('a stream that is there', () => {
  let server: NatsServer;
  beforeAll(async () => {
    server = await startNatsServer(['max_payload: 4096']);
  });
  afterAll(() => server.dispose());

  test('and grants less than the sink is configured for is an alert, once', async () => {
    const connection = await connect({ servers: server.address });
    onTestFinished(() => connection.close());
    const manager = await jetstreamManager(connection);
    await manager.streams.add({
      name: 'SMALL',
      subjects: ['plant.a.*'],
      max_msg_size: 100,
      max_bytes: 9_000,
    });
    const bench = sinkBench();
    const spec = jetStreamSink({
      ...{ id: 'hub', servers: server.address, subject: 'plant.b.{sourceId}' },
      stream: { name: 'SMALL', create: CREATE },
    });
    for (let link = 0; link < 3; link++) await (await bench.open(spec)).close();
    expect(bench.alerts).toHaveLength(1);
    for (const difference of [
      'it does not capture the subject "plant.b.{sourceId}", but "plant.a.*"',
      'it takes messages of 100 bytes, the server of 4096',
      'subjects: "plant.>" asked for, but not granted',
      'bytes: no bound asked for, 9000 granted',
    ]) {
      expect(bench.alerts[0]).toContain(difference);
    }
  });

  test('and grants all of it is none', async () => {
    const bench = sinkBench();
    const options = { id: 'hub', servers: server.address, subject: 'all.{sourceId}' };
    const create = { subjects: ['all.>'], ageMsMax: 60_000, bytesMax: 100_000 };
    const spec = jetStreamSink({ ...options, stream: { name: 'ALL', create } });
    for (let link = 0; link < 2; link++) await (await bench.open(spec)).close();
    expect(bench.alerts).toEqual([]);
  });
});

test('each property of a stream is held against the options', () => {
  const stream = streamSchema.parse({ name: 'S', create: { ...CREATE, replicas: 3, ageMsMax: 10_000 } });
  const found = streamDifferences(
    { ...CREATE, num_replicas: 1, storage: 'memory', max_age: 5e9, duplicate_window: 1e9, sealed: true },
    { stream, subject: 'plant.x', serverBytesMax: 100 },
  );
  expect(found).toEqual([
    'it is sealed and takes no message',
    'storage: file asked for, memory granted',
    'replicas: 3 asked for, 1 granted',
    'age: 10000 ms asked for, 5000 ms granted',
    'duplicate window: 10000 ms asked for, 1000 ms granted',
  ]);
});

test.each([
  ['plant.>', 'plant.a.b', true],
  ['plant.>', 'plant', false],
  ['plant.*', 'plant.a', true],
  ['plant.*', 'plant.a.b', false],
  ['plant.a', 'plant.{sourceId}', true],
  ['other.>', 'plant.{sourceId}', false],
  ['>', '{tenant}', true],
  ['plant.a.b', 'plant.a', false],
])('whether "%s" can capture "%s": %s', (filter, subject, expected) => {
  expect(mayCapture(filter, subject)).toBe(expected);
});

describe('a TLS handshake that fails is told with advice that is right for', () => {
  let odd: OddCertificates;
  const folder = mkdtempSync(path.join(tmpdir(), 'headgate-nats-tls-'));
  beforeAll(() => {
    odd = makeOddCertificates();
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  async function messageOf(pair: KeyPair | null, options: Partial<JetStreamSinkOptions>, more = '') {
    const file = (name: string, text: string) => {
      writeFileSync(path.join(folder, name), text);
      return path.join(folder, name);
    };
    const ca = file('ca.pem', odd.ca);
    const tls =
      pair === null
        ? []
        : [
            `tls { cert_file: "${file('c.pem', pair.cert)}", key_file: "${file('c.key', pair.key)}"` +
              `${more.replace('CA', ca)} }`,
          ];
    const server = await startNatsServer(tls);
    onTestFinished(() => server.dispose());
    const servers = `tls://localhost:${server.port}`;
    const spec = jetStreamSink({ id: 'hub', servers, subject: 'a', tls: { ca: odd.ca }, ...options });
    const error = await sinkBench()
      .open(spec)
      .then(
        () => null,
        (thrown: Error) => thrown,
      );
    return error?.message ?? 'connected';
  }

  test.each([
    ['one that is good', 'good', /^connected$/],
    ['an expired certificate', 'expired', /expired/],
    ['one that is not valid yet', 'early', /not valid (yet|before)|only from|valid from/],
    ['one for another host', 'other', /else\.example/],
    ['one of an unknown authority', 'stranger', /set tls\.ca/],
    ['a self-signed one', 'selfSigned', /self-signed/],
  ] as const)('%s', async (_, name, advice) => {
    expect(await messageOf(odd[name], {})).toMatch(advice);
  });

  test('a missing certificate of the client', async () => {
    expect(await messageOf(odd.good, {}, ', verify: true, ca_file: "CA"')).toMatch(/tls\.cert and tls\.key/);
  });

  test('a server without TLS', async () => {
    expect(await messageOf(null, {})).toMatch(/does not speak TLS/);
  });
});
