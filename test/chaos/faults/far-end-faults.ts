/** What far ends ask for, refuse and keep: real brokers and servers, an engine in this process. */

import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import mqtt from 'mqtt';
import { createEngine, httpSource, mqttSource, webSocketSource, type Engine } from '../../../src/index.ts';
import { SILENT_LOGGER } from '../../../src/domain/logger.ts';
import { realClock } from '../../../src/platform/real-clock.ts';
import { query } from '../../storage/fixture.ts';
import { startPublisher } from '../../support/mqtt-publisher.ts';
import { startField, type Field } from '../rig/field.ts';
import { until } from '../rig/until.ts';
import type { Fault } from './fault.ts';

const WAIT_MS_MAX = 30_000;
const KEPT = { clean: false, clientId: 'far-end', qos: 1 } as const;

/** `said`: messages of the log from level info up. */
async function startEngine(field: Field): Promise<{ engine: Engine; file: string; said: string[] }> {
  const file = join(field.folder, 'far-end.db');
  const said: string[] = [];
  const say = (_fields: object, message: string) => void said.push(message);
  const logger = { ...SILENT_LOGGER, info: say, warn: say, error: say };
  const engine = createEngine({ timeline: { path: file }, logger });
  await engine.start();
  return { engine, file, said };
}

const count = (file: string, sql: string): number => Number(query(file, sql)[0]?.['n']);

const messageTooLarge: Fault = {
  name: 'message-too-large',
  title: 'reads over retained messages that are too large, keeps them as dead letters, and takes the rest',
  expected: { records: 40, deadLetters: 2, connections: 2, left: 0 },
  async run() {
    await using field = await startField();
    const { engine, file } = await startEngine(field);
    const publisher = await startPublisher(field.broker.url);
    const before = field.proxy.connections;
    for (const protocolVersion of [4, 5] as const) {
      const root = `v${protocolVersion}`;
      await publisher.publish(`${root}/image`, Buffer.alloc(9_000_000), { retain: true });
      const url = `mqtt://127.0.0.1:${field.proxy.port}`;
      const options = { ...KEPT, clientId: root, protocolVersion, envelope: false };
      await engine.register(mqttSource({ id: root, url, topics: `${root}/#`, ...options }));
      await until('the link', WAIT_MS_MAX, () => engine.health(root).state === 'streaming');
      await publisher.publishNumbers(`${root}/a`, 20);
    }
    const stored = () => count(file, 'SELECT count(*) AS n FROM records');
    await until('all records', WAIT_MS_MAX, () => stored() === 40);
    const connections = field.proxy.connections - before;
    await engine.stop();
    await publisher.close();
    const code = "code = 'HG_READ_TOO_LARGE'";
    return {
      records: stored(),
      deadLetters: count(file, `SELECT count(*) AS n FROM dead_letters WHERE ${code}`),
      connections,
      left: count(file, `SELECT count(*) AS n FROM dead_letters WHERE NOT ${code}`),
    };
  },
};

const sessionOfRemovedSource: Fault = {
  name: 'session-of-removed-source',
  title: 'leaves no session with a broker behind that no source uses, nor a filter',
  expected: { filterGone: true, sessionGone: true, alerts: 0 },
  async run() {
    await using field = await startField();
    const { engine, file, said } = await startEngine(field);
    const { url } = field.broker;
    const source = (topics: string[]) => mqttSource({ id: 'plant', url, topics, envelope: false, ...KEPT });
    await engine.register(source(['old/#', 'new/#']));
    await until('the link', WAIT_MS_MAX, () => engine.health('plant').state === 'streaming');
    await engine.update(source(['new/#']));
    await until('the next link', WAIT_MS_MAX, () => {
      const { state, incarnation } = engine.health('plant');
      return state === 'streaming' && incarnation === 2;
    });
    const publisher = await startPublisher(url);
    await publisher.publish('old/1', '1');
    await publisher.publish('new/1', '2');
    await until('the record', WAIT_MS_MAX, () => count(file, 'SELECT count(*) AS n FROM records') > 0);
    const filterGone = count(file, 'SELECT count(*) AS n FROM records') === 1;
    await engine.deregister('plant');
    // The good-bye goes on in the background.
    await until('the good-bye', WAIT_MS_MAX, () => said.some((line) => line.includes('kept session')));
    const client = mqtt.connect(url, { clientId: KEPT.clientId, clean: false });
    const sessionPresent = await new Promise<boolean>((resolve) => {
      client.once('connect', (packet) => resolve(packet.sessionPresent));
    });
    await client.endAsync();
    await publisher.close();
    await engine.stop();
    const alerts = count(file, "SELECT count(*) AS n FROM alerts WHERE event = 'BROKER_SESSION_LEFT'");
    return { filterGone, sessionGone: !sessionPresent, alerts };
  },
};

/** A server that says what `answer` gives, to each request of each connection. */
async function serve(
  answer: (requests: number) => string | null,
): Promise<{ port: number; requests: number[] } & AsyncDisposable> {
  const requests: number[] = [];
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    let ofSocket = 0;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', () => {
      requests.push(realClock.monotonicMs());
      const text = answer(++ofSocket);
      if (text === null) socket.resetAndDestroy();
      else socket.write(text);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

const askedToWait: Fault = {
  name: 'asked-to-wait',
  title: 'leaves servers alone for as long as they ask, and repeats polls over connections that are reset',
  expected: { polls: 1, handshakes: 1, failedReads: 0, records: { atLeast: 5 } },
  async run() {
    await using field = await startField();
    const { engine } = await startEngine(field);
    const busy = 'HTTP/1.1 429 Too Many Requests\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n';
    const good = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1\r\n\r\n1';
    await using polled = await serve(() => busy);
    await using shaken = await serve(() => busy);
    await using reset = await serve((requests) => (requests === 1 ? good : null));
    const http = (id: string, port: number, intervalMs: number) =>
      httpSource({ id, url: `http://127.0.0.1:${port}/`, intervalMs });
    await engine.register(http('busy', polled.port, 100));
    await engine.register(webSocketSource({ id: 'shaken', url: `ws://127.0.0.1:${shaken.port}/` }));
    await engine.register(http('reset', reset.port, 200));
    await until('records', WAIT_MS_MAX, () => engine.health('reset').recordsProduced >= 5);
    const { recordsProduced: records, consecutiveErrors: failedReads } = engine.health('reset');
    await engine.stop();
    return { polls: polled.requests.length, handshakes: shaken.requests.length, failedReads, records };
  },
};

export const FAR_END_FAULTS: readonly Fault[] = [messageTooLarge, sessionOfRemovedSource, askedToWait];
