/** What the doctor finds at brokers and servers: real ones, dead ones, such that hang, such that refuse. */

import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocketServer } from 'ws';
import { runChecks, type Finding } from '../../src/doctor/check.ts';
import { linkChecks, type ForeignTime } from '../../src/doctor/link-checks.ts';
import type { Link } from '../../src/doctor/links.ts';
import { realClock } from '../../src/platform/real-clock.ts';
import { freePort, mosquittoMissing, startAedes, startMosquitto } from '../support/mqtt-brokers.ts';
import { skipNote } from '../support/skip-note.ts';

const PATIENCE_MS = 30_000;

/** Ends what a test began, the last first. */
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const times: ForeignTime[] = [];
async function look(link: Link, timeoutMs = PATIENCE_MS): Promise<Finding> {
  times.length = 0;
  const checks = linkChecks([link], realClock, (time) => times.push(time));
  return (await runChecks(checks, realClock, timeoutMs))[0] as Finding;
}

async function listen(server: net.Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => server.close());
  return (server.address() as net.AddressInfo).port;
}

/** Accepts connections and never says a word. */
async function startMute(): Promise<number> {
  const sockets = new Set<net.Socket>();
  const port = await listen(net.createServer((socket) => sockets.add(socket.on('error', () => {}))));
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy();
  });
  return port;
}

async function startHttp(answer: (request: IncomingMessage) => number): Promise<string> {
  const server: Server = createServer((request, response) => response.writeHead(answer(request)).end('x'));
  const port = await listen(server);
  cleanups.push(() => server.closeAllConnections());
  return `http://127.0.0.1:${port}/value`;
}

const subject = 'it';

describe('whatever it is:', () => {
  const kinds = ['mqtt', 'http', 'websocket', 'nats'] as const;
  const urlOf = (kind: (typeof kinds)[number], host: string) =>
    `${{ mqtt: 'mqtt', http: 'http', websocket: 'ws', nats: 'nats' }[kind]}://${host}`;

  test.each(kinds)('%s: nothing listens there', async (kind) => {
    const found = await look({ kind, subject, url: urlOf(kind, `127.0.0.1:${await freePort()}`) });
    expect(found).toMatchObject({ level: 'problem', isService: true });
    expect(found.message).toContain('nothing listens on its port');
  });

  test.each(kinds)('%s: a host that nobody knows', async (kind) => {
    const found = await look({ kind, subject, url: urlOf(kind, 'nowhere.invalid:1') });
    expect(found).toMatchObject({ level: 'problem', isService: true });
    expect(found.message).toContain('the host name nowhere.invalid');
  });

  test.each(kinds)('%s: a server that never answers holds nothing up', async (kind) => {
    const found = await look({ kind, subject, url: urlOf(kind, `127.0.0.1:${await startMute()}`) }, 200);
    expect(found).toMatchObject({ level: 'problem', isService: true });
    expect(found.message).toBe('did not come to an end within 200 ms');
  });
});

describe('an MQTT broker', () => {
  const credentials = { username: 'gw', password: 'c4nary' };

  test.skipIf(mosquittoMissing !== null)(
    `lets in who knows the password, and nobody else${skipNote(mosquittoMissing)}`,
    async () => {
      const broker = await startMosquitto({ credentials });
      cleanups.push(() => broker.dispose());
      for (const protocolVersion of [4, 5] as const) {
        const link = { kind: 'mqtt', subject, url: broker.url, protocolVersion } as const;
        expect(await look({ ...link, ...credentials })).toMatchObject({ level: 'ok' });
        const refused = await look({ ...link, ...credentials, password: 'wr0ng' });
        // The service is there: what it was told is wrong.
        expect(refused).toMatchObject({ level: 'problem', isService: false });
        expect(refused.remedy).toContain('correct the user name, password');
        expect(JSON.stringify(refused)).not.toContain('wr0ng');
      }
    },
  );

  test('of another make does, too, with the credentials in the url', async () => {
    const broker = await startAedes({ credentials });
    cleanups.push(() => broker.dispose());
    const url = broker.url.replace('://', '://gw:c4nary@');
    const found = await look({ kind: 'mqtt', subject, url });
    expect(found).toMatchObject({ level: 'ok' });
    expect(JSON.stringify(found)).not.toContain('c4nary');
  });

  test('that is an HTTP server is none', async () => {
    const url = (await startHttp(() => 200)).replace('http:', 'mqtt:').replace('/value', '');
    const found = await look({ kind: 'mqtt', subject, url });
    expect(found).toMatchObject({ level: 'problem', isService: true });
  });
});

describe('an HTTP server', () => {
  const statuses: [status: number, method: string, level: string, isService: boolean][] = [
    [200, 'GET', 'ok', true],
    [204, 'POST', 'ok', true],
    [301, 'GET', 'warning', true],
    [401, 'GET', 'problem', false],
    [403, 'POST', 'problem', false],
    [404, 'GET', 'problem', true],
    [404, 'POST', 'warning', true],
    [405, 'POST', 'ok', true],
    [500, 'GET', 'problem', true],
  ];
  test.each(statuses)('that answers %i to one who would %s: %s', async (status, method, level, isService) => {
    const url = await startHttp(() => status);
    expect(await look({ kind: 'http', subject, url, method })).toMatchObject({ level, isService });
  });

  test('is asked with the headers of the source, and nothing is delivered to it', async () => {
    const asked: unknown[][] = [];
    const url = await startHttp(({ method, headers }) => {
      asked.push([method, headers['x-key'], headers.authorization]);
      return 200;
    });
    const link = { kind: 'http', subject, url, headers: { 'x-key': 'k' } } as const;
    await look({ ...link, method: 'GET' });
    await look({ ...link, url: url.replace('://', '://u:p%40ss@'), method: 'POST' });
    expect(asked).toEqual([
      ['GET', 'k', undefined],
      ['HEAD', 'k', `Basic ${Buffer.from('u:p@ss').toString('base64')}`],
    ]);
  });

  test('shows its clock', async () => {
    await look({ kind: 'http', subject, url: await startHttp(() => 200), method: 'GET' });
    expect(times).toHaveLength(1);
    expect(Math.abs((times[0]?.theirWallMs ?? 0) - realClock.wallMs())).toBeLessThan(PATIENCE_MS);
  });
});

describe('a WebSocket server', () => {
  test('opens, or refuses who has no token', async () => {
    const server = createServer();
    const sockets = new WebSocketServer({ noServer: true });
    server.on('upgrade', (request, socket, head) => {
      if (request.headers.authorization === 'Bearer right') {
        sockets.handleUpgrade(request, socket, head, () => {});
      } else socket.end('HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n');
    });
    const url = `ws://127.0.0.1:${await listen(server)}/feed`;
    cleanups.push(() => sockets.clients.forEach((client) => client.terminate()));
    const link = { kind: 'websocket', subject, url } as const;
    expect(await look({ ...link, headers: { authorization: 'Bearer right' } })).toMatchObject({
      level: 'ok',
    });
    expect(await look(link)).toMatchObject({ level: 'problem', isService: false });
  });

  test('that opens none is told of', async () => {
    const url = (await startHttp(() => 404)).replace('http:', 'ws:');
    const found = await look({ kind: 'websocket', subject, url });
    expect(found).toMatchObject({ level: 'problem', isService: true });
  });
});

test('a NATS server speaks first, and others do not', async () => {
  const nats = await listen(net.createServer((socket) => socket.end('INFO {"server_id":"x"} \r\n')));
  expect(await look({ kind: 'nats', subject, url: `nats://127.0.0.1:${nats}` })).toMatchObject({
    level: 'ok',
  });
  const other = await listen(net.createServer((socket) => socket.end('220 mail\r\n')));
  const found = await look({ kind: 'nats', subject, url: `nats://127.0.0.1:${other}` });
  expect(found).toMatchObject({ level: 'problem', isService: true });
});

test('files are read where they are there, and folders written', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-doctor-'));
  cleanups.push(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'in.csv');
  const read = { kind: 'file', subject, path, isWritten: false } as const;
  expect(await look(read)).toMatchObject({ level: 'warning', isService: false });
  writeFileSync(path, 'a,b\n');
  expect(await look(read)).toMatchObject({ level: 'ok' });
  expect(await look({ ...read, isWritten: true })).toMatchObject({ level: 'ok' });
  const away = { ...read, path: join(folder, 'none', 'out'), isWritten: true };
  expect(await look(away)).toMatchObject({ level: 'problem' });
});
