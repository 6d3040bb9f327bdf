/** Each kind of sink with a real far end, for the conformance list of sinks. */

import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect as connectNats } from '@nats-io/transport-node';
import mqtt from 'mqtt';
import { onTestFinished } from 'vitest';
import { fileSink } from '../../actors/sinks/file/file-sink.ts';
import { functionSink } from '../../actors/sinks/function-sink.ts';
import { httpSink } from '../../actors/sinks/http-sink.ts';
import { jetStreamSink } from '../../actors/sinks/jetstream/jetstream-sink.ts';
import { mqttSink } from '../../actors/sinks/mqtt/mqtt-sink.ts';
import { HeadgateError } from '../../src/domain/errors.ts';
import type { SinkSpec } from '../../src/domain/sink.ts';
import { temporaryFolder } from '../storage/fixture.ts';
import { startMosquitto } from './mqtt-brokers.ts';
import { startNatsServer } from './nats-server.ts';
import { startTcpProxy } from './tcp-proxy.ts';

export interface SinkFarEnd {
  readonly spec: SinkSpec;
  /** Keys of the records that are safe there, in order, as often as they came. Called after `count` records
   *  were delivered, it waits for those that are still on their way to the observer. */
  received(count: number): Promise<string[]>;
  /** How a link is made to wait, and lost. Null where the far end is a file. */
  readonly link: {
    /** From now on nothing is acknowledged. */
    stall(): void;
    resume(): void;
    /** Resolves when something was sent that waits for its acknowledgement. */
    reached(): Promise<void>;
    lose(): void;
  } | null;
  /** Lets go what the far end itself holds of connections that ended. */
  tidy(): void;
}

type StartFarEnd = () => Promise<SinkFarEnd>;

export const SINK_KITS: Readonly<Record<string, StartFarEnd>> = {
  function: startFunction,
  file: startFile,
  http: startHttp,
  mqtt: startMqtt,
  jetstream: startJetStream,
};

const LOST = new HeadgateError('HG_LINK_LOST', 'the function was told to fail');

async function startFunction(): Promise<SinkFarEnd> {
  const keys: string[] = [];
  let open = Promise.withResolvers<void>();
  open.resolve();
  let reached = Promise.withResolvers<void>();
  const spec = functionSink({
    id: 'sink',
    async deliver(batch, { signal }) {
      const stopped = Promise.withResolvers<never>();
      const stop = () => stopped.reject(LOST);
      signal.addEventListener('abort', stop, { once: true });
      reached.resolve();
      await Promise.race([open.promise, stopped.promise]);
      signal.removeEventListener('abort', stop);
      keys.push(...batch.map(({ key }) => key));
    },
  });
  return {
    spec,
    received: async () => keys,
    link: {
      stall() {
        open = Promise.withResolvers();
        reached = Promise.withResolvers();
      },
      resume: () => open.resolve(),
      reached: () => reached.promise,
      lose: () => open.reject(LOST),
    },
    tidy() {},
  };
}

async function startFile(): Promise<SinkFarEnd> {
  const path = join(temporaryFolder(), 'out.ndjson');
  return {
    spec: fileSink({ id: 'sink', path }),
    received: async () => keysOfLines(readFileSync(path, 'utf8')),
    link: null,
    tidy() {},
  };
}

function keysOfLines(text: string): string[] {
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => (JSON.parse(line) as { key: string }).key);
}

async function startHttp(): Promise<SinkFarEnd> {
  const keys: string[] = [];
  let held: (() => void)[] | null = null;
  let reached = Promise.withResolvers<void>();
  const answer = (body: string, response: ServerResponse) => {
    keys.push(...keysOfLines(body));
    response.end();
  };
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      if (held === null) answer(body, response);
      else held.push(() => answer(body, response));
      reached.resolve();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    spec: httpSink({ id: 'sink', url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` }),
    received: async () => keys,
    link: {
      stall() {
        held = [];
        reached = Promise.withResolvers();
      },
      resume() {
        for (const go of held ?? []) go();
        held = null;
      },
      reached: () => reached.promise,
      lose() {
        held = null;
        server.closeAllConnections();
      },
    },
    tidy: () => server.closeAllConnections(),
  };
}

/** The link of a sink that reaches its far end through a proxy. Frozen, nothing passes it: what is sent is
 *  sent at once. */
async function proxied(port: number) {
  const proxy = await startTcpProxy(port);
  onTestFinished(() => proxy.close());
  return {
    port: proxy.port,
    link: {
      stall: () => proxy.freeze(),
      resume: () => proxy.thaw(),
      reached: async () => {},
      lose() {
        proxy.cut();
        proxy.thaw();
      },
    },
  };
}

async function startMqtt(): Promise<SinkFarEnd> {
  const broker = await startMosquitto();
  onTestFinished(() => broker.dispose());
  const { port, link } = await proxied(broker.port);
  const keys: string[] = [];
  let look = () => {};
  const client = await mqtt.connectAsync(broker.url, { reconnectPeriod: 0 });
  onTestFinished(() => client.endAsync(true));
  client.on('message', (_topic, payload) => {
    keys.push(...keysOfLines(payload.toString()));
    look();
  });
  await client.subscribeAsync('out/#', { qos: 1 });
  return {
    spec: mqttSink({
      ...{ id: 'sink', url: `mqtt://127.0.0.1:${port}`, topic: 'out/{sourceId}', envelope: 'record' },
    }),
    received: (count) =>
      new Promise((resolve) => {
        look = () => {
          if (keys.length >= count) resolve(keys);
        };
        look();
      }),
    link,
    tidy() {},
  };
}

async function startJetStream(): Promise<SinkFarEnd> {
  const server = await startNatsServer();
  onTestFinished(() => server.dispose());
  const { port, link } = await proxied(server.port);
  const connection = await connectNats({ servers: server.address });
  onTestFinished(() => connection.close());
  const manager = await jetstreamManager(connection);
  await manager.streams.add({ name: 'OUT', subjects: ['out.>'] });
  return {
    spec: jetStreamSink({ id: 'sink', servers: `127.0.0.1:${port}`, subject: 'out.{sourceId}' }),
    async received() {
      const { state } = await manager.streams.info('OUT');
      const keys: string[] = [];
      for (let seq = 1; seq <= state.last_seq; seq++) {
        const message = await manager.streams.getMessage('OUT', { seq });
        keys.push(message?.header.get('Nats-Msg-Id') ?? '');
      }
      return keys;
    },
    link,
    tidy() {},
  };
}
