/** Clients that take places and do nothing with them: others are served all the same. */

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { readFileSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import { LIMITS } from '../../src/domain/limits.ts';
import { httpRig, stored, type HttpRig } from '../http/http-rig.ts';
import type { RigOptions } from '../http/open-rig.ts';
import { makeCertificates } from '../support/mqtt-certificates.ts';

const TOKENS = [
  stored('boss'),
  stored('narrow', { scopes: ['ingest'], sources: ['line'] }),
  stored('other', { scopes: ['ingest', 'read'] }),
];

async function rigWithLine(limits: RigOptions['limits'] = {}): Promise<HttpRig> {
  const rig = await httpRig({ tokens: TOKENS, limits });
  await rig.ask('/api/sources', { method: 'POST', token: 'boss', body: { id: 'line', type: 'push' } });
  return rig;
}

/** Sends the text and keeps the connection. */
async function occupy(rig: HttpRig, text: string): Promise<{ socket: Socket; heard: () => string }> {
  const socket = connect(rig.port, '127.0.0.1').on('error', () => {});
  onTestFinished(() => void socket.destroy());
  let heard = '';
  socket.setEncoding('utf8').on('data', (part: string) => (heard += part));
  await once(socket, 'connect');
  socket.write(text);
  return { socket, heard: () => heard };
}

const head = (token: string, path: string, more: string) =>
  `${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n${more}\r\n`;

describe('one token that takes every place it gets leaves places to others:', () => {
  test('slow uploads', async () => {
    const rig = await rigWithLine();
    const text = `${head('narrow', 'POST /api/ingest/line', 'Content-Type: application/x-ndjson\r\nContent-Length: 1000\r\n')}1`;
    const slow = await Promise.all(Array.from({ length: LIMITS.ingestRequestsMax }, () => occupy(rig, text)));
    // Every upload is either waited for, or was refused.
    const refused = () => slow.filter(({ heard }) => heard().startsWith('HTTP/1.1 503'));
    await expect.poll(() => refused().length).toBe(LIMITS.ingestRequestsMax / 2);
    const answers = await Promise.all(
      Array.from({ length: LIMITS.ingestRequestsMax / 4 }, () =>
        rig.ask('/api/ingest/line', { method: 'POST', token: 'other', body: { n: 1 } }),
      ),
    );
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
  });

  test('WebSockets that say nothing', async () => {
    const rig = await rigWithLine({ socketsMax: 16 });
    const upgrade =
      'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n';
    const open = (token: string) => occupy(rig, head(token, 'GET /api/ingest/line', upgrade));
    const silent = await Promise.all(Array.from({ length: 16 }, () => open('narrow')));
    const opened = () => silent.filter(({ heard }) => heard().startsWith('HTTP/1.1 101')).length;
    const refused = () => silent.filter(({ heard }) => heard().startsWith('HTTP/1.1 503')).length;
    await expect.poll(() => [opened(), refused()]).toEqual([8, 8]);
    const other = await open('other');
    await expect.poll(() => other.heard()).toMatch(/^HTTP\/1.1 101/);
  });

  test('live streams', async () => {
    const rig = await rigWithLine({ liveClientsMax: 16 });
    const listen = (token: string) => occupy(rig, head(token, 'GET /api/events', ''));
    const silent = await Promise.all(Array.from({ length: 16 }, () => listen('boss')));
    const refused = () => silent.filter(({ heard }) => heard().startsWith('HTTP/1.1 503')).length;
    await expect.poll(() => [rig.server.live().clients, refused()]).toEqual([8, 8]);
    const other = await listen('other');
    await expect.poll(() => other.heard()).toMatch(/^HTTP\/1.1 200/);
  });
});

describe('a connection that does not go on is ended', () => {
  const cases: [stage: string, text: string][] = [
    ['before its first byte', ''],
    ['in its request line', 'GET /heal'],
    ['in its headers', 'GET /healthz HTTP/1.1\r\nHost: local'],
    [
      'in the body of a command',
      head('boss', 'POST /api/sources', 'Content-Type: application/json\r\nContent-Length: 9\r\n'),
    ],
    [
      'in an upload',
      head('boss', 'POST /api/ingest/line', 'Content-Type: text/csv\r\nContent-Length: 9\r\n'),
    ],
    ['after an answer', head('boss', 'GET /healthz', '')],
  ];
  test('at every stage', { tags: 'full' }, async () => {
    const rig = await rigWithLine({ requestTimeoutMs: 300 });
    const ends = cases.map(async ([, text]) => {
      const { socket } = await occupy(rig, text);
      await once(socket, 'close');
    });
    await Promise.all(ends);
    // fetch keeps one connection for itself.
    await expect.poll(() => rig.server.connections()).toBeLessThanOrEqual(1);
  });

  test('before TLS has been agreed on', async () => {
    const certificates = makeCertificates();
    onTestFinished(() => certificates.remove());
    const [cert, key] = [certificates.certFile, certificates.keyFile].map((file) =>
      readFileSync(file, 'utf8'),
    );
    const tls = { cert: cert as string, key: key as string };
    const rig = await httpRig({ tls, limits: { requestTimeoutMs: 300 } });
    const silent = await occupy(rig, '');
    const begun = await occupy(rig, '\x16\x03\x01');
    await Promise.all([once(silent.socket, 'close'), once(begun.socket, 'close')]);
    await expect.poll(() => rig.server.connections()).toBe(0);
  });
});
