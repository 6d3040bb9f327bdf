import { createServer, type IncomingMessage } from 'node:http';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocketServer, type WebSocket } from 'ws';
import { webSocketSource, type WebSocketSourceOptions } from '../../../actors/sources/websocket-source.ts';
import type { HeadgateError } from '../../../src/domain/errors.ts';
import { realClock } from '../../../src/platform/real-clock.ts';
import { recordingIo, type RecordingIo } from '../../support/recording-io.ts';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).toReversed()) cleanup();
});

type OnClient = (client: WebSocket, request: IncomingMessage) => void;

/** A WebSocket server; gives back its address. */
async function serve(onClient: OnClient, options: { autoPong?: boolean } = {}): Promise<string> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', ...options });
  server.on('connection', (client, request) => {
    client.on('error', () => {});
    onClient(client, request);
  });
  cleanups.push(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  await new Promise<void>((resolve) => server.once('listening', resolve));
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function listen(server: ReturnType<typeof createTcpServer>): Promise<string> {
  cleanups.push(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

type Options = Omit<WebSocketSourceOptions, 'id'>;

function start(options: Options, room?: number): { io: RecordingIo; run: Promise<void> } {
  const spec = webSocketSource({ id: 'ws', ...options });
  const io = recordingIo(spec, realClock, room === undefined ? {} : { room });
  cleanups.push(() => io.abort());
  const run = spec.logic.stream(io) as Promise<void>;
  run.catch(() => {});
  return { io, run };
}

describe('messages', () => {
  test('are records, in order', async () => {
    const { io, run } = start({
      url: await serve((client) => {
        for (let n = 0; n < 1_000; n++) client.send(JSON.stringify({ n }));
      }),
    });
    await io.until(() => io.values.length === 1_000);
    expect(io.state.opened).toBe(true);
    expect(io.values).toEqual(Array.from({ length: 1_000 }, (_, n) => ({ n })));
    io.abort();
    await run;
  });
  test('may be binary, and keep their bytes', async () => {
    const url = await serve((client) => client.send(new Uint8Array([0, 255, 7])));
    const { io } = start({ url, decode: 'bytes' });
    await io.until(() => io.values.length === 1);
    expect(io.values[0]).toEqual([new Uint8Array([0, 255, 7])]);
    expect(io.metas[0]).toEqual({ contentType: 'application/octet-stream' });
  });
  test('may hold many lines, of which only the bad ones are lost', async () => {
    const { io } = start({ url: await serve((client) => client.send('1\nx\n2\n')), decode: 'ndjson' });
    await io.until(() => io.values.length === 2);
    expect(io.values).toEqual([1, 2]);
    expect(io.undecodable).toHaveLength(1);
  });
  test('that cannot be decoded are dead letters, and the link stays', async () => {
    const { io } = start({
      url: await serve((client) => {
        client.send('{"a":');
        client.send('{"a":1}');
      }),
    });
    await io.until(() => io.values.length === 1);
    expect(io.undecodable).toHaveLength(1);
    expect(io.failures).toEqual([]);
  });
});

describe('a message that is too large', () => {
  test('is a dead letter in its place, whole or in fragments, and the link stays', async () => {
    let clients = 0;
    const url = await serve((client) => {
      clients++;
      client.send('1');
      client.send('ü'.repeat(100_000));
      client.send('x'.repeat(900), { fin: false });
      client.send('x'.repeat(900), { fin: true });
      client.send(new Uint8Array(1_001));
      client.send('2');
      client.send('3'.padEnd(1_000));
    });
    const { io, run } = start({ url, messageBytesMax: 1_000 });
    await io.until(() => io.values.length === 3);
    expect(io.values).toEqual([1, 2, 3]);
    const rejections = io.undecodable.map(({ error }) => error as HeadgateError);
    expect(rejections).toMatchObject([
      { code: 'HG_READ_TOO_LARGE', details: { bytes: 200_000, keptBytes: 1_024 } },
      { code: 'HG_READ_TOO_LARGE', details: { bytes: 1_800 } },
      { code: 'HG_READ_TOO_LARGE', details: { bytes: 1_001, keptBytes: 1_001 } },
    ]);
    io.abort();
    await run;
    expect(clients).toBe(1);
  });
});

describe('opening', () => {
  test('that is refused shows what the server said, without secrets, and how long it wants to wait', async () => {
    const server = createServer();
    server.on('upgrade', (request, socket) =>
      socket.end(
        'HTTP/1.1 429 Too Many Requests\r\nRetry-After: 30\r\nConnection: close\r\n\r\n' +
          `slow down\n${request.headers['x-token']?.toString()}`,
      ),
    );
    const { run } = start({ url: await listen(server), headers: { 'x-token': 's3cret-token' } });
    const error = await run.catch((thrown: unknown) => thrown as HeadgateError);
    expect(error).toMatchObject({ code: 'HG_LINK_REFUSED', details: { status: 429, retryAfterMs: 30_000 } });
    expect((error as Error).message).toContain(': "slow down ***" and asks to wait 30000 ms');
  });

  test('offers protocols, headers and credentials, and subscribes', async () => {
    const seen = Promise.withResolvers<IncomingMessage>();
    const subscriptions: string[] = [];
    const url = await serve((client, request) => {
      seen.resolve(request);
      client.on('message', (data) => {
        subscriptions.push((data as Buffer).toString());
        if (subscriptions.length === 2) client.send('1');
      });
    });
    const { io } = start({
      url: `${url.replace('ws://', 'ws://user:p%40ss@')}/feed?x=1`,
      protocols: 'v2.json',
      headers: { 'X-Token': 't' },
      subscribe: ['a', 'b'],
    });
    await io.until(() => io.values.length === 1);
    const { headers, url: path } = await seen.promise;
    expect(path).toBe('/feed?x=1');
    expect(headers['sec-websocket-protocol']).toBe('v2.json');
    expect(headers['x-token']).toBe('t');
    expect(headers.authorization).toBe(`Basic ${Buffer.from('user:p@ss').toString('base64')}`);
    expect(subscriptions).toEqual(['a', 'b']);
  });

  test.each([
    [401, 'HG_LINK_UNAUTHORISED'],
    [403, 'HG_LINK_UNAUTHORISED'],
    [302, 'HG_LINK_REFUSED'],
    [404, 'HG_LINK_REFUSED'],
    [200, 'HG_LINK_REFUSED'],
  ])('fails at an answer of %i', async (status, code) => {
    const server = createServer((_, response) => response.writeHead(status).end('x'));
    server.on('upgrade', (_, socket) => socket.end(`HTTP/1.1 ${status} No\r\nContent-Length: 0\r\n\r\n`));
    const { io, run } = start({ url: await listen(server) });
    await expect(run).rejects.toMatchObject({ code, remedy: 'retry', details: { status } });
    expect(io.state.opened).toBe(false);
  });
  test('fails where nobody listens, and tells no secret', async () => {
    const server = createTcpServer();
    const url = await listen(server);
    await new Promise((resolve) => server.close(resolve));
    const { run } = start({ url: `${url.replace('ws://', 'ws://user:password@')}/feed?token=secret` });
    const error = await run.catch((thrown: unknown) => thrown as Error);
    expect(error).toMatchObject({ code: 'HG_LINK_REFUSED', remedy: 'retry' });
    expect((error as Error).message).toContain(`${url}/feed`);
    expect((error as Error).message).not.toMatch(/user|password|secret/);
  });
  test.each(['SSH-2.0-OpenSSH\r\n', 'HTTP/1.1 101 Switching Protocols\r\n\r\n', ''])(
    'fails where the far end answers %j',
    async (text) => {
      const server = createTcpServer((socket) => {
        socket.on('error', () => {});
        socket.once('data', () => socket.end(text));
      });
      await expect(start({ url: await listen(server) }).run).rejects.toMatchObject({
        code: 'HG_LINK_REFUSED',
      });
    },
  );
  test('can be given up', async () => {
    const server = createTcpServer((socket) => void cleanups.push(() => socket.destroy()));
    const url = await listen(server);
    const asked = new Promise((resolve) => server.once('connection', resolve));
    const { io, run } = start({ url });
    await asked;
    io.abort();
    await run;
    expect(io.state.opened).toBe(false);
  });
});

describe('a link that ends', () => {
  test.each<[string, (client: WebSocket) => void, object]>([
    ['closed', (client) => client.close(1_000), { code: 'HG_LINK_LOST', details: { closeCode: 1_000 } }],
    [
      'closed with a reason',
      (client) => client.close(4_001, 'go away'),
      { message: expect.stringContaining('go away') },
    ],
    ['cut', (client) => client.terminate(), { code: 'HG_LINK_LOST', details: { closeCode: 1_006 } }],
  ])('as it is %s ends the run to be tried again', async (_, end, error) => {
    const url = await serve((client) => {
      client.send('1', () => end(client));
    });
    const { io, run } = start({ url });
    await expect(run).rejects.toMatchObject({ remedy: 'retry', ...error });
    expect(io.values).toEqual([1]);
  });
  test.each<[string, number[]]>([
    ['a reserved bit', [0xf1, 0x00]],
    ['an unknown frame', [0x8b, 0x00]],
    ['a length beyond reason', [0x82, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
    ['a masked frame', [0x81, 0x81, 0, 0, 0, 0, 0x31]],
    ['text that is no UTF-8', [0x81, 0x01, 0xff]],
  ])('as the far end breaks the protocol with %s takes nothing down', async (_, frame) => {
    const url = await serve((_client, request) => request.socket.write(new Uint8Array(frame)));
    await expect(start({ url }).run).rejects.toMatchObject({
      remedy: 'retry',
      code: /^HG_(LINK_LOST|READ_TOO_LARGE)$/,
    });
  });
  test('still hands in what had come while there was no room', async () => {
    const url = await serve((client) => {
      for (let n = 0; n < 50; n++) client.send(String(n));
      client.close();
    });
    const { io, run } = start({ url }, 3);
    await io.until(() => io.values.length === 3);
    io.makeRoom(100);
    await expect(run).rejects.toMatchObject({ code: 'HG_LINK_LOST' });
    expect(io.values).toHaveLength(50);
  });
  test('without a word is found by its silence', async () => {
    const { io, run } = start({
      url: await serve(() => {}, { autoPong: false }),
      pingIntervalMs: 10,
      pongTimeoutMs: 20,
    });
    await expect(run).rejects.toMatchObject({ code: 'HG_LINK_TIMEOUT', remedy: 'retry' });
    expect(io.state.opened).toBe(true);
  });
  test('on being told to says goodbye', async () => {
    const closed = Promise.withResolvers<number>();
    const url = await serve((client) => {
      client.on('close', (code) => closed.resolve(code));
      client.send('1');
    });
    const { io, run } = start({ url });
    await io.until(() => io.values.length === 1);
    io.abort();
    await run;
    expect(await closed.promise).toBe(1_000);
  });
});

test('a link that answers pings stands', async () => {
  let pings = 0;
  const enough = Promise.withResolvers<void>();
  const url = await serve((client) => {
    client.on('ping', () => {
      if (++pings === 5) enough.resolve();
    });
  });
  const { io, run } = start({ url, pingIntervalMs: 5, pongTimeoutMs: 30_000 });
  await Promise.race([enough.promise, run]);
  expect(pings).toBe(5);
  io.abort();
  await run;
});

describe('while there is no room', () => {
  test('the socket is not read, the link stands, and nothing is lost or out of order', async () => {
    const total = 200;
    const payload = 'x'.repeat(100_000);
    const sender = Promise.withResolvers<WebSocket>();
    const url = await serve((client) => {
      sender.resolve(client);
      for (let n = 0; n < total; n++) client.send(JSON.stringify({ n, payload }));
    });
    // Pings are due all the while, but a link that is not read is not taken for dead.
    const { io, run } = start({ url, pingIntervalMs: 2, pongTimeoutMs: 30_000 }, 5);
    await io.until(() => io.values.length === 5);
    const client = await sender.promise;
    for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
    // What the kernel's buffers do not hold stays with the sender.
    expect(client.bufferedAmount).toBeGreaterThan(1_000_000);
    expect(io.values).toHaveLength(5);
    for (let records = 5; records < total; records += 13) {
      io.makeRoom(13);
      await io.until(() => io.values.length >= Math.min(records + 13, total));
    }
    expect(io.values.map((value) => (value as { n: number }).n)).toEqual(
      Array.from({ length: total }, (_, n) => n),
    );
    io.abort();
    await run;
  });
});

describe('options', () => {
  test.each<[string, object, string]>([
    ['another protocol', { url: 'http://a/' }, 'url'],
    ['a subprotocol with a space', { protocols: 'a b' }, 'protocols'],
    ['a subprotocol twice', { protocols: ['a', 'a'] }, 'protocols'],
    ['a header with a line break', { headers: { a: 'b\nc' } }, 'headers'],
    ['no time for pings', { pingIntervalMs: 0 }, 'pingIntervalMs'],
  ])('refuse %s', (_, options, field) => {
    expect(() => webSocketSource({ id: 'a', url: 'ws://a/', ...options })).toThrowError(
      expect.objectContaining({ code: 'HG_OPTION_INVALID', details: { subject: 'webSocketSource', field } }),
    );
  });
});
