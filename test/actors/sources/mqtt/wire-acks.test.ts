/** Acknowledgements on the wire: what a broker sees of them, and what it cannot do by ignoring the rules. */

import type net from 'node:net';
import type { IPublishPacket, Packet } from 'mqtt-packet';
import { afterEach, describe, expect, test } from 'vitest';
import { mqttSource, type MqttSourceInput } from '../../../../actors/sources/mqtt/mqtt-source.ts';
import { LIMITS } from '../../../../src/domain/limits.ts';
import { realClock } from '../../../../src/platform/real-clock.ts';
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

/** A broker that notes what it is sent, and lets a test wait for that. */
async function broker(answer: (packet: Packet, peer: ScriptedPeer) => void, version: 4 | 5 = 4) {
  const packets: { cmd: string; messageId: number }[] = [];
  const counts = new Map<string, number>();
  let watchers: { done: () => boolean; resolve: () => void }[] = [];
  const scripted = await startScriptedBroker((packet, peer) => {
    packets.push({ cmd: packet.cmd, messageId: packet.messageId ?? 0 });
    counts.set(packet.cmd, count(packet.cmd) + 1);
    answer(packet, peer);
    for (const watcher of watchers.filter(({ done }) => done())) watcher.resolve();
    watchers = watchers.filter(({ done }) => !done());
  }, version);
  opened.push(scripted);
  const seen = (...cmds: string[]) =>
    packets.filter(({ cmd }) => cmds.includes(cmd)).map(({ cmd, messageId }) => `${cmd} ${messageId}`);
  const count = (cmd: string) => counts.get(cmd) ?? 0;
  const until = (done: () => boolean) =>
    done() ? Promise.resolve() : new Promise<void>((resolve) => watchers.push({ done, resolve }));
  return { url: scripted.url, seen, count, until };
}

const message = (payload: string, more: Partial<IPublishPacket> = {}): IPublishPacket => ({
  ...{ cmd: 'publish', topic: 'a', payload, qos: 1, dup: false, retain: false },
  ...more,
});

const sourceOf = (url: string, options: Partial<MqttSourceInput> = {}) =>
  mqttSource({ id: 'm', url, topics: 'a', ...options });

describe.each([4, 5] as const)('over version %i', (protocolVersion) => {
  test('PUBACK and PUBREC leave in the order of the messages, and only when these are stored', async () => {
    let connection: ScriptedPeer | null = null;
    const { url, seen, count, until } = await broker((packet, peer) => {
      politely(packet, peer);
      if (packet.cmd !== 'subscribe') return;
      connection = peer;
      peer.send(message('1', { messageId: 9 }), message('2', { messageId: 3, qos: 2 }));
      peer.send(message('3', { qos: 0 }), message('4', { messageId: 5 }));
    }, protocolVersion);
    const run = startRun(sourceOf(url, { qos: 2, protocolVersion }), realClock, { settle: 'by hand' });
    await run.records(4);
    expect(run.values).toEqual([1, 2, 3, 4]);
    // Owed by three messages: QoS 0 owes nothing.
    expect(run.owed).toHaveLength(3);
    // The client answers a release behind all that it sent before: nothing is acknowledged yet.
    const released = async (messageId: number) => {
      const answers = count('pubcomp');
      connection?.send({ cmd: 'pubrel', messageId });
      await until(() => count('pubcomp') > answers);
    };
    await released(77);
    expect(seen('puback', 'pubrec')).toEqual([]);
    run.owed[2]?.settle('stored');
    run.owed[1]?.settle('stored');
    // The last two are stored; the first is not, and holds them up.
    await released(78);
    expect(seen('puback', 'pubrec')).toEqual([]);
    run.owed[0]?.settle('stored');
    await until(() => seen('puback', 'pubrec', 'pubcomp').length === 6);
    expect(seen('puback', 'pubrec', 'pubcomp')).toEqual([
      ...['pubcomp 77', 'pubcomp 78'],
      ...['puback 9', 'pubrec 3', 'puback 5', 'pubcomp 3'],
    ]);
    await run.stop();
  });
});

test('a QoS 2 message sent again while it is being stored is one message, acknowledged twice', async () => {
  const { url, seen, until } = await broker((packet, peer) => {
    if (packet.cmd !== 'pubrec') politely(packet, peer);
    if (packet.cmd !== 'subscribe') return;
    peer.send(message('1', { messageId: 3, qos: 2 }), message('1', { messageId: 3, qos: 2, dup: true }));
    peer.send(message('2', { messageId: 4 }));
  });
  const run = startRun(sourceOf(url, { qos: 2 }), realClock, { settle: 'by hand' });
  await run.records(2);
  expect(run.values).toEqual([1, 2]);
  expect(seen('pubrec', 'puback')).toEqual([]);
  for (const receipt of run.owed) receipt.settle('stored');
  await until(() => seen('pubrec', 'puback').length === 3);
  expect(seen('pubrec', 'puback')).toEqual(['pubrec 3', 'pubrec 3', 'puback 4']);
  await run.stop();
});

test('an id released and used again at once is another message', async () => {
  const { url, seen, until } = await broker((packet, peer) => {
    if (packet.cmd !== 'pubrec' || seen('pubrec').length > 1) politely(packet, peer);
    if (packet.cmd === 'subscribe') peer.send(message('1', { messageId: 3, qos: 2 }));
    if (packet.cmd === 'pubrec' && seen('pubrec').length === 1) {
      peer.send({ cmd: 'pubrel', messageId: 3 }, message('2', { messageId: 3, qos: 2, dup: true }));
    }
  });
  const run = startRun(sourceOf(url, { qos: 2 }), realClock);
  await until(() => seen('pubcomp').length === 2);
  expect(run.values).toEqual([1, 2]);
  await run.stop();
});

test('what is stored after its link has gone is acknowledged over no other', { tags: 'full' }, async () => {
  let connections = 0;
  const { url, seen, until } = await broker((packet, peer) => {
    if (packet.cmd === 'connect') connections++;
    politely(packet, peer);
    if (packet.cmd !== 'subscribe') return;
    peer.send(message(String(connections), { messageId: 1 }), message('0', { messageId: 2 }));
    if (connections === 1) peer.socket.end();
  });
  const spec = sourceOf(url, { clean: false, clientId: 'g' });
  const first = startRun(spec, realClock, { settle: 'by hand' });
  expect(await first.over).toMatchObject({ code: 'HG_LINK_LOST' });
  expect(first.values).toEqual([1, 0]);
  const second = startRun(spec, realClock, { settle: 'by hand' });
  await second.records(2);
  for (const receipt of first.owed) receipt.settle('stored');
  second.owed[0]?.settle('stored');
  await until(() => seen('puback').length > 0);
  // Of the link before there were two, and one of them under the id that is still owed here.
  expect(seen('puback')).toEqual(['puback 1']);
  await second.stop();
  expect(seen('puback')).toEqual(['puback 1']);
});

test(
  'a broker that ignores Receive Maximum is read up to a bound, pinged meanwhile, and then read on',
  { tags: 'full' },
  async () => {
    const FLOOD = 65_000;
    let sent: net.Socket | null = null;
    const { url, seen, count, until } = await broker((packet, peer) => {
      politely(packet, peer);
      if (packet.cmd !== 'subscribe') return;
      sent = peer.socket;
      const payload = `"${'x'.repeat(500)}"`;
      for (let id = 1; id <= FLOOD; id++) peer.send(message(payload, { messageId: id }));
    }, 5);
    // Fast: three keepalives pass while nothing is stored.
    const clock = fastClock(100);
    const spec = sourceOf(url, { protocolVersion: 5, receiveMaximum: 10, keepaliveSeconds: 30 });
    const run = startRun(spec, clock, { settle: 'by hand' });
    await run.records(LIMITS.mqttPendingAcksMax);
    const pings = count('pingreq');
    await until(() => count('pingreq') >= pings + 6);
    expect(run.values).toHaveLength(LIMITS.mqttPendingAcksMax);
    expect((sent as unknown as net.Socket).writableLength).toBeGreaterThan(FLOOD * 250);
    while (run.values.length < FLOOD) {
      for (const receipt of run.owed.splice(0)) receipt.settle('stored');
      await run.records(Math.min(FLOOD, run.values.length + LIMITS.mqttPendingAcksMax / 2));
    }
    for (const receipt of run.owed.splice(0)) receipt.settle('stored');
    await until(() => count('puback') === FLOOD);
    expect(seen('puback').map((text) => Number(text.slice(7)))).toEqual(
      Array.from({ length: FLOOD }, (_, index) => index + 1),
    );
    await run.stop();
  },
);

test('a message that came together with the end of the link is not lost on the way to the source', async () => {
  const { url } = await broker((packet, peer) => {
    politely(packet, peer);
    if (packet.cmd !== 'subscribe') return;
    for (let id = 1; id <= 100; id++) peer.send(message(String(id), { messageId: id }));
    peer.socket.end();
  });
  const run = startRun(sourceOf(url), realClock);
  expect(await run.over).toMatchObject({ code: 'HG_LINK_LOST' });
  expect(run.values).toHaveLength(100);
});
