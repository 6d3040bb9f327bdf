/** Each kind of sink with a real far end that takes most records and objects to some. A record says in its
 *  own data to what the far end is to object: `where` is part of its address, `text` of what is sent. */

import { chmodSync, existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect as connectNats } from '@nats-io/transport-node';
import mqtt from 'mqtt';
import { onTestFinished } from 'vitest';
import type { MqttSinkOptions } from '../../actors/sinks/mqtt/mqtt-sink.ts';
import { fileSink, functionSink, httpSink, jetStreamSink, mqttSink } from '../../src/index.ts';
import { errorFacts, HeadgateError } from '../../src/domain/errors.ts';
import type { SinkSpec } from '../../src/domain/sink.ts';
import { temporaryFolder } from '../storage/fixture.ts';
import { startMosquitto } from './mqtt-brokers.ts';
import { startNatsServer } from './nats-server.ts';
import { startTcpProxy } from './tcp-proxy.ts';

/** `refused`: by the far end's own answer. `breaks`: the link, whenever the record is sent. `tooLarge`: for
 *  the far end. `address`: the sink can make no address of it. `longAddress`: it is longer than the protocol
 *  allows. */
export type Objection = 'refused' | 'breaks' | 'tooLarge' | 'address' | 'longAddress';

export interface Reading {
  readonly n: number;
  readonly where: string;
  readonly text: unknown;
}

/** The data of a record that meets the objection. */
export const OBJECTIONABLE: Readonly<Record<Objection, Omit<Reading, 'n'>>> = {
  refused: { where: 'shut', text: 'x' },
  breaks: { where: 'open', text: 'break-the-link' },
  tooLarge: { where: 'open', text: 'x'.repeat(9_000) },
  address: { where: 'a+b *', text: 'x' },
  longAddress: { where: 'y'.repeat(70_000), text: 'x' },
};

export interface PoisonFarEnd {
  readonly spec: SinkSpec;
  /** The numbers of records that are safe there, in order, as often as they came. */
  readonly received: () => number[] | Promise<number[]>;
  /** From now on it takes nothing, or what it took before. */
  readonly refuseAll: (refuses: boolean) => void | Promise<void>;
}

interface PoisonKit {
  readonly start: () => Promise<PoisonFarEnd>;
  /** Objections that this kind cannot meet, and why. */
  readonly never: Readonly<Partial<Record<Objection, string>>>;
}

const EAGER = {
  backoff: { initialMs: 20, maxMs: 100 },
  breaker: { failures: 1_000 },
  batch: { rowsMax: 10 },
} as const;
const BYTES_MAX = 4_000;
const NO_ADDRESS = 'it has one address for all records';

export const POISON_KITS: Readonly<Record<string, PoisonKit>> = {
  function: {
    start: startFunction,
    never: {
      tooLarge: 'user code says so as any other refusal',
      address: NO_ADDRESS,
      longAddress: NO_ADDRESS,
    },
  },
  file: {
    start: startFile,
    never: {
      refused: 'a file refuses no single line',
      breaks: 'a file has no link',
      tooLarge: 'a disk that is full is full for all',
      address: NO_ADDRESS,
      longAddress: NO_ADDRESS,
    },
  },
  http: { start: startHttp, never: { address: NO_ADDRESS, longAddress: NO_ADDRESS } },
  mqtt4: {
    start: () => startMqtt(4),
    never: { refused: 'MQTT 3.1.1 has no refusal of a message' },
  },
  mqtt5: { start: () => startMqtt(5), never: {} },
  jetstream: { start: startJetStream, never: {} },
};

const LOST = new HeadgateError('HG_LINK_LOST', 'for the test');
const REFUSED = errorFacts(new HeadgateError('HG_SINK_REFUSED', 'for the test'));
const isShut = ({ where }: Reading) => where === OBJECTIONABLE.refused.where;
const isBreaking = ({ text }: Reading) => text === OBJECTIONABLE.breaks.text;

async function startFunction(): Promise<PoisonFarEnd> {
  const numbers: number[] = [];
  let refusesAll = false;
  const spec = functionSink({
    ...{ id: 'sink', ...EAGER },
    async deliver(batch) {
      const readings = batch.map(({ data }) => data as Reading);
      if (readings.some(isBreaking)) throw LOST;
      const refused = readings.flatMap((one, index) => (refusesAll || isShut(one) ? [index] : []));
      numbers.push(...readings.filter((_, index) => !refused.includes(index)).map(({ n }) => n));
      return refused.map((index) => ({ index, error: REFUSED }));
    },
  });
  return { spec, received: () => numbers, refuseAll: (refuses) => void (refusesAll = refuses) };
}

async function startFile(): Promise<PoisonFarEnd> {
  const folder = join(temporaryFolder(), 'out');
  const path = join(folder, 'out.ndjson');
  mkdirSync(folder);
  return {
    spec: fileSink({ id: 'sink', path, ...EAGER }),
    // Root may write to everything, so a folder stands in the file's place.
    received: () => (existsSync(path) ? linesOf(readFileSync(path, 'utf8')).map(({ n }) => n) : []),
    refuseAll: (refuses) => (refuses ? mkdirSync(path) : rmdirSync(path)),
  };
}

function linesOf(text: string): Reading[] {
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => (JSON.parse(line) as { data: Reading }).data);
}

async function startHttp(): Promise<PoisonFarEnd> {
  const numbers: number[] = [];
  let refusesAll = false;
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      const readings = linesOf(body);
      if (readings.some(isBreaking)) {
        request.socket.resetAndDestroy();
        return;
      }
      const isLarge = readings.some(({ text }) => JSON.stringify(text).length > BYTES_MAX);
      response.statusCode = refusesAll || readings.some(isShut) ? 422 : isLarge ? 413 : 200;
      if (response.statusCode === 200) numbers.push(...readings.map(({ n }) => n));
      response.end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return {
    spec: httpSink({ id: 'sink', url: `http://127.0.0.1:${port}/`, ...EAGER }),
    received: () => numbers,
    refuseAll: (refuses) => void (refusesAll = refuses),
  };
}

/** A proxy before a server that resets a connection over which the text comes. */
async function breaking(port: number): Promise<number> {
  const proxy = await startTcpProxy(port, {
    tap: () => ({
      towardsClient() {},
      towardsServer(bytes) {
        if (bytes.includes(String(OBJECTIONABLE.breaks.text))) proxy.cut();
      },
    }),
  });
  onTestFinished(() => proxy.close());
  return proxy.port;
}

const OPEN = 'topic readwrite open/#\n';
const SHUT = 'topic read #\n';

export async function startMqtt(
  protocolVersion: 4 | 5,
  options: Partial<MqttSinkOptions> = {},
): Promise<PoisonFarEnd> {
  const folder = temporaryFolder();
  chmodSync(folder, 0o755);
  const acl = join(folder, 'acl');
  writeFileSync(acl, OPEN, { mode: 0o644 });
  const broker = await startMosquitto({
    // Without a bound Mosquitto 2.0.11 cuts the connection at a message that it denies.
    config: ['max_queued_messages 1000', `acl_file ${acl}`, `max_packet_size ${BYTES_MAX}`],
  });
  onTestFinished(() => broker.dispose());
  const client = await mqtt.connectAsync(broker.url, { reconnectPeriod: 0 });
  onTestFinished(() => client.endAsync(true));
  const numbers: number[] = [];
  client.on('message', (topic, payload) => {
    const [, n] = topic.split('/');
    numbers.push(Number(n === 'text' ? payload.toString() : n));
  });
  await client.subscribeAsync('open/#', { qos: 1 });
  const url = `mqtt://127.0.0.1:${await breaking(broker.port)}`;
  const topic = '{data.where}/{data.n}';
  return {
    spec: mqttSink({ id: 'sink', url, topic, protocolVersion, ...EAGER, ...options }),
    received: () => numbers,
    refuseAll(refuses) {
      writeFileSync(acl, refuses ? SHUT : OPEN);
      broker.signal('SIGHUP');
    },
  };
}

async function startJetStream(): Promise<PoisonFarEnd> {
  const server = await startNatsServer([`max_payload: ${BYTES_MAX}`]);
  onTestFinished(() => server.dispose());
  const connection = await connectNats({ servers: server.address });
  onTestFinished(() => connection.close());
  const manager = await jetstreamManager(connection);
  await manager.streams.add({ name: 'OUT', subjects: ['open.*'] });
  const servers = `127.0.0.1:${await breaking(server.port)}`;
  return {
    spec: jetStreamSink({ id: 'sink', servers, subject: '{data.where}.{data.n}', ...EAGER }),
    async received() {
      const numbers: number[] = [];
      const { state } = await manager.streams.info('OUT');
      for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
        const message = await manager.streams.getMessage('OUT', { seq });
        if (message !== null) numbers.push(Number(message.subject.split('.')[1]));
      }
      return numbers;
    },
    async refuseAll(refuses) {
      await manager.streams.update('OUT', { subjects: refuses ? ['elsewhere'] : ['open.*'] });
    },
  };
}
