/** Brokers that misbehave: nothing they send may crash the process, fill its memory, or leave a run without
 *  an end. */

import type net from 'node:net';
import mqttPacket, { type IPublishPacket, type Packet } from 'mqtt-packet';
import { afterEach, describe, expect, test } from 'vitest';
import { mqttSource, type MqttSourceInput } from '../../../../actors/sources/mqtt/mqtt-source.ts';
import { seededRandom } from '../../../../src/domain/random.ts';
import { realClock } from '../../../../src/platform/real-clock.ts';
import { freePort } from '../../../support/mqtt-brokers.ts';
import { fastClock } from '../../../support/fast-clock.ts';
import { startRun } from '../../../support/mqtt-runs.ts';
import {
  politely,
  startScriptedBroker,
  type ScriptedBroker,
  type ScriptedPeer,
} from '../../../support/mqtt-scripted-broker.ts';

const opened: ScriptedBroker[] = [];
afterEach(async () => {
  for (const broker of opened.splice(0)) await broker.close();
});

async function brokerThat(answer: (packet: Packet, peer: ScriptedPeer) => void, protocolVersion: 4 | 5 = 4) {
  const broker = await startScriptedBroker(answer, protocolVersion);
  opened.push(broker);
  return broker;
}

function sourceOf(url: string, options: Partial<MqttSourceInput> = {}) {
  return mqttSource({ id: 'm', url, topics: 'a', ...options });
}

/** A broker that is polite until the subscription stands, then does `next`. */
const afterSubscribe =
  (next: (peer: ScriptedPeer) => void) =>
  (packet: Packet, peer: ScriptedPeer): void => {
    politely(packet, peer);
    if (packet.cmd === 'subscribe') next(peer);
  };

const message = (payload: string, more: Partial<IPublishPacket> = {}): IPublishPacket => ({
  ...{ cmd: 'publish', topic: 'a', payload, qos: 0, dup: false, retain: false },
  ...more,
});

describe('a peer that is no broker', () => {
  test('where nothing listens refuses', async () => {
    const run = startRun(sourceOf(`mqtt://127.0.0.1:${await freePort()}`), realClock);
    const error = await run.over;
    expect(error).toMatchObject({
      code: 'HG_LINK_REFUSED',
      remedy: 'retry',
      details: { reason: 'ECONNREFUSED' },
    });
    expect(error?.message).toContain('start the server');
  });

  test('whose name is not known refuses', async () => {
    const run = startRun(sourceOf('mqtt://no-such-host.invalid'), realClock);
    expect(await run.over).toMatchObject({ code: 'HG_LINK_REFUSED', remedy: 'retry' });
  });

  test('that hangs up at once refuses', async () => {
    const broker = await brokerThat((_packet, peer) => peer.socket.destroy());
    const run = startRun(sourceOf(broker.url), realClock);
    expect(await run.over).toMatchObject({ code: 'HG_LINK_REFUSED', remedy: 'retry' });
  });

  test('that never answers is given up in time', async () => {
    const broker = await brokerThat(() => {});
    const run = startRun(sourceOf(broker.url, { connectTimeoutMs: 50 }), realClock);
    expect(await run.over).toMatchObject({ code: 'HG_LINK_TIMEOUT', remedy: 'retry' });
  });

  test('that sends messages before it accepts the connection refuses', async () => {
    const broker = await brokerThat((packet, peer) => {
      peer.send(message('1'));
      politely(packet, peer);
    });
    const run = startRun(sourceOf(broker.url), realClock);
    expect(await run.over).toMatchObject({ code: 'HG_LINK_REFUSED', remedy: 'retry' });
    expect(run.values).toEqual([]);
  });

  test('that speaks HTTP ends the run', async () => {
    const broker = await brokerThat((_packet, peer) =>
      peer.sendBytes(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')),
    );
    const run = startRun(sourceOf(broker.url, { connectTimeoutMs: 500 }), realClock);
    expect((await run.over)?.code).toMatch(/^HG_LINK_|^HG_READ_TOO_LARGE/);
  });
});

describe('an answer to a connect', () => {
  test.each([
    [4, 1, 'HG_LINK_REFUSED', 'protocolVersion'],
    [4, 2, 'HG_LINK_REFUSED', 'clientId'],
    [4, 3, 'HG_LINK_REFUSED', 'not available'],
    [4, 4, 'HG_LINK_UNAUTHORISED', 'username and password'],
    [4, 5, 'HG_LINK_UNAUTHORISED', 'access list'],
    [5, 132, 'HG_LINK_REFUSED', 'protocolVersion: 4'],
    [5, 133, 'HG_LINK_REFUSED', 'clientId'],
    [5, 134, 'HG_LINK_UNAUTHORISED', 'username and password'],
    [5, 135, 'HG_LINK_UNAUTHORISED', 'access list'],
    [5, 137, 'HG_LINK_REFUSED', 'Server busy'],
  ] as const)('in version %i with code %i is %s', async (protocolVersion, code, expected, words) => {
    const broker = await brokerThat(
      (_packet, peer) =>
        peer.send({ cmd: 'connack', returnCode: code, reasonCode: code, sessionPresent: false }),
      protocolVersion,
    );
    const run = startRun(sourceOf(broker.url, { protocolVersion }), realClock);
    const error = await run.over;
    expect(error).toMatchObject({ code: expected, remedy: 'retry', details: { reasonCode: code } });
    expect(error?.message).toContain(words);
  });
});

describe('an answer to a subscription', () => {
  const granting = (granted: number[]) => (packet: Packet, peer: ScriptedPeer) => {
    if (packet.cmd === 'subscribe') peer.send({ cmd: 'suback', messageId: packet.messageId ?? 0, granted });
    else politely(packet, peer);
  };

  test('that refuses one topic names it', async () => {
    const broker = await brokerThat(granting([1, 128]));
    const run = startRun(sourceOf(broker.url, { topics: ['good', 'bad'] }), realClock);
    const error = await run.over;
    expect(error).toMatchObject({ code: 'HG_LINK_REFUSED', remedy: 'retry', details: { filter: 'bad' } });
    expect(run.state.opened).toBe(false);
  });

  test('that speaks of rights is about rights', async () => {
    const broker = await brokerThat(granting([135]), 5);
    const run = startRun(sourceOf(broker.url, { protocolVersion: 5 }), realClock);
    expect(await run.over).toMatchObject({ code: 'HG_LINK_UNAUTHORISED', details: { reasonCode: 135 } });
  });

  test('that fits another subscription ends the run', async () => {
    const broker = await brokerThat(granting([1, 1, 1]));
    const run = startRun(sourceOf(broker.url), realClock);
    expect(await run.over).toMatchObject({ remedy: 'retry' });
  });

  test('that never comes does not keep the run from stopping', async () => {
    const broker = await brokerThat((packet, peer) => {
      if (packet.cmd !== 'subscribe') politely(packet, peer);
      else peer.send(message('1', { topic: 'a' }));
    });
    const run = startRun(sourceOf(broker.url), realClock);
    await run.records(1);
    await run.stop();
  });
});

test('a reason the broker gives for closing is told', async () => {
  const broker = await brokerThat(
    afterSubscribe((peer) => {
      peer.send({ cmd: 'disconnect', reasonCode: 142 });
      peer.socket.end();
    }),
    5,
  );
  const run = startRun(sourceOf(broker.url, { protocolVersion: 5 }), realClock);
  const error = await run.over;
  expect(error).toMatchObject({ code: 'HG_LINK_LOST', remedy: 'retry' });
  expect(error?.message).toContain('another client took over this client id');
});

describe('what a broker does not grant', () => {
  const less: Packet = {
    ...{ cmd: 'connack', returnCode: 0, reasonCode: 0, sessionPresent: true },
    properties: { serverKeepAlive: 7, sessionExpiryInterval: 60, maximumQoS: 1, retainAvailable: false },
  };

  test('is one alert that names it, not one for each link', async () => {
    const broker = await brokerThat((packet, peer) => {
      if (packet.cmd === 'connect') peer.send(less);
      else if (packet.cmd === 'subscribe') {
        const granted = packet.subscriptions.map(({ qos }) => Math.min(qos, 1));
        peer.send({ cmd: 'suback', messageId: packet.messageId ?? 0, granted });
      } else politely(packet, peer);
    }, 5);
    const spec = sourceOf(broker.url, {
      ...{ protocolVersion: 5, clean: false, clientId: 'gw', qos: 2, topics: ['a', { topic: 'b', qos: 0 }] },
      will: { topic: 'w', payload: 'gone', qos: 2, retain: true },
    });
    const run = startRun(spec, realClock);
    await run.whenOpened();
    await run.stop();
    expect(run.alerts.map(({ event, details }) => [event, details['differences']])).toEqual([
      [
        'BROKER_GRANTED_LESS',
        [
          'keepalive: 60 s asked for, 7 s granted',
          'session: to be kept for 86400 s, the broker keeps it for 60 s',
          'will: QoS 2 asked for, the broker takes at most 1',
          'will: to be retained, the broker retains nothing',
        ],
      ],
      ['BROKER_GRANTED_LESS', ['"a": QoS 2 asked for, 1 granted']],
    ]);
    const again = startRun(spec, realClock);
    await again.whenOpened();
    await again.stop();
    expect(again.alerts).toEqual([]);
  });

  test.each([
    [{ wildcardSubscriptionAvailable: false }, { topics: 'a/+' }, 'takes no wildcards, and "a/+" has one'],
    [{ sharedSubscriptionAvailable: false }, { sharedGroup: 'g' }, 'takes no shared subscriptions'],
  ])('%o ends the run with what to do', async (properties, options, words) => {
    const broker = await brokerThat((packet, peer) => {
      if (packet.cmd === 'connect') {
        peer.send({ ...{ cmd: 'connack', returnCode: 0, reasonCode: 0, sessionPresent: false }, properties });
      } else politely(packet, peer);
    }, 5);
    const run = startRun(sourceOf(broker.url, { protocolVersion: 5, ...options }), realClock);
    const error = await run.over;
    expect(error).toMatchObject({ code: 'HG_LINK_REFUSED', remedy: 'retry' });
    expect(error?.message).toContain(words);
  });
});

describe('the words of a broker of MQTT 5', () => {
  const properties = { reasonString: 'moved\x1b[2J', serverReference: 'mqtt://other:1883' };
  const shown = /, "moved\\x1b\[2J"; it names another server, "mqtt:\/\/other:1883": set url to it/;

  test('about a refusal reach the error', async () => {
    const broker = await brokerThat(
      (_packet, peer) =>
        peer.send({ cmd: 'connack', returnCode: 157, reasonCode: 157, sessionPresent: false, properties }),
      5,
    );
    const error = await startRun(sourceOf(broker.url, { protocolVersion: 5 }), realClock).over;
    expect(error?.message).toMatch(shown);
  });

  test('about the end of a link reach the error', async () => {
    const broker = await brokerThat(
      afterSubscribe((peer) => {
        peer.send({ cmd: 'disconnect', reasonCode: 157, properties });
        peer.socket.end();
      }),
      5,
    );
    const error = await startRun(sourceOf(broker.url, { protocolVersion: 5 }), realClock).over;
    expect(error).toMatchObject({ code: 'HG_LINK_LOST', details: { reasonCode: 157 } });
    expect(error?.message).toMatch(shown);
  });
});

describe('another client with the same client id', () => {
  test('is named as the reason when a broker of MQTT 3.1.1 closes one link after the other', async () => {
    const broker = await brokerThat(afterSubscribe((peer) => setImmediate(() => peer.socket.end())));
    const spec = sourceOf(broker.url, { clientId: 'gw-7' });
    const runs = [];
    for (let link = 0; link < 4; link++) {
      const run = startRun(spec, realClock);
      const error = await run.over;
      runs.push({ message: error?.message ?? '', events: run.alerts.map(({ event }) => event) });
    }
    expect(
      runs.map(({ message }) => message.includes('another client seems to use the client id "gw-7"')),
    ).toEqual([...[false, false, true, true]]);
    expect(runs.flatMap(({ events }) => events)).toEqual(['CLIENT_ID_CLASH']);
  });

  test('is an alert at once with MQTT 5, which says so', async () => {
    const broker = await brokerThat(
      afterSubscribe((peer) => {
        peer.send({ cmd: 'disconnect', reasonCode: 142 });
        peer.socket.end();
      }),
      5,
    );
    const run = startRun(sourceOf(broker.url, { protocolVersion: 5, clientId: 'gw-7' }), realClock);
    await run.over;
    expect(run.alerts).toMatchObject([{ event: 'CLIENT_ID_CLASH', details: { clientId: 'gw-7' } }]);
  });
});

describe.each([4, 5] as const)('over version %i a message that is larger than allowed', (protocolVersion) => {
  test('is a dead letter of its topic and size, is acknowledged, and the link stays', async () => {
    const acks: number[] = [];
    const acked = Promise.withResolvers<void>();
    const large = Buffer.alloc(300_000, 'x');
    const broker = await brokerThat((packet, peer) => {
      politely(packet, peer);
      if (packet.cmd === 'puback' || packet.cmd === 'pubrec') acks.push(packet.messageId ?? 0);
      if (acks.length === 3) acked.resolve();
      if (packet.cmd !== 'subscribe') return;
      peer.send(message('', { payload: large, qos: 1, messageId: 5, retain: true }));
      peer.send(message('', { payload: large, qos: 2, messageId: 6 }), message('', { payload: large }));
      peer.send(message('7', { qos: 1, messageId: 7 }));
    }, protocolVersion);
    const spec = sourceOf(broker.url, { protocolVersion, payloadBytesMax: 1_000, qos: 2 });
    const run = startRun(spec, realClock);
    await run.records(1);
    await acked.promise;
    expect(acks).toEqual([5, 6, 7]);
    expect(run.values).toEqual([7]);
    expect(run.undecodable.map(({ error }) => error)).toMatchObject(
      Array.from({ length: 3 }, () => ({
        code: 'HG_READ_TOO_LARGE',
        message: 'the message to "a" has 300000 bytes; payloadBytesMax allows 1000',
      })),
    );
    await run.stop();
    expect(broker.connections).toBe(1);
  });

  test('is one with a single byte too many', async () => {
    const broker = await brokerThat(
      afterSubscribe((peer) => peer.send(message('1'.repeat(11)), message('1'.repeat(10)))),
      protocolVersion,
    );
    const run = startRun(sourceOf(broker.url, { protocolVersion, payloadBytesMax: 10 }), realClock);
    expect(await run.records(1)).toEqual([1_111_111_111]);
    expect(run.undecodable).toHaveLength(1);
    await run.stop();
  });

  test('is not withheld by the broker without a word', async () => {
    let announced: number | undefined;
    const broker = await brokerThat((packet, peer) => {
      if (packet.cmd === 'connect') announced = packet.properties?.maximumPacketSize;
      politely(packet, peer);
    }, protocolVersion);
    const run = startRun(sourceOf(broker.url, { protocolVersion, payloadBytesMax: 1_000 }), realClock);
    await run.whenOpened();
    await run.stop();
    expect(announced).toBeUndefined();
  });
});

test('a message whose topic cannot be read is a dead letter of some source and never comes again', async () => {
  const acked = Promise.withResolvers<number>();
  const broker = await brokerThat((packet, peer) => {
    politely(packet, peer);
    if (packet.cmd === 'puback') acked.resolve(packet.messageId ?? 0);
    // QoS 1, the topic two bytes that are no UTF-8, packet id 9.
    if (packet.cmd === 'subscribe') peer.sendBytes(Uint8Array.of(0x32, 7, 0, 2, 0xc3, 0x28, 0, 9, 0x31));
  });
  const run = startRun(sourceOf(broker.url), realClock);
  expect(await acked.promise).toBe(9);
  expect(run.undecodable.map(({ error }) => (error as Error).message)).toEqual([
    'a topic is not valid UTF-8: "\uFFFD("',
  ]);
  await run.stop();
});

test('a packet that is no message and larger than allowed ends the run at its header', async () => {
  const broker = await brokerThat(
    // Announces a PINGRESP of 200 MB.
    afterSubscribe((peer) => peer.sendBytes(Uint8Array.of(0xd0, 0x80, 0x84, 0xaf, 0x5f))),
  );
  const run = startRun(sourceOf(broker.url), realClock);
  expect(await run.over).toMatchObject({ code: 'HG_READ_TOO_LARGE', remedy: 'retry' });
});

test('acknowledgements: QoS 1 once taken, QoS 2 taken once though sent twice, nothing for what was not taken', async () => {
  const answers: Packet[] = [];
  const done = Promise.withResolvers<void>();
  const broker = await brokerThat((packet, peer) => {
    if (packet.cmd === 'puback' || packet.cmd === 'pubrec' || packet.cmd === 'pubcomp') answers.push(packet);
    if (packet.cmd === 'pubcomp') done.resolve();
    // The release waits until the message was sent a second time.
    if (packet.cmd === 'pubrec' && answers.filter(({ cmd }) => cmd === 'pubrec').length < 2) return;
    politely(packet, peer);
    if (packet.cmd === 'subscribe') {
      peer.send(message('1', { qos: 1, messageId: 7 }));
      peer.send(message('2', { qos: 2, messageId: 8 }), message('2', { qos: 2, messageId: 8, dup: true }));
    }
  });
  const run = startRun(sourceOf(broker.url, { qos: 2 }), realClock);
  await done.promise;
  expect(answers.map(({ cmd, messageId }) => `${cmd} ${messageId}`)).toEqual([
    'puback 7',
    'pubrec 8',
    'pubrec 8',
    'pubcomp 8',
  ]);
  expect(run.values).toEqual([1, 2]);
  await run.stop();
});

test('a QoS 2 message whose release comes over the next connection is neither lost nor doubled', async () => {
  let connection = 0;
  const completed = Promise.withResolvers<void>();
  const broker = await brokerThat((packet, peer) => {
    if (packet.cmd === 'connect') {
      connection++;
      peer.send({ cmd: 'connack', returnCode: 0, sessionPresent: connection > 1 });
      if (connection === 2) peer.send(message('1', { qos: 2, messageId: 3, dup: true }));
      return;
    }
    if (packet.cmd === 'pubrec' && connection === 1) {
      peer.socket.resetAndDestroy();
      return;
    }
    if (packet.cmd === 'pubcomp') completed.resolve();
    politely(packet, peer);
    if (packet.cmd === 'subscribe' && connection === 1) peer.send(message('1', { qos: 2, messageId: 3 }));
  });
  const spec = sourceOf(broker.url, { qos: 2, clean: false, clientId: 'g' });
  const first = startRun(spec, realClock);
  expect(await first.over).toMatchObject({ code: 'HG_LINK_LOST' });
  const second = startRun(spec, realClock);
  await completed.promise;
  await second.stop();
  expect([first.values, second.values]).toEqual([[1], []]);
});

test('a broker that has lost a kept session is subscribed to again, with a warning', async () => {
  let subscriptions = 0;
  const broker = await brokerThat((packet, peer) => {
    if (packet.cmd === 'subscribe') subscriptions++;
    politely(packet, peer);
  });
  const spec = sourceOf(broker.url, { clean: false, clientId: 'g' });
  const warnings: object[] = [];
  for (let round = 1; round <= 2; round++) {
    const run = startRun(spec, realClock);
    Object.assign(run, { log: { ...run.log, warn: (fields: object) => warnings.push(fields) } });
    await run.whenOpened();
    await run.stop();
    expect(subscriptions).toBe(round);
    expect(warnings).toHaveLength(round - 1);
  }
  expect(warnings).toMatchObject([{ clientId: 'g', url: broker.url }]);
});

test('a broker that sends more than it may is read no faster than there is room', async () => {
  const FLOOD = 65_000;
  let sent: net.Socket | null = null;
  const broker = await brokerThat(
    afterSubscribe((peer) => {
      sent = peer.socket;
      const payload = `"${'x'.repeat(1_000)}"`;
      for (let id = 1; id <= FLOOD; id++) peer.send(message(payload, { qos: 1, messageId: id }));
    }),
    5,
  );
  const clock = fastClock(50);
  const spec = sourceOf(broker.url, { protocolVersion: 5, receiveMaximum: 10, keepaliveSeconds: 60 });
  const run = startRun(spec, clock, { room: 10 });
  await run.records(10);
  // Half of the hold: what the kernel takes in the meantime stays in its buffers.
  await clock.sleep(15_000);
  expect(run.values).toHaveLength(10);
  expect((sent as unknown as net.Socket).writableLength).toBeGreaterThan(FLOOD * 500);
  run.makeRoom(10);
  await run.records(20);
  await run.stop();
});

describe('fuzzed packets', () => {
  const random = seededRandom(20_201);
  const VALID: Packet[] = [
    message('{"n":1}'),
    message('1', { qos: 1, messageId: 9 }),
    message('2', { qos: 2, messageId: 10, properties: { userProperties: { a: 'b' }, contentType: 'x' } }),
    { cmd: 'pubrel', messageId: 10 },
    { cmd: 'pubrec', messageId: 1 },
    { cmd: 'puback', messageId: 1 },
    { cmd: 'pubcomp', messageId: 1 },
    { cmd: 'suback', messageId: 1, granted: [0, 1, 2, 128] },
    { cmd: 'unsuback', messageId: 1, granted: [0] },
    { cmd: 'connack', returnCode: 0, reasonCode: 0, sessionPresent: true },
    { cmd: 'connect', clientId: 'x', protocolVersion: 4, clean: true, keepalive: 1 },
    { cmd: 'subscribe', messageId: 4, subscriptions: [{ topic: 'a', qos: 0 }] },
    { cmd: 'unsubscribe', messageId: 4, unsubscriptions: ['a'] },
    { cmd: 'pingreq' },
    { cmd: 'pingresp' },
    { cmd: 'disconnect', reasonCode: 139 },
  ];

  /** A few packets, in any order, with bytes changed, left out or added. */
  const fuzz = (protocolVersion: 4 | 5): Uint8Array => {
    const parts: Uint8Array[] = [];
    for (let count = random.integer(1, 6); count > 0; count--) {
      // The first three are messages: half of what brokers send.
      const packet = VALID[random.integer(0, random.next() < 0.5 ? 2 : VALID.length - 1)] as Packet;
      const bytes = Uint8Array.from(mqttPacket.generate(packet, { protocolVersion }));
      const changes = Math.max(0, random.integer(-2, 3));
      for (let change = 0; change < changes; change++)
        bytes[random.integer(0, bytes.length - 1)] = random.integer(0, 255);
      parts.push(random.next() < 0.2 ? bytes.subarray(0, random.integer(0, bytes.length)) : bytes);
    }
    if (random.next() < 0.3)
      parts.push(Uint8Array.from({ length: random.integer(1, 40) }, () => random.integer(0, 255)));
    return Uint8Array.from(parts.flatMap((part) => [...part]));
  };

  test.each([
    [4, 'instead of a CONNACK'],
    [5, 'instead of a CONNACK'],
    [4, 'after the subscription'],
    [5, 'after the subscription'],
  ] as const)('of version %i %s end in an error, never in a crash', async (protocolVersion, when) => {
    const ROUNDS = 300;
    const broker = await brokerThat((packet, peer) => {
      const moment = when === 'after the subscription' ? 'subscribe' : 'connect';
      if (moment === 'subscribe') politely(packet, peer);
      if (packet.cmd !== moment) return;
      peer.sendBytes(fuzz(protocolVersion));
      peer.socket.end();
    }, protocolVersion);
    let records = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const run = startRun(sourceOf(broker.url, { protocolVersion, qos: 2, decode: 'bytes' }), realClock);
      const error = await run.over;
      expect(error?.code, error?.stack).toMatch(/^HG_(LINK|READ)_/);
      records += run.values.length;
    }
    // Whole messages among the damaged ones still come through.
    if (when === 'after the subscription') expect(records).toBeGreaterThan(ROUNDS / 10);
    expect(broker.connections).toBe(ROUNDS);
  });
});
