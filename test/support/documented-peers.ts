/** The far ends of the configurations that the documentation shows: real ones on loopback, in the place of
 *  the addresses, paths and secrets that only an example has. */

import { createServer, request as httpRequest, type IncomingMessage } from 'node:http';
import { appendFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { gunzipSync } from 'node:zlib';
import { connectAsync } from 'mqtt';
import { WebSocketServer } from 'ws';
import { PROJECT_ROOT } from './project-files.ts';
import { startMosquitto } from './mqtt-brokers.ts';
import { startNatsServer } from './nats-server.ts';

type Entry = Record<string, unknown>;
export type Configuration = Record<string, Record<string, Entry> & Entry>;

/** Records that each source is given, but for those that make their own. */
export const FED = 3;

/** A record that every stage and template of the documentation can work with. */
const reading = (n: number) => ({ celsius: 90 + n, n, sensor: 's', raw: 1, debug: 1 });

const readings = Array.from({ length: FED }, (_, index) => reading(index + 1));

/** The token of the documented hashes. */
export const TOKEN = 'documented-token-of-the-tests-0123456789abcdef';

export class DocumentedPeers implements AsyncDisposable {
  readonly #parts = new AsyncDisposableStack();
  /** Bodies that the HTTP server got. */
  readonly posted: string[] = [];
  #broker = '';
  #nats = '';
  #http = '';
  #webSocket = '';

  static async start(): Promise<DocumentedPeers> {
    const peers = new DocumentedPeers();
    const broker = await startMosquitto();
    peers.#parts.defer(() => broker.dispose());
    const nats = await startNatsServer();
    peers.#parts.defer(() => nats.dispose());
    peers.#broker = broker.url;
    peers.#nats = `nats://${nats.address}`;
    await peers.#serve();
    return peers;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.disposeAsync();
  }

  /** The configuration with these far ends in it. What it names in files is written into `home`. */
  place(configuration: Configuration, home: string): Configuration {
    const text = JSON.stringify(configuration)
      .replaceAll(/mqtts?:\/\/[^"/]+/g, this.#broker)
      .replaceAll(/nats:\/\/[^"/]+/g, this.#nats)
      .replaceAll(/wss?:\/\/[^"/]+/g, this.#webSocket)
      .replaceAll(/https?:\/\/[^"/]+/g, this.#http)
      .replaceAll(/\/var\/(?:lib\/headgate|log)\/([\w.-]+)/g, join(home, '$1'));
    const placed = JSON.parse(text) as Configuration;
    const storage = placed['storage'] ?? {};
    placed['storage'] = { ...storage, path: join(home, 'edge.db') } as never;
    placed['http'] = { ...placed['http'], port: 0 } as never;
    for (const entry of Object.values(placed['sources'] ?? {})) {
      if (entry['type'] === 'file') writeFileSync(entry['path'] as string, '');
      if (entry['type'] === 'http') entry['intervalMs'] = 50;
    }
    writeModules(home);
    return placed;
  }

  /** Gives each source its records. `url`: where the gateway listens. */
  async feed(configuration: Configuration, url: string): Promise<void> {
    const [host] = (configuration['http']?.['allowedHosts'] ?? []) as readonly string[];
    for (const [id, source] of Object.entries(configuration['sources'] ?? {})) {
      if (source['type'] === 'mqtt') await this.#publish([source['topics']].flat());
      if (source['type'] === 'file') appendFileSync(source['path'] as string, ndjson());
      if (source['type'] === 'push') await ingest(url, id, source['decode'], host);
    }
  }

  async #publish(topics: readonly unknown[]): Promise<void> {
    const [first] = topics;
    const filter = typeof first === 'string' ? first : (first as { topic: string }).topic;
    const client = await connectAsync(this.#broker);
    for (const one of readings) {
      await client.publishAsync(filter.replaceAll(/[+#]/g, 'a'), JSON.stringify(one), { qos: 1 });
    }
    await client.endAsync();
  }

  async #serve(): Promise<void> {
    const server = createServer((request, response) => {
      void bodyOf(request).then((body) => {
        if (request.method === 'POST') this.posted.push(body);
        response.setHeader('content-type', 'application/json');
        response.end(request.method === 'GET' ? JSON.stringify(reading(1)) : '{}');
      });
    });
    const sockets = new WebSocketServer({ noServer: true });
    server.on('upgrade', (request, socket, head) => {
      sockets.handleUpgrade(request, socket, head, (client) => {
        client.once('message', () => {
          for (const one of readings) client.send(JSON.stringify(one));
        });
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    this.#http = `http://127.0.0.1:${port}`;
    this.#webSocket = `ws://127.0.0.1:${port}`;
    this.#parts.defer(() => {
      for (const client of sockets.clients) client.terminate();
      server.closeAllConnections();
      server.close();
    });
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const bytes = Buffer.concat(chunks);
  return (request.headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes).toString();
}

function ndjson(): string {
  return readings.map((one) => `${JSON.stringify(one)}\n`).join('');
}

/** `host`: a name that the gateway answers to, where it does not answer to all. */
async function ingest(url: string, id: string, decode: unknown, host?: string): Promise<void> {
  const isCsv = decode === 'csv';
  const header = Object.keys(reading(1)).join(',');
  const csv = [header, ...readings.map((one) => Object.values(one).join(','))].join('\n');
  const { port } = new URL(url);
  const request = httpRequest({
    ...{ host: '127.0.0.1', port, method: 'POST', path: `/api/ingest/${id}` },
    headers: {
      host: host ?? `127.0.0.1:${port}`,
      authorization: `Bearer ${TOKEN}`,
      'content-type': isCsv ? 'text/csv' : 'application/x-ndjson',
    },
  });
  request.end(isCsv ? csv : ndjson());
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const text = await bodyOf(response);
  const answer = JSON.parse(text) as { accepted?: number };
  if (answer.accepted !== FED) throw new Error(`${id}: ${text}`);
}

/** The modules that the examples name, as a user would write them. */
function writeModules(home: string): void {
  const headgate = JSON.stringify(join(PROJECT_ROOT, 'src/index.ts'));
  const modules = {
    'sources.js': `import { simulatedSource } from ${headgate};
export const canSource = ({ id }) => simulatedSource({ id, intervalMs: 20, value: () => ({ celsius: 99 }) });`,
    'stages.js': 'export const enrich = (record) => record.data;',
    'sinks.js': `import { appendFileSync } from 'node:fs';
import { functionSink } from ${headgate};
const file = new URL('delivered.ndjson', import.meta.url);
const deliver = (records) => appendFileSync(file, records.map((one) => JSON.stringify(one.data) + '\\n').join(''));
export const intoWarehouse = (batch) => deliver(batch);
export const kafkaSink = ({ id }) => functionSink({ id, deliver: intoWarehouse });`,
    'package.json': '{ "type": "module" }',
  };
  for (const [name, text] of Object.entries(modules)) writeFileSync(join(home, basename(name)), text);
}
