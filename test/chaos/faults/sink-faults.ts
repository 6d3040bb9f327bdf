/** What far ends and other programs do to sinks: real brokers, servers and files, an engine in this process.
 */

import { once } from 'node:events';
import {
  chmodSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mqtt, { type MqttClient } from 'mqtt';
import {
  createEngine,
  fileSink,
  httpSink,
  mqttSink,
  mqttSource,
  pushSource,
  type Engine,
} from '../../../src/index.ts';
import { SILENT_LOGGER } from '../../../src/domain/logger.ts';
import { query } from '../../storage/fixture.ts';
import { startMosquitto, type MosquittoBroker } from '../../support/mqtt-brokers.ts';
import { makeOddCertificates, type KeyPair } from '../../support/odd-certificates.ts';
import { until } from '../rig/until.ts';
import type { Fault } from './fault.ts';

const WAIT_MS_MAX = 30_000;
/** A far end that comes back is tried again soon. */
const EAGER = {
  backoff: { initialMs: 50, maxMs: 200 },
  breaker: { failures: 1_000 },
  drainDeadlineMs: 10_000,
};

interface Gateway {
  readonly engine: Engine;
  readonly folder: string;
  /** Pushes records `{ n }` with n from the first to the last of them, and `data` beside it. */
  push(first: number, last: number, data?: object): Promise<void>;
  /** Alerts of this kind that are stored. */
  alerts(event: string): number;
  /** Different numbers among the stored records of this source. */
  numbers(sourceId: string): number;
  /** Dead letters of this sink. */
  letters(sink: string): number;
  [Symbol.asyncDispose](): Promise<void>;
}

async function startGateway(): Promise<Gateway> {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-sink-faults-'));
  chmodSync(folder, 0o755);
  const file = join(folder, 'edge.db');
  const engine = createEngine({ timeline: { path: file }, logger: SILENT_LOGGER });
  const count = (sql: string, value: string) => Number(query(file, sql, value)[0]?.['n']);
  await engine.start();
  const source = pushSource({ id: 'plant' });
  await engine.register(source);
  return {
    engine,
    folder,
    async push(first, last, data = {}) {
      const numbers = Array.from({ length: last - first + 1 }, (_, index) => first + index);
      await Promise.all(numbers.map((n) => source.push({ n, ...data })));
    },
    alerts: (event) => count('SELECT count(*) AS n FROM alerts WHERE event = ?', event),
    numbers: (id) => count("SELECT count(DISTINCT data ->> '$.n') AS n FROM records WHERE source_id = ?", id),
    letters: (sink) => count('SELECT count(*) AS n FROM dead_letters WHERE stage = ?', `sink:${sink}`),
    async [Symbol.asyncDispose]() {
      await engine.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Collects the numbers that come below a topic. */
async function subscriber(url: string, filter: string): Promise<{ seen: Set<number> } & AsyncDisposable> {
  const client: MqttClient = await mqtt.connectAsync(url);
  const seen = new Set<number>();
  client.on(
    'message',
    (_topic, payload) => void seen.add((JSON.parse(payload.toString()) as { n: number }).n),
  );
  await client.subscribeAsync(filter, { qos: 1 });
  return { seen, [Symbol.asyncDispose]: () => client.endAsync(true) };
}

async function brokerFor(config: readonly string[]): Promise<MosquittoBroker & AsyncDisposable> {
  // Without a bound Mosquitto 2.0.11 cuts the connection at a message that it denies.
  const broker = await startMosquitto({ config: ['max_queued_messages 10000', ...config] });
  return Object.assign(broker, { [Symbol.asyncDispose]: () => broker.dispose() });
}

async function listen(server: Server): Promise<{ port: number } & AsyncDisposable> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Answers each request with this status, and remembers the numbers of those that it took. */
function answering(status: () => number, seen: Set<number>): RequestListener {
  return (request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      response.statusCode = status();
      if (response.statusCode === 200) for (const n of numbersOf(body)) seen.add(n);
      response.end();
    });
  };
}

function numbersOf(lines: string): number[] {
  const texts = lines.split('\n').filter((line) => line !== '');
  return texts.map((line) => (JSON.parse(line) as { data: { n: number } }).data.n);
}

const poisonRecords: Fault = {
  name: 'sink-poison-records',
  title:
    'keeps what a broker forbids or finds too large as dead letters, and the others arrive, over both versions',
  expected: { arrived5: 58, letters5: 2, arrived4: 58, letters4: 1 },
  async run() {
    await using gateway = await startGateway();
    const { engine, folder } = gateway;
    const acl = join(folder, 'acl');
    writeFileSync(acl, 'topic readwrite open/#\n', { mode: 0o644 });
    await using broker = await brokerFor([`acl_file ${acl}`, 'max_packet_size 4000']);
    await using five = await subscriber(broker.url, 'open/5');
    await using four = await subscriber(broker.url, 'open/4');
    for (const protocolVersion of [4, 5] as const) {
      const id = `v${protocolVersion}`;
      const topic = `{data.where}/${protocolVersion}`;
      await engine.registerSink(mqttSink({ id, url: broker.url, topic, protocolVersion, ...EAGER }));
    }
    await gateway.push(1, 19, { where: 'open' });
    // Denied: MQTT 5 says so; with 3.1.1 the broker acknowledges it and drops it.
    await gateway.push(20, 20, { where: 'shut' });
    await gateway.push(21, 39, { where: 'open' });
    await gateway.push(40, 40, { where: 'open', text: 'x'.repeat(5_000) });
    await gateway.push(41, 60, { where: 'open' });
    await until('all that can arrive', WAIT_MS_MAX, () => five.seen.size + four.seen.size === 116);
    await until('the dead letters', WAIT_MS_MAX, () => gateway.letters('v5') + gateway.letters('v4') === 3);
    return {
      ...{ arrived5: five.seen.size, letters5: gateway.letters('v5') },
      ...{ arrived4: four.seen.size, letters4: gateway.letters('v4') },
    };
  },
};

const refusesAll: Fault = {
  name: 'sink-refused-all',
  title:
    'gives up at most a few records while a far end refuses everything, says so once, and delivers the rest later',
  expected: { arrivedOrKept: 400, letters: { atMost: 6 }, alerts: 2 },
  async run() {
    await using gateway = await startGateway();
    const { engine, folder } = gateway;
    const acl = join(folder, 'acl');
    writeFileSync(acl, 'topic read #\n', { mode: 0o644 });
    await using broker = await brokerFor([`acl_file ${acl}`]);
    await using observer = await subscriber(broker.url, 'out');
    let status = 422;
    const atServer = new Set<number>();
    await using server = await listen(createServer(answering(() => status, atServer)));
    await gateway.push(1, 200);
    await engine.registerSink(httpSink({ id: 'http', url: `http://127.0.0.1:${server.port}/`, ...EAGER }));
    const { url } = broker;
    await engine.registerSink(mqttSink({ id: 'mqtt', url, topic: 'out', protocolVersion: 5, ...EAGER }));
    await until('the alerts', WAIT_MS_MAX, () => gateway.alerts('SINK_REFUSES_ALL') === 2);
    const failures = () => Math.min(...['http', 'mqtt'].map((id) => engine.sinkHealth(id).consecutiveErrors));
    await until('more tries', WAIT_MS_MAX, () => failures() > 2);
    status = 200;
    writeFileSync(acl, 'topic readwrite #\n');
    broker.signal('SIGHUP');
    const letters = () => gateway.letters('http') + gateway.letters('mqtt');
    const arrived = () => atServer.size + observer.seen.size;
    await until('all records', WAIT_MS_MAX, () => arrived() + letters() === 400);
    await engine.stop();
    const alerts = gateway.alerts('SINK_REFUSES_ALL');
    return { arrivedOrKept: arrived() + letters(), letters: letters(), alerts };
  },
};

const fileTaken: Fault = {
  name: 'sink-file-taken',
  title: 'writes into the file of its name although others remove, rename and empty it, and says so',
  expected: { afterRemoval: 100, inRenamed: 100, afterRename: 100, afterCut: 100, alerts: { atLeast: 1 } },
  async run() {
    await using gateway = await startGateway();
    const { engine, folder } = gateway;
    const path = join(folder, 'out.ndjson');
    await engine.registerSink(fileSink({ id: 'out', path, ...EAGER }));
    let last = 0;
    /** Pushes a hundred records and returns how many of them stand in the file once they count as written. */
    const write = async (): Promise<number> => {
      const first = last + 1;
      last += 100;
      await gateway.push(first, last);
      await until('what is written', WAIT_MS_MAX, () => engine.sinkHealth('out').cursor === last);
      return numbersOf(readFileSync(path, 'utf8')).filter((n) => n >= first && n <= last).length;
    };
    await write();
    rmSync(path);
    const afterRemoval = await write();
    renameSync(path, `${path}.1`);
    const afterRename = await write();
    const inRenamed = numbersOf(readFileSync(`${path}.1`, 'utf8')).length;
    truncateSync(path);
    const afterCut = await write();
    await engine.stop();
    return { afterRemoval, inRenamed, afterRename, afterCut, alerts: gateway.alerts('SINK_FILE_CHANGED') };
  },
};

const oddCertificates: Fault = {
  name: 'sink-certificates',
  title: 'says what is wrong with the certificate of a far end, and delivers all once it is replaced',
  expected: { saysExpired: true, saysWrongName: true, arrived: 50, letters: 0 },
  async run() {
    await using gateway = await startGateway();
    const { engine } = gateway;
    const { ca, expired, other, good } = makeOddCertificates();
    const seen = new Set<number>();
    const server = createTlsServer(
      expired,
      answering(() => 200, seen),
    );
    await using place = await listen(server);
    const show = (pair: KeyPair) => {
      server.setSecureContext(pair);
      server.closeAllConnections();
    };
    const url = `https://localhost:${place.port}/`;
    await gateway.push(1, 50);
    await engine.registerSink(httpSink({ id: 'tls', url, tls: { ca }, ...EAGER }));
    const says = (text: string) => async () => {
      await until(
        text,
        WAIT_MS_MAX,
        () => engine.sinkHealth('tls').lastError?.message.includes(text) === true,
      );
      return true;
    };
    const saysExpired = await says('expired on 2020-01-02')();
    show(other);
    const saysWrongName = await says('its certificate is for else.example')();
    show(good);
    await until('all records', WAIT_MS_MAX, () => seen.size === 50);
    return { saysExpired, saysWrongName, arrived: seen.size, letters: gateway.letters('tls') };
  },
};

const clientIdTaken: Fault = {
  name: 'sink-client-id-taken',
  title: 'names another client of its client id, and delivers all once that is gone',
  expected: { alerts: 1, arrived: 100, letters: 0 },
  async run() {
    await using gateway = await startGateway();
    const { engine } = gateway;
    await using broker = await brokerFor([]);
    await using observer = await subscriber(broker.url, 'out');
    const { url } = broker;
    await engine.registerSink(mqttSink({ id: 'out', url, topic: 'out', clientId: 'same', ...EAGER }));
    const other = await mqtt.connectAsync(url, { clientId: 'same', reconnectPeriod: 20 });
    other.on('error', () => {});
    await until('the alert', WAIT_MS_MAX, () => gateway.alerts('CLIENT_ID_CLASH') > 0);
    await gateway.push(1, 100);
    await other.endAsync(true);
    await until('all records', WAIT_MS_MAX, () => observer.seen.size === 100);
    await engine.stop();
    const alerts = gateway.alerts('CLIENT_ID_CLASH');
    return { alerts, arrived: observer.seen.size, letters: gateway.letters('out') };
  },
};

const grantsLess: Fault = {
  name: 'broker-grants-less',
  title:
    'says what a broker grants less than a source and a sink asked for, once over all links, and goes on',
  expected: { alerts: 2, read: 40, letters: 0 },
  async run() {
    await using gateway = await startGateway();
    const { engine } = gateway;
    await using broker = await brokerFor(['retain_available false', 'max_keepalive 30']);
    const { url } = broker;
    const options = { url, protocolVersion: 5, keepaliveSeconds: 60 } as const;
    await engine.register(
      mqttSource({
        id: 'in',
        topics: 'out',
        ...options,
        clean: false,
        clientId: 'in',
        qos: 1,
        envelope: false,
      }),
    );
    await until('the link', WAIT_MS_MAX, () => engine.health('in').state === 'streaming');
    // What comes back by the source is not sent again.
    const filter = ({ sourceId }: { sourceId: string }) => sourceId === 'plant';
    await engine.registerSink(
      mqttSink({ id: 'out', topic: 'out', retain: true, filter, ...options, ...EAGER }),
    );
    await gateway.push(1, 20);
    // The session is kept: over the restart the broker loses nothing that it has taken.
    // With QoS 1 it brings again what was not acknowledged yet: each record counts once.
    const read = () => gateway.numbers('in');
    await until('the first records', WAIT_MS_MAX, () => read() === 20);
    await broker.restart();
    await gateway.push(21, 40);
    await until('all records', WAIT_MS_MAX, () => read() === 40);
    await engine.stop();
    return { alerts: gateway.alerts('BROKER_GRANTED_LESS'), read: read(), letters: gateway.letters('out') };
  },
};

export const SINK_FAULTS: readonly Fault[] = [
  poisonRecords,
  refusesAll,
  fileTaken,
  oddCertificates,
  clientIdTaken,
  grantsLess,
];
