/** Far ends that take a connection and then say nothing, in an engine with every kind of source and sink: the
 *  attempt ends with the connect timeout, and the error names the address and the step that was waited for.
 *  */

import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import {
  createEngine,
  defineSource,
  httpSink,
  httpSource,
  jetStreamSink,
  mqttSink,
  mqttSource,
  pushSource,
  webSocketSource,
  type SinkSpec,
  type SourceSpec,
} from '../../src/index.ts';
import { SILENT_LOGGER } from '../../src/domain/logger.ts';

const CONNACK = Buffer.of(0x20, 2, 0, 0);
const INFO = 'INFO {"server_id":"A","version":"2.11.0","proto":1,"max_payload":1048576,"headers":true}\r\n';

/** Listens and answers the first bytes, or the connection itself, with `words`. Returns its port. */
async function peer(words: { readonly greeting?: string; readonly answer?: Buffer } = {}): Promise<number> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    if (words.greeting !== undefined) socket.write(words.greeting);
    socket.once('data', () => words.answer !== undefined && socket.write(words.answer));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

test('the error of each attempt names the address and the step without an answer', async () => {
  const mute = await peer();
  const connackOnly = await peer({ answer: CONNACK });
  const infoOnly = await peer({ greeting: INFO });
  const [common, topics] = [{ connectTimeoutMs: 300 }, 't'];
  const silent = defineSource({
    type: 'silent',
    connects: true,
    stream: ({ signal }) => new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve())),
  });
  const at = (scheme: string, port = mute) => `${scheme}://127.0.0.1:${port}`;
  const sources: SourceSpec[] = [
    mqttSource({ id: 'mqtt', url: at('mqtt'), topics, ...common }),
    mqttSource({ id: 'mqtts', url: at('mqtts'), topics, ...common }),
    mqttSource({ id: 'mqtt-ws', url: at('ws'), topics, ...common }),
    mqttSource({ id: 'suback', url: at('mqtt', connackOnly), topics, ...common }),
    webSocketSource({ id: 'ws', url: at('ws'), ...common }),
    webSocketSource({ id: 'wss', url: at('wss'), ...common }),
    httpSource({ id: 'http', url: at('http'), intervalMs: 1_000, timeoutMs: 300 }),
    httpSource({ id: 'https', url: at('https'), intervalMs: 1_000, timeoutMs: 300 }),
    silent({ id: 'own', ...common }),
  ];
  const sinks: SinkSpec[] = [
    mqttSink({ id: 'mqtt', url: at('mqtt'), topic: 't', ...common }),
    mqttSink({ id: 'mqtts', url: at('mqtts'), topic: 't', ...common }),
    jetStreamSink({ id: 'nats', servers: at('nats'), subject: 's', ...common }),
    jetStreamSink({ id: 'info', servers: at('nats', infoOnly), subject: 's', ...common }),
    httpSink({ id: 'http', url: at('http'), timeoutMs: 300 }),
    httpSink({ id: 'https', url: at('https'), timeoutMs: 300 }),
    mqttSink({ id: 'puback', url: at('mqtt', connackOnly), topic: 't', deliverTimeoutMs: 300 }),
  ];
  const engine = createEngine({ timeline: { path: ':memory:' }, logger: SILENT_LOGGER });
  // Of several attempts on a busy machine, one that came as far as it can.
  const told = new Map<string, Set<string>>();
  engine.transitions$.subscribe(({ actor, event, data }) => {
    if (event !== 'link.failed') return;
    const { message = '' } = (data?.['error'] ?? {}) as { message?: string };
    told.set(actor, (told.get(actor) ?? new Set()).add(message));
  });
  await engine.start();
  const door = pushSource({ id: 'door' });
  await engine.register(door);
  await door.push(1);
  for (const spec of sinks) await engine.registerSink(spec);
  for (const spec of sources) await engine.register(spec);
  const connected = (port: number, missing: string) =>
    `connected to 127.0.0.1:${port}, but no ${missing} within 300 ms`;
  const handshake = connected(mute, 'end of the TLS handshake');
  const webSocket = connected(mute, 'answer to the WebSocket handshake');
  const expected = {
    mqtt: connected(mute, 'CONNACK'),
    mqtts: handshake,
    'mqtt-ws': webSocket,
    suback: connected(connackOnly, 'SUBACK'),
    ws: webSocket,
    wss: handshake,
    http: `http://127.0.0.1:${mute}/ took the connection, but did not answer within 300 ms`,
    https: `https://127.0.0.1:${mute}/ did not take the connection within 300 ms`,
    own: 'no open link within 300 ms',
    'sink:mqtt': connected(mute, 'CONNACK'),
    'sink:mqtts': handshake,
    'sink:nats': connected(mute, 'INFO'),
    'sink:info': connected(infoOnly, 'end of the handshake after its INFO'),
    'sink:http': `http://127.0.0.1:${mute}/ took the connection, but did not answer within 300 ms`,
    'sink:https': `https://127.0.0.1:${mute}/ did not take the connection within 300 ms`,
    'sink:puback': `a delivery to mqtt://127.0.0.1:${connackOnly} was not done within 300 ms`,
  };
  const missing = () => Object.entries(expected).filter(([actor, message]) => !told.get(actor)?.has(message));
  await expect.poll(missing, { timeout: 20_000 }).toEqual([]);
  await engine.stop({ deadlineMs: 0 });
  for (const [actor, messages] of told) {
    const wrong = [...messages].filter((message) => !/127\.0\.0\.1:\d+|^no open link within/.test(message));
    expect(wrong, actor).toEqual([]);
  }
}, 30_000);
