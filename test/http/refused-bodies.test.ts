/** Bodies that nobody wants: their senders are answered at once, and what they go on to send is not read. */

import { execFile } from 'node:child_process';
import diagnostics from 'node:diagnostics_channel';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { LIMITS } from '../../src/domain/limits.ts';
import { virtualClock } from '../../src/testing/virtual-clock.ts';
import { httpRig, LIMITS_OF_TESTS, stored, type HttpRig } from './http-rig.ts';

const MIB = 1024 * 1024;
const BODY_BYTES = 64 * MIB;
/** What a body may have, what is read away of it, and what lies in between. */
const READ_BYTES_MAX = LIMITS_OF_TESTS.ingestBytesMax + LIMITS.httpLingerBytesMax + MIB;
const LINE = `${JSON.stringify('x'.repeat(1_000))}\n`;

interface Refusal {
  readonly title: string;
  readonly path?: string;
  readonly token?: string;
  readonly type?: string;
  readonly isAnnounced?: boolean;
  readonly status: number;
}

const NDJSON = 'application/x-ndjson';
const JSON_TYPE = 'application/json';
const REFUSALS: readonly Refusal[] = [
  { title: 'of a wrong token', token: 'wrong', status: 401 },
  { title: 'of a wrong token, for a route', token: 'wrong', path: '/api/sources', status: 401 },
  { title: 'of a token that may not send', token: 'reader', status: 403 },
  { title: 'for a source that is not there', path: '/api/ingest/nobody', status: 404 },
  { title: 'for a path that is not there', path: '/api/nothing', status: 404 },
  { title: 'for a route of another method', path: '/api/timeline', status: 405 },
  { title: 'of a type nobody reads', type: 'application/xml', status: 415 },
  { title: 'of a type a route does not take', path: '/api/sources', type: 'text/plain', status: 415 },
  { title: 'that says it is too large', status: 413 },
  { title: 'that says so to a route', path: '/api/sources', type: JSON_TYPE, status: 413 },
  { title: 'that turns out too large', isAnnounced: false, status: 413 },
  {
    ...{ title: 'that turns out too large for a route', path: '/api/sources', type: JSON_TYPE },
    ...{ isAnnounced: false, status: 413 },
  },
];

function open(options: Parameters<typeof httpRig>[0] = {}): Promise<HttpRig> {
  return httpRig({ tokens: [stored('boss'), stored('reader', { scopes: ['read'] })], ...options });
}

async function addSource(rig: HttpRig): Promise<void> {
  await rig.ask('/api/sources', { method: 'POST', body: { id: 'line3', type: 'push' }, token: 'boss' });
}

/** The server's ends of connections, as requests come over them. */
function servedSockets(rig: HttpRig): Socket[] {
  const sockets: Socket[] = [];
  const note = (message: unknown) => {
    const { socket } = message as { socket: Socket };
    if (socket.localPort === rig.port) sockets.push(socket);
  };
  diagnostics.subscribe('http.server.request.start', note);
  onTestFinished(() => void diagnostics.unsubscribe('http.server.request.start', note));
  return sockets;
}

function headOf({ path = '/api/ingest/line3', token = 'boss', type = NDJSON, isAnnounced }: Refusal) {
  const length = isAnnounced === false ? 'transfer-encoding: chunked' : `content-length: ${BODY_BYTES}`;
  return (
    `POST ${path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${token}\r\n` +
    `content-type: ${type}\r\n${length}\r\n\r\n`
  );
}

/** Sends all of the body, as far as it is taken; whatever is answered. */
function flood(rig: HttpRig, refusal: Refusal): { socket: Socket; answer: () => string } {
  const socket = connect(rig.port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  let text = '';
  socket.setEncoding('utf8').on('data', (more: string) => (text += more));
  socket.on('error', () => {}).write(headOf(refusal));
  const part = LINE.repeat(64);
  const chunk = refusal.isAnnounced === false ? `${part.length.toString(16)}\r\n${part}\r\n` : part;
  for (let sent = 0; sent < BODY_BYTES; sent += part.length) socket.write(chunk);
  return { socket, answer: () => text };
}

describe('a flood', () => {
  const unreadable = { title: 'to what makes no URL', path: '/\\', status: 400 };
  for (const refusal of [...REFUSALS, unreadable]) {
    test(`${refusal.title} is answered ${refusal.status}, not read on, and cut in the end`, async () => {
      const clock = virtualClock();
      const rig = await open({ clock });
      await addSource(rig);
      const served = servedSockets(rig);
      const { socket, answer } = flood(rig, refusal);
      await expect.poll(answer).toContain(`HTTP/1.1 ${refusal.status} `);
      const [end] = served as [Socket];
      let before = -1;
      await expect
        .poll(() => {
          const stands = end.bytesRead === before;
          before = end.bytesRead;
          return stands;
        })
        .toBe(true);
      expect(end.bytesRead).toBeLessThan(READ_BYTES_MAX);
      const closed = new Promise((resolve) => socket.once('close', resolve));
      await clock.advance(LIMITS.httpLingerMsMax);
      await closed;
      expect(end.bytesRead).toBeLessThan(READ_BYTES_MAX);
    });
  }
});

describe('an honest sender finds the answer', () => {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-refused-'));
  const file = join(folder, 'body');
  beforeAll(() => writeFileSync(file, Buffer.alloc(BODY_BYTES, LINE)));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('that fetches', { tags: 'full' }, async () => {
    const rig = await open();
    await addSource(rig);
    const body = Buffer.alloc(BODY_BYTES, LINE);
    for (const { title, path = '/api/ingest/line3', token = 'boss', type = NDJSON, status } of REFUSALS) {
      const answer = await fetch(rig.url + path, {
        ...{ method: 'POST', body },
        headers: { authorization: `Bearer ${token}`, 'content-type': type },
      });
      const { code } = (await answer.json()) as { code: string };
      expect([title, answer.status, code]).toEqual([title, status, expect.stringMatching(/^HG_/)]);
    }
  });

  for (const expects of ['100-continue', '']) {
    test(`that is curl, ${expects === '' ? 'which does not ask' : 'which asks first'}`, async () => {
      const rig = await open();
      await addSource(rig);
      const served = servedSockets(rig);
      for (const { title, path = '/api/ingest/line3', token = 'boss', type = NDJSON, ...more } of REFUSALS) {
        if (more.isAnnounced === false) continue;
        served.length = 0;
        const { stdout } = await promisify(execFile)('curl', [
          ...['-sS', '-o', join(folder, 'answer'), '-w', '%{http_code}', '--data-binary', `@${file}`],
          ...['-H', `Authorization: Bearer ${token}`, '-H', `Content-Type: ${type}`],
          ...['-H', `Expect: ${expects}`, rig.url + path],
        ]);
        expect([title, stdout]).toEqual([title, String(more.status)]);
        // Who asks first has sent the head alone.
        const readMax = expects === '' ? READ_BYTES_MAX : 16 * 1024;
        expect(served[0]?.bytesRead, title).toBeLessThan(readMax);
      }
    });
  }

  test('and goes on over its connection where what it sent was small', async () => {
    const rig = await open();
    const socket = connect(rig.port, '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    let answers = '';
    socket.setEncoding('utf8').on('data', (text: string) => (answers += text));
    const body = LINE.repeat(200);
    for (const token of ['wrong', 'reader']) {
      socket.write(
        `POST /api/sources HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${token}\r\n` +
          `content-type: ${JSON_TYPE}\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      );
    }
    socket.write('GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n');
    await expect
      .poll(() => answers.match(/HTTP\/1.1 \d+/g))
      .toEqual([...['HTTP/1.1 401', 'HTTP/1.1 403', 'HTTP/1.1 200']]);
  });

  test('that asks first is told to send what is wanted', async () => {
    const rig = await open();
    await addSource(rig);
    for (const [path, type, body] of [
      ['/api/ingest/line3', NDJSON, '1\n'],
      ['/api/sources', JSON_TYPE, '{"id":"line4","type":"push"}'],
    ] as const) {
      const asked = request(rig.url + path, {
        method: 'POST',
        headers: {
          ...{ authorization: 'Bearer boss', 'content-type': type, expect: '100-continue' },
          'content-length': body.length,
        },
      });
      asked.flushHeaders();
      await once(asked, 'continue');
      asked.end(body);
      const [answer] = (await once(asked, 'response')) as [IncomingMessage];
      answer.resume();
      expect(answer.statusCode).toBe(path === '/api/sources' ? 201 : 200);
    }
  });
});
