/** The JetStream sink against a real nats-server. */

import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  jetStreamSink,
  type JetStreamSinkOptions,
} from '../../../../actors/sinks/jetstream/jetstream-sink.ts';
import { peer } from '../../../../actors/sinks/jetstream/nats-peer.ts';
import { HeadgateError } from '../../../../src/domain/errors.ts';
import type { OutboundRecord } from '../../../../src/domain/sink.ts';
import { freePort } from '../../../support/mqtt-brokers.ts';
import { makeCertificates } from '../../../support/mqtt-certificates.ts';
import { startNatsServer, type NatsServer } from '../../../support/nats-server.ts';
import { startTcpProxy } from '../../../support/tcp-proxy.ts';
import { outbound, outboundRange, sinkBench } from '../../../support/sink-bench.ts';

async function startServer(config: readonly string[] = []): Promise<NatsServer> {
  const server = await startNatsServer(config);
  onTestFinished(() => server.dispose());
  return server;
}

type Options = Partial<JetStreamSinkOptions>;

async function openSink(address: string, options: Options = {}, bench = sinkBench()) {
  const common: JetStreamSinkOptions = {
    ...{ id: 'hub', servers: address, subject: 'plant.{sourceId}' },
    stream: { name: 'PLANT', create: { subjects: ['plant.>'] } },
  };
  const link = await bench.open(jetStreamSink({ ...common, ...options }));
  onTestFinished(() => link.close());
  return link;
}

interface Stored {
  readonly subject: string;
  readonly key: string | undefined;
  readonly text: string;
}

/** Everything the stream holds, in its order. */
async function storedIn({ address }: NatsServer, options: object = {}): Promise<Stored[]> {
  const connection = await connect({ servers: address, ...options });
  try {
    const manager = await jetstreamManager(connection);
    const { state } = await manager.streams.info('PLANT');
    const stored: Stored[] = [];
    for (let seq = state.first_seq; seq <= state.last_seq && state.messages > 0; seq++) {
      const message = await manager.streams.getMessage('PLANT', { seq });
      const { subject, header } = message ?? { subject: '', header: undefined };
      stored.push({ subject, key: header?.get('Nats-Msg-Id'), text: message?.string() ?? '' });
    }
    return stored;
  } finally {
    await connection.close();
  }
}

async function failureOf(work: Promise<unknown>): Promise<HeadgateError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(HeadgateError);
  return error as HeadgateError;
}

const keysOf = (records: readonly OutboundRecord[]) => records.map(({ key }) => key);

describe('what the stream holds', () => {
  test('each record under its subject and its key, in order, its data as JSON', async () => {
    const server = await startServer();
    const link = await openSink(server.address, { windowMax: 16 });
    expect(await link.deliver(outboundRange(1, 200))).toEqual([]);
    const stored = await storedIn(server);
    expect(stored.map(({ key }) => key)).toEqual(keysOf(outboundRange(1, 200)));
    expect(stored[0]).toEqual({ subject: 'plant.plc-7', key: outbound(1).key, text: '{"n":1}' });
  });

  test('a batch that comes again once, within the duplicate window', async () => {
    const server = await startServer();
    await (await openSink(server.address)).deliver(outboundRange(1, 60));
    await (await openSink(server.address)).deliver(outboundRange(31, 90));
    expect((await storedIn(server)).map(({ key }) => key)).toEqual(keysOf(outboundRange(1, 90)));
  });

  test('a batch that comes again after the window twice, under the same keys: by these it is told', async () => {
    const server = await startServer();
    const create = { subjects: ['plant.>'], duplicateWindowMs: 100 };
    const link = await openSink(server.address, { stream: { name: 'PLANT', create } });
    const batch = outboundRange(1, 50);
    await link.deliver(batch);
    // Sent after the batch, so forgotten after it: that it is stored again says that the window has passed.
    const probe = outbound(51);
    let stored = await storedIn(server);
    while (stored.length < 52) {
      await link.deliver([probe]);
      stored = await storedIn(server);
    }
    await (await openSink(server.address)).deliver(batch);
    stored = await storedIn(server);
    expect(stored).toHaveLength(102);
    const byKey = new Map(stored.map(({ key, text }) => [key, text]));
    expect([...byKey.keys()]).toEqual(keysOf([...batch, probe]));
    // What comes again says the same.
    expect(stored.every(({ key, text }) => byKey.get(key) === text)).toBe(true);
  });

  test('not what cannot have a subject; the others are there', async () => {
    const server = await startServer();
    const link = await openSink(server.address, { subject: 'plant.{data.s}', envelope: 'record' });
    const values = ['ok', 'a*', '>', 'a b', '', 'x.', 'a.b', 7];
    const rejections = await link.deliver(values.map((s, index) => outbound(index + 1, { s })));
    expect(rejections?.map(({ index }) => index)).toEqual([1, 2, 3, 4, 5]);
    const stored = await storedIn(server);
    expect(stored.map(({ subject }) => subject)).toEqual(['plant.ok', 'plant.a.b', 'plant.7']);
    expect(JSON.parse(stored[0]?.text ?? '')).toMatchObject({ key: outbound(1).key, data: { s: 'ok' } });
  });

  test('not what is larger than the server takes; the others are there', async () => {
    const server = await startServer(['max_payload: 8000']);
    const link = await openSink(server.address);
    const batch = [outbound(1), outbound(2, 'x'.repeat(9_000)), outbound(3)];
    expect(await link.deliver(batch)).toMatchObject([{ index: 1, error: { code: 'HG_SINK_REFUSED' } }]);
    expect(await storedIn(server)).toHaveLength(2);
  });
});

describe('a stream', () => {
  test('that is missing and may not be created is said at once', async () => {
    const { address } = await startServer();
    const error = await failureOf(openSink(address, { stream: { name: 'NONE' } }));
    expect(error).toMatchObject({ code: 'HG_LINK_REFUSED', remedy: 'retry' });
    expect(error.message).toContain('there is no stream "NONE"');
  });

  test('none for a subject: that record is refused, its neighbours are stored', async () => {
    const { address } = await startServer();
    await openSink(address);
    const link = await openSink(address, { stream: undefined, subject: '{data.to}.x' });
    const batch = ['plant', 'none', 'plant'].map((to, index) => outbound(index + 1, { to }));
    expect(await link.deliver(batch)).toMatchObject([
      {
        index: 1,
        error: {
          code: 'HG_LINK_REFUSED',
          message: expect.stringContaining('no stream takes the subject "none.x"') as string,
        },
      },
    ]);
  });

  test('another than the one named takes nothing', async () => {
    const { address } = await startServer();
    await openSink(address);
    const other: Options = { stream: { name: 'OTHER', create: { subjects: ['other.>'] } } };
    const link = await openSink(address, other);
    expect(await link.deliver([outbound(1)])).toMatchObject([{ error: { code: 'HG_SINK_REFUSED' } }]);
  });

  test('that refuses because it is full is tried again', async () => {
    const server = await startServer();
    const connection = await connect({ servers: server.address });
    onTestFinished(() => connection.close());
    const manager = await jetstreamManager(connection);
    const full = { max_msgs: 2, discard: 'new' } as const;
    await manager.streams.add({ name: 'PLANT', subjects: ['plant.>'], ...full });
    const link = await openSink(server.address);
    expect(await failureOf(link.deliver(outboundRange(1, 3)))).toMatchObject({
      ...{ code: 'HG_LINK_REFUSED', remedy: 'retry' },
      message: expect.stringContaining('maximum messages'),
    });
  });
});

describe('a server that cannot be reached or refuses', () => {
  test('nobody listens', async () => {
    const error = await failureOf(openSink(`127.0.0.1:${await freePort()}`));
    expect(error).toMatchObject({ code: 'HG_LINK_REFUSED', remedy: 'retry' });
  });

  test('credentials: the right ones are let in, wrong ones said without showing them', async () => {
    const byUser = await startServer(['authorization { user: ann, password: right }']);
    await (
      await openSink(byUser.address, { auth: { username: 'ann', password: 'right' } })
    ).deliver([outbound(1)]);
    const byToken = await startServer(['authorization { token: tok-1 }']);
    await (await openSink(byToken.address, { auth: { token: 'tok-1' } })).deliver([outbound(1)]);
    for (const auth of [{ username: 'ann', password: 'wrong' }, { token: 'wrong' }, undefined]) {
      const error = await failureOf(openSink(byUser.address, { auth }));
      expect(error).toMatchObject({ code: 'HG_LINK_UNAUTHORISED', remedy: 'retry' });
      expect(error.message).not.toMatch(/wrong|ann/);
    }
  });

  test('a subject this user may not publish to is refused, its neighbours are stored', async () => {
    const { address } = await startServer([
      'authorization { users: [',
      '  { user: ann, password: p, permissions: { publish: ["$JS.>", "plant.open"] } }',
      '] }',
    ]);
    const auth = { username: 'ann', password: 'p' };
    const link = await openSink(address, { auth, subject: 'plant.{data.s}' });
    const subjects = ['open', 'shut', 'open', 'shut', 'open'];
    const batch = subjects.map((s, index) => outbound(index + 1, { s }));
    const refused = { code: 'HG_LINK_UNAUTHORISED' };
    expect(await link.deliver(batch)).toMatchObject([
      { index: 1, error: refused },
      { index: 3, error: refused },
    ]);
    expect(await link.deliver([outbound(6, { s: 'open' })])).toEqual([]);
  });

  test('TLS, with an authority of its own', async () => {
    const certificates = makeCertificates();
    onTestFinished(() => certificates.remove());
    const { certFile, keyFile, ca } = certificates;
    const server = await startServer([`tls { cert_file: "${certFile}", key_file: "${keyFile}" }`]);
    const servers = `tls://localhost:${server.port}`;
    await (await openSink(servers, { tls: { ca } })).deliver([outbound(1)]);
    expect(await storedIn(server, { servers, tls: { ca } })).toHaveLength(1);
    expect(await failureOf(openSink(servers))).toMatchObject({ code: 'HG_LINK_REFUSED', remedy: 'retry' });
  });
});

describe('a server that is lost', () => {
  test('killed in the middle of a delivery, again and again: every record is stored once', async () => {
    const server = await startServer();
    const batch = outboundRange(1, 3_000);
    for (let round = 0; round < 3; round++) {
      const link = await openSink(server.address, { windowMax: 8 });
      const delivery = failureOf(link.deliver(batch));
      const before = round * 200;
      await untilStored(server, before + 100);
      await server.kill();
      expect(await delivery).toMatchObject({ code: 'HG_LINK_LOST', remedy: 'retry' });
      await link.close();
      await server.restart();
    }
    await (await openSink(server.address)).deliver(batch);
    const keys = (await storedIn(server)).map(({ key }) => key);
    expect(keys.length).toBe(3_000);
    expect(new Set(keys)).toEqual(new Set(keysOf(batch)));
  });

  test('between deliveries: it says so', async () => {
    const server = await startServer();
    const bench = sinkBench();
    const link = await openSink(server.address, {}, bench);
    const failed = bench.nextFailure();
    await server.kill();
    expect(await failed).toMatchObject({ code: 'HG_LINK_LOST' });
    expect(await failureOf(link.deliver([outbound(1)]))).toMatchObject({ code: 'HG_LINK_LOST' });
  });

  test('half open: found out by the acknowledgement that does not come', async () => {
    const server = await startServer();
    const proxy = await startTcpProxy(server.port);
    onTestFinished(() => proxy.close());
    const link = await openSink(`127.0.0.1:${proxy.port}`, { ackTimeoutMs: 200 });
    proxy.freeze();
    expect(await failureOf(link.deliver([outbound(1)]))).toMatchObject({ code: 'HG_SINK_TIMEOUT' });
  });
});

/** Resolves when the stream holds more than `count` messages. */
async function untilStored({ address }: NatsServer, count: number): Promise<void> {
  const connection = await connect({ servers: address });
  try {
    const manager = await jetstreamManager(connection);
    while ((await manager.streams.info('PLANT')).state.messages <= count);
  } finally {
    await connection.close();
  }
}

test('a client that is not installed is named, with the command that installs it', async () => {
  const name = '@nats-io/not-there';
  const error = await failureOf(peer(name, () => import(name)));
  expect(error).toMatchObject({ code: 'HG_PEER_MISSING', remedy: 'stop', details: { package: name } });
  expect(error.message).toContain('npm install @nats-io/transport-node @nats-io/jetstream');
});

test('options that cannot be meant are refused', () => {
  const make = (options: object) => () =>
    jetStreamSink({ id: 'a', servers: '127.0.0.1:9', subject: 'a.{sourceId}', ...options });
  expect(make({ subject: 'a.>' })).toThrow('no "*", ">"');
  expect(make({ subject: 'a..b' })).toThrow('no empty part');
  expect(make({ subject: 'a.{seq}' })).toThrow('does not know {seq}');
  expect(make({ servers: 'nats://u:p@h' })).toThrow('without credentials');
  expect(make({ servers: [] })).toThrow('servers');
  expect(make({ window: 5 })).toThrow('did you mean "windowMax"?');
  expect(make({ auth: { token: 'a', creds: 'b' } })).toThrow('auth');
  expect(make({ stream: { name: 'a.b' } })).toThrow('must be a name');
});
