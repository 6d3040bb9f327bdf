/** The MQTT sink against a real Mosquitto. */

import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import mqtt, { type IPublishPacket } from 'mqtt';
import { describe, expect, onTestFinished, test } from 'vitest';
import { KEY_PROPERTY, mqttSink, type MqttSinkOptions } from '../../../../actors/sinks/mqtt/mqtt-sink.ts';
import { HeadgateError } from '../../../../src/domain/errors.ts';
import type { OutboundRecord } from '../../../../src/domain/sink.ts';
import { virtualClock } from '../../../../src/testing/virtual-clock.ts';
import { freePort, startMosquitto, type BrokerOptions } from '../../../support/mqtt-brokers.ts';
import { startTcpProxy } from '../../../support/tcp-proxy.ts';
import { outbound, outboundRange, sinkBench } from '../../../support/sink-bench.ts';
import { temporaryFolder } from '../../../storage/fixture.ts';

interface Seen {
  readonly topic: string;
  readonly text: string;
  readonly packet: IPublishPacket;
}

async function startBroker(options: BrokerOptions = {}) {
  const broker = await startMosquitto(options);
  onTestFinished(() => broker.dispose());
  return broker;
}

/** Watches everything at the broker. */
async function subscribeAll(url: string) {
  const client = await mqtt.connectAsync(url, { protocolVersion: 5, reconnectPeriod: 0 });
  onTestFinished(() => client.endAsync(true));
  const seen: Seen[] = [];
  let look = () => {};
  client.on('message', (topic, payload, packet) => {
    seen.push({ topic, text: payload.toString(), packet });
    look();
  });
  await client.subscribeAsync('#', { qos: 1 });
  return {
    seen,
    until: (done: (all: Seen[]) => boolean) =>
      new Promise<void>((resolve) => {
        look = () => {
          if (done(seen)) resolve();
        };
        look();
      }),
  };
}

async function openSink(url: string, options: Partial<MqttSinkOptions> = {}, bench = sinkBench()) {
  const link = await bench.open(mqttSink({ id: 'plant', url, topic: 'plant/{sourceId}', ...options }));
  onTestFinished(() => link.close());
  return link;
}

async function failureOf(work: Promise<unknown>): Promise<HeadgateError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(HeadgateError);
  return error as HeadgateError;
}

describe('what subscribers see', () => {
  test('each record under its topic, in order, its data as JSON', async () => {
    const { url } = await startBroker();
    const subscriber = await subscribeAll(url);
    const link = await openSink(url, { topic: '{tenant}/{sourceId}/n', windowMax: 7 });
    expect(await link.deliver(outboundRange(1, 300))).toEqual([]);
    await subscriber.until((all) => all.length === 300);
    expect(new Set(subscriber.seen.map(({ topic }) => topic))).toEqual(new Set(['default/plc-7/n']));
    expect(subscriber.seen.map(({ text }) => text)).toEqual(
      outboundRange(1, 300).map(({ seq }) => `{"n":${seq}}`),
    );
    expect(subscriber.seen[0]?.packet).toMatchObject({ qos: 1, retain: false });
  });

  test('the key of each record as a user property under MQTT 5, within the envelope under 3.1.1', async () => {
    const { url } = await startBroker();
    const subscriber = await subscribeAll(url);
    await (await openSink(url, { protocolVersion: 5 })).deliver([outbound(1)]);
    await (await openSink(url, { envelope: 'record' })).deliver([outbound(2)]);
    await subscriber.until((all) => all.length === 2);
    const [first, second] = subscriber.seen;
    expect(first?.packet.properties).toMatchObject({
      contentType: 'application/json',
      userProperties: { [KEY_PROPERTY]: outbound(1).key },
    });
    expect(JSON.parse(second?.text ?? '')).toMatchObject({ key: outbound(2).key, seq: 2, data: { n: 2 } });
  });

  test('text and bytes as they are, and a rejection for what is neither', async () => {
    const { url } = await startBroker();
    const subscriber = await subscribeAll(url);
    const texts = await openSink(url, { format: 'text' });
    expect(await texts.deliver([outbound(1, 'warm'), outbound(2, 21.5), outbound(3, {})])).toMatchObject([
      { index: 2, error: { code: 'HG_SINK_REFUSED' } },
    ]);
    const bytes = await openSink(url, { format: 'bytes' });
    const stored = { base64: Buffer.from('ab').toString('base64') };
    expect(
      await bytes.deliver([outbound(4, 'x'), outbound(5, new Uint8Array([99])), outbound(6, stored)]),
    ).toMatchObject([{ index: 0, error: { code: 'HG_SINK_REFUSED' } }]);
    await subscriber.until((all) => all.length === 4);
    expect(subscriber.seen.map(({ text }) => text)).toEqual(['warm', '21.5', 'c', 'ab']);
  });

  test('topics of the data; a record that cannot have one is rejected, the others go out', async () => {
    const { url } = await startBroker();
    const subscriber = await subscribeAll(url);
    const link = await openSink(url, { topic: 'hall/{data.sensor}/{data.at.floor}' });
    const data = [
      { sensor: 'a', at: { floor: 2 } },
      { sensor: 'a' },
      { sensor: 'a+b', at: { floor: 1 } },
      { sensor: '#', at: { floor: 1 } },
      { sensor: 'x\0y', at: { floor: 1 } },
      { sensor: '', at: { floor: 1 } },
      { sensor: {}, at: { floor: 1 } },
      'no fields',
      { sensor: 'b/c', at: { floor: true } },
    ];
    const rejections = await link.deliver(data.map((value, index) => outbound(index + 1, value)));
    expect(rejections?.map(({ index }) => index)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    for (const { error } of rejections ?? []) expect(error.code).toBe('HG_SINK_REFUSED');
    await subscriber.until((all) => all.length === 2);
    expect(subscriber.seen.map(({ topic }) => topic)).toEqual(['hall/a/2', 'hall/b/c/true']);
  });

  test('retained messages, also by those who come later', async () => {
    const { url } = await startBroker();
    await (await openSink(url, { retain: true })).deliver([outbound(1, 'kept')]);
    const subscriber = await subscribeAll(url);
    await subscriber.until((all) => all.length === 1);
    expect(subscriber.seen[0]).toMatchObject({ text: '"kept"', packet: { retain: true } });
  });
});

describe('a broker that cannot be reached or refuses', () => {
  test('nobody listens', async () => {
    const error = await failureOf(openSink(`mqtt://127.0.0.1:${await freePort()}`));
    expect(error).toMatchObject({ code: 'HG_LINK_REFUSED', remedy: 'retry' });
  });

  test('wrong credentials; the message does not show them', async () => {
    const { url, port } = await startBroker({ credentials: { username: 'ann', password: 'right' } });
    const error = await failureOf(openSink(`mqtt://ann:pass-1@127.0.0.1:${port}`));
    expect(error).toMatchObject({ code: 'HG_LINK_UNAUTHORISED', remedy: 'retry' });
    expect(error.message).not.toMatch(/pass-1|ann/);
    await (await openSink(url, { username: 'ann', password: 'right' })).deliver([outbound(1)]);
  });

  test('a topic the broker’s list does not allow is refused under MQTT 5, its neighbours go out', async () => {
    const folder = temporaryFolder();
    chmodSync(folder, 0o755);
    const acl = join(folder, 'acl');
    writeFileSync(acl, 'topic readwrite open/#\n', { mode: 0o644 });
    const { url } = await startBroker({
      // Without a bound Mosquitto 2.0.11 cuts the connection at a message that it denies.
      config: ['max_queued_messages 1000', `acl_file ${acl}`],
    });
    const link = await openSink(url, { topic: '{data.where}/x', protocolVersion: 5 });
    const batch = [
      outbound(1, { where: 'open' }),
      outbound(2, { where: 'shut' }),
      outbound(3, { where: 'open' }),
    ];
    expect(await link.deliver(batch)).toMatchObject([
      {
        index: 1,
        error: { code: 'HG_LINK_UNAUTHORISED', message: expect.stringContaining('shut/x') as string },
      },
    ]);
  });

  test('a message larger than the broker takes is rejected, its neighbours go out', async () => {
    const { url } = await startBroker({ config: ['max_packet_size 4000'] });
    const subscriber = await subscribeAll(url);
    const link = await openSink(url, { protocolVersion: 5 });
    const batch = [outbound(1), outbound(2, 'x'.repeat(5_000)), outbound(3)];
    expect(await link.deliver(batch)).toMatchObject([{ index: 1, error: { code: 'HG_SINK_REFUSED' } }]);
    await subscriber.until((all) => all.length === 2);
  });
});

test('what a broker grants otherwise than asked for is an alert, once over all links', async () => {
  const { url } = await startBroker({ config: ['retain_available false', 'max_keepalive 30'] });
  const bench = sinkBench();
  const spec = mqttSink({ id: 'plant', url, topic: 'a/b', retain: true, protocolVersion: 5 });
  for (let links = 0; links < 3; links++) await (await bench.open(spec)).close();
  expect(bench.alerts).toHaveLength(1);
  expect(bench.alerts[0]).toMatch(/^BROKER_GRANTED_LESS: .*60 s asked for, 30 s granted.*retains nothing/);
});

test('another client of the same name is told as that, once it has cut several links', async () => {
  const { url } = await startBroker();
  const bench = sinkBench();
  const options = { url, topic: 'a/b', clientId: 'same', protocolVersion: 5 } as const;
  const [ours, theirs] = [mqttSink({ id: 'plant', ...options }), mqttSink({ id: 'other', ...options })];
  for (let links = 0; links < 3; links++) {
    const failed = bench.nextFailure();
    const link = await bench.open(ours);
    const other = await sinkBench().open(theirs);
    await failed;
    await link.close();
    await other.close();
  }
  expect(bench.alerts).toEqual([expect.stringMatching(/^CLIENT_ID_CLASH: .*same/)]);
});

describe('leaving', () => {
  const will = { topic: 'plant/will', payload: 'lost' };
  const closing = async (bench: ReturnType<typeof sinkBench>) => {
    const broker = await startBroker();
    const subscriber = await subscribeAll(broker.url);
    const proxy = await startTcpProxy(broker.port);
    onTestFinished(() => proxy.close());
    const url = `mqtt://127.0.0.1:${proxy.port}`;
    const link = await openSink(url, { will, windowMax: 1 }, bench);
    await link.deliver([outbound(1, 'first')]);
    return { broker, subscriber, proxy, link };
  };
  /** The broker has heard everything that came before: a message of another client arrives. */
  const afterwards = async (
    broker: Awaited<ReturnType<typeof startBroker>>,
    subscriber: Awaited<ReturnType<typeof subscribeAll>>,
  ) => {
    const witness = await openSink(broker.url);
    await witness.deliver([outbound(9, 'after')]);
    await subscriber.until((all) => all.some(({ text }) => text === '"after"'));
    return subscriber.seen.map(({ text }) => text);
  };

  test('in order, the broker publishes no will', async () => {
    const { broker, subscriber, link } = await closing(sinkBench());
    await link.close();
    expect(await afterwards(broker, subscriber)).toEqual(['"first"', '"after"']);
  });

  test('while messages are under way and the run is given up, likewise', async () => {
    const bench = sinkBench();
    const { broker, subscriber, link } = await closing(bench);
    const failure = failureOf(link.deliver(outboundRange(2, 400)));
    await subscriber.until((all) => all.length > 5);
    bench.abort();
    await failure;
    await link.close();
    expect(await afterwards(broker, subscriber)).not.toContain('lost');
  });

  test('by a cut, the broker publishes it', async () => {
    const { subscriber, proxy } = await closing(sinkBench());
    proxy.cut();
    await subscriber.until((all) => all.some(({ text }) => text === 'lost'));
  });
});

describe('a link that is lost', () => {
  test('in the middle of a delivery: the batch comes again, and nothing is missing', async () => {
    const broker = await startBroker();
    const proxy = await startTcpProxy(broker.port);
    onTestFinished(() => proxy.close());
    const subscriber = await subscribeAll(broker.url);
    const url = `mqtt://127.0.0.1:${proxy.port}`;
    const batch = outboundRange(1, 2_000);
    const link = await openSink(url, { windowMax: 4 });
    const failure = failureOf(link.deliver(batch));
    await subscriber.until((all) => all.length > 50);
    proxy.cut();
    expect(await failure).toMatchObject({ code: 'HG_LINK_LOST', remedy: 'retry' });
    expect(subscriber.seen.length).toBeLessThan(2_000);
    await (await openSink(url)).deliver(batch);
    const numbers = () => new Set(subscriber.seen.map(({ text }) => text));
    await subscriber.until(() => numbers().size === 2_000);
  });

  test('between deliveries: it says so', async () => {
    const broker = await startBroker();
    const bench = sinkBench();
    const link = await openSink(broker.url, {}, bench);
    const failed = bench.nextFailure();
    await broker.kill();
    expect(await failed).toMatchObject({ code: 'HG_LINK_LOST' });
    expect(await failureOf(link.deliver([outbound(1)]))).toMatchObject({ code: 'HG_LINK_LOST' });
    expect(bench.failures).toHaveLength(1);
  });

  test('half open: found out by the silence, on the engine’s clock', async () => {
    const broker = await startBroker();
    const proxy = await startTcpProxy(broker.port);
    onTestFinished(() => proxy.close());
    const clock = virtualClock();
    const url = `mqtt://127.0.0.1:${proxy.port}`;
    const link = await openSink(url, { keepaliveSeconds: 10 }, sinkBench(clock));
    proxy.freeze();
    const failure = failureOf(link.deliver([outbound(1)]));
    await clock.advance(20_000);
    const error = await failure;
    expect(error).toMatchObject({ code: 'HG_LINK_LOST', remedy: 'retry' });
    expect(error.message).toContain('no sign of life');
    await link.close();
  });

  test('a good-bye that nobody hears takes a second', async () => {
    const broker = await startBroker();
    const proxy = await startTcpProxy(broker.port);
    onTestFinished(() => proxy.close());
    const clock = virtualClock();
    const link = await openSink(`mqtt://127.0.0.1:${proxy.port}`, {}, sinkBench(clock));
    proxy.freeze();
    const failure = failureOf(link.deliver([outbound(1)]));
    const closed = link.close();
    await failure;
    await clock.advance(1_000);
    await closed;
  });
});

test('QoS 0 asks for no acknowledgement', async () => {
  const { url } = await startBroker();
  const subscriber = await subscribeAll(url);
  const batch: OutboundRecord[] = outboundRange(1, 20);
  await (await openSink(url, { qos: 0 })).deliver(batch);
  await subscriber.until((all) => all.length === 20);
  expect(subscriber.seen[0]?.packet.qos).toBe(0);
});

test('options that cannot be meant are refused', () => {
  const make = (options: object) => () =>
    mqttSink({ id: 'a', url: 'mqtt://127.0.0.1:9', topic: 'a/{sourceId}', ...options });
  expect(make({ topic: 'a/{sourceid}' })).toThrow('does not know {sourceid}');
  expect(make({ topic: 'a/{data}' })).toThrow('does not know {data}');
  expect(make({ topic: 'a/{sourceId' })).toThrow('a brace without its partner');
  expect(make({ topic: 'a/#' })).toThrow('no wildcards');
  expect(make({ topic: '$SYS/{sourceId}' })).toThrow('belong to the broker');
  expect(make({ topik: 'a' })).toThrow('did you mean "topic"?');
  expect(make({ qos: 2 })).toThrow('must be 0 or 1');
  expect(make({ format: 'text', envelope: 'data' })).toThrow('goes with format "json" only');
  expect(make({ url: 'http://a' })).toThrow('must be a URL like mqtt://host:1883');
  expect(make({ clean: false })).toThrow('unknown option "clean"');
});
