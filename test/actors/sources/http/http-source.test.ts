import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import { httpSource, type HttpSourceOptions } from '../../../../actors/sources/http/http-source.ts';
import { createHttpTransport } from '../../../../actors/protocols/http/transport.ts';
import { HeadgateError } from '../../../../src/domain/errors.ts';
import { realClock } from '../../../../src/platform/real-clock.ts';
import { recordingIo, type RecordingIo } from '../../../support/recording-io.ts';

const opened: { close(): void }[] = [];
afterEach(() => {
  for (const resource of opened.splice(0)) resource.close();
});

async function listen(server: Server | ReturnType<typeof createTcpServer>): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  opened.push({
    close() {
      server.close();
      server.closeAllConnections();
    },
  });
  return listen(server);
}

/** A server that speaks what it likes. */
async function serveTcp(onRequest: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('data', () => onRequest(socket));
  });
  opened.push({
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  });
  return listen(server);
}

type Options = Omit<HttpSourceOptions, 'id' | 'intervalMs'> & { intervalMs?: number };

function start(options: Options, room?: number): { io: RecordingIo; run: Promise<void> } {
  const spec = httpSource({ id: 'http', intervalMs: 5, ...options });
  const io = recordingIo(spec, realClock, room === undefined ? {} : { room });
  const run = spec.logic.stream(io) as Promise<void>;
  run.catch(() => {});
  opened.push({ close: () => io.abort() });
  return { io, run };
}

/** Runs until `records` came; stops. */
async function take(options: Options, records = 1): Promise<unknown[]> {
  const { io, run } = start(options);
  await Promise.race([run, io.until(() => io.values.length >= records)]);
  io.abort();
  await run;
  return io.values.slice(0, records);
}

/** The error of a first poll. */
async function firstError(options: Options): Promise<HeadgateError> {
  const { io, run } = start(options);
  const error: unknown = await run.then(
    () => new Error('the run ended'),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(HeadgateError);
  expect((error as HeadgateError).remedy).toBe('retry');
  expect(io.state.opened).toBe(false);
  expect(io.values).toEqual([]);
  return error as HeadgateError;
}

const answer = (body: string, headers: Record<string, string> = {}, status = 200): RequestListener => {
  return (_, response) => void response.writeHead(status, headers).end(body);
};

describe('a good answer', () => {
  test('is a record, with its content type, and opens the link', async () => {
    const { io, run } = start({
      url: await serve(answer('{"t":20.5}', { 'content-type': 'application/json' })),
    });
    await io.until(() => io.values.length === 3);
    io.abort();
    await run;
    expect(io.state.opened).toBe(true);
    expect(io.values[0]).toEqual({ t: 20.5 });
    expect(io.metas[0]).toEqual({ contentType: 'application/json' });
    expect(io.failures).toEqual([]);
  });
  test('may hold many records: a list, lines, a table', async () => {
    const list = await serve(answer('[{"n":1},{"n":2}]'));
    expect(await take({ url: list, items: 'each' }, 2)).toEqual([{ n: 1 }, { n: 2 }]);
    expect(await take({ url: list }, 1)).toEqual([[{ n: 1 }, { n: 2 }]]);
    expect(await take({ url: await serve(answer('1\n2\n')), decode: 'ndjson' }, 2)).toEqual([1, 2]);
    expect(await take({ url: await serve(answer('a,b\n1,2\n')), decode: 'csv' })).toEqual([
      { a: '1', b: '2' },
    ]);
  });
  test('of lines loses only the bad one', async () => {
    const { io } = start({ url: await serve(answer('1\nx\n2\n')), decode: 'ndjson' });
    await io.until(() => io.values.length >= 2);
    expect(io.values.slice(0, 2)).toEqual([1, 2]);
    expect(io.undecodable[0]?.error).toMatchObject({ code: 'HG_DECODE_FAILED', details: { line: 2 } });
  });
  test('may be compressed', async () => {
    const url = await serve((_, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('{"a":1}'));
    });
    expect(await take({ url })).toEqual([{ a: 1 }]);
  });
  test('that is not what it should be is a dead letter, and the polling goes on', async () => {
    const { io } = start({ url: await serve(answer('<html>oops</html>')) });
    await io.until(() => io.undecodable.length >= 2);
    expect(io.values).toEqual([]);
    expect(io.failures).toEqual([]);
  });
  test('without content is a good read and no record', async () => {
    const { io } = start({ url: await serve(answer('', {}, 204)) });
    await io.until(() => io.state.goodReads >= 2);
    expect(io.undecodable).toEqual([]);
  });
});

describe('the request', () => {
  test('bears the method, headers and body it is told to', async () => {
    const seen: { method: string; token: string; body: string }[] = [];
    const url = await serve((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.once('end', () => {
        const body = Buffer.concat(chunks).toString();
        seen.push({ method: request.method ?? '', token: String(request.headers['x-token']), body });
        response.end('{}');
      });
    });
    await take({ url, method: 'POST', headers: { 'X-Token': 'secret' }, body: '{"q":1}' });
    expect(seen[0]).toEqual({ method: 'POST', token: 'secret', body: '{"q":1}' });
  });
  test('turns user name and password of the address into a header', async () => {
    const seen: (string | undefined)[] = [];
    const url = await serve((request, response) => {
      seen.push(request.headers.authorization);
      response.end('{}');
    });
    await take({ url: url.replace('http://', 'http://us%65r:p%40ss@') });
    expect(seen[0]).toBe(`Basic ${Buffer.from('user:p@ss').toString('base64')}`);
  });
  test('asks only for news once the server has said what there is', async () => {
    const conditions: (string | undefined)[][] = [];
    const url = await serve((request, response) => {
      conditions.push([request.headers['if-none-match'], request.headers['if-modified-since']]);
      if (request.headers['if-none-match'] === '"v1"' && conditions.length < 4) response.writeHead(304).end();
      else if (conditions.length < 4) {
        response.writeHead(200, { etag: '"v1"', 'last-modified': 'Wed, 01 Jan 2020 00:00:00 GMT' }).end('1');
      } else response.writeHead(200, { etag: '"v2"' }).end('2');
    });
    const { io } = start({ url });
    await io.until(() => io.values.length >= 2);
    await io.until(() => conditions.length >= 5);
    expect(io.values.slice(0, 2)).toEqual([1, 2]);
    expect(io.state.goodReads).toBe(2);
    const v1 = ['"v1"', 'Wed, 01 Jan 2020 00:00:00 GMT'];
    expect(conditions.slice(0, 5)).toEqual([[undefined, undefined], v1, v1, v1, ['"v2"', undefined]]);
  });
});

describe('a first poll that fails ends the run', () => {
  const cases: [string, RequestListener, string, object?][] = [
    ['unauthorised', answer('', {}, 401), 'HG_LINK_UNAUTHORISED', { status: 401 }],
    ['forbidden', answer('', {}, 403), 'HG_LINK_UNAUTHORISED', { status: 403 }],
    ['not found', answer('', {}, 404), 'HG_READ_STATUS', { status: 404 }],
    [
      'unavailable',
      answer('', { 'retry-after': '7' }, 503),
      'HG_READ_STATUS',
      { status: 503, retryAfterMs: 7_000 },
    ],
    ['redirected', answer('', { location: '/else' }, 302), 'HG_READ_STATUS', { status: 302 }],
    ['announced too large', answer('x'.repeat(101)), 'HG_READ_TOO_LARGE', { bodyBytesMax: 100 }],
  ];
  test.each(cases)('%s', async (_, listener, code, details) => {
    const error = await firstError({ url: await serve(listener), bodyBytesMax: 100 });
    expect(error).toMatchObject({ code, details });
  });

  test('as the port is closed', async () => {
    const server = createServer();
    const url = await listen(server);
    await new Promise((resolve) => server.close(resolve));
    const error = await firstError({ url: `${url}/readings?token=secret`.replace('//', '//user:password@') });
    expect(error.code).toBe('HG_LINK_REFUSED');
    expect(error.message).toContain(`${url}/readings`);
    expect(error.message).not.toMatch(/secret|user|password/);
  });
  test('as the connection is closed without an answer', async () => {
    expect((await firstError({ url: await serveTcp((socket) => socket.destroy()) })).code).toBe(
      'HG_LINK_LOST',
    );
    expect((await firstError({ url: await serveTcp((socket) => socket.resetAndDestroy()) })).code).toBe(
      'HG_LINK_LOST',
    );
  });
  test('as what answers does not speak HTTP', async () => {
    const error = await firstError({
      url: await serveTcp((socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n')),
    });
    expect(error).toMatchObject({ code: 'HG_LINK_LOST', message: expect.stringContaining('HTTP') });
  });
  test('as the headers are too large', async () => {
    const url = await serveTcp((socket) =>
      socket.end(`HTTP/1.1 200 OK\r\nX-A: ${'a'.repeat(100_000)}\r\n\r\n`),
    );
    expect((await firstError({ url })).code).toBe('HG_READ_TOO_LARGE');
  });
  test('as nothing is answered in time', async () => {
    const error = await firstError({ url: await serve(() => {}), timeoutMs: 30 });
    expect(error).toMatchObject({
      code: 'HG_LINK_TIMEOUT',
      message: expect.stringContaining('within 30 ms'),
    });
  });
  test('as the body is shorter than announced', async () => {
    const url = await serveTcp((socket) =>
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"a":1}'),
    );
    expect((await firstError({ url })).code).toBe('HG_READ_TRUNCATED');
  });
  test('as the connection is reset within the body', async () => {
    const url = await serveTcp((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n{"a":1}\r\n', () =>
        socket.destroy(),
      );
    });
    expect((await firstError({ url })).code).toBe('HG_READ_TRUNCATED');
  });
});

/** Writes without an end, until the other side hangs up; resolves with the bytes written. */
function pour(response: ServerResponse, request: IncomingMessage): Promise<number> {
  let written = 0;
  const chunk = Buffer.alloc(16_384, 0x20);
  const more = () => {
    while (!response.destroyed && response.write(chunk)) written += chunk.length;
  };
  response.on('drain', more);
  more();
  return new Promise((resolve) => request.once('close', () => resolve(written)));
}

describe('a kept connection', () => {
  /** A server that answers the first request of each connection and resets it at the next. */
  const answersOnce = async () => {
    const seen = { connections: 0, requests: 0 };
    const server = createTcpServer((socket) => {
      seen.connections++;
      let requests = 0;
      socket.on('error', () => {});
      socket.on('data', () => {
        seen.requests++;
        if (requests++ > 0) socket.resetAndDestroy();
        else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1');
      });
    });
    opened.push({ close: () => server.close() });
    return { url: await listen(server), seen };
  };

  test('that is reset before any answer costs no poll', async () => {
    const { url, seen } = await answersOnce();
    const { io, run } = start({ url });
    await io.until(() => io.values.length === 11);
    io.abort();
    await run;
    expect(io.failures).toEqual([]);
    expect(seen.connections).toBeGreaterThanOrEqual(11);
  });
  test('that is reset is not tried again with a POST, which may have been carried out', async () => {
    const { url } = await answersOnce();
    const { io } = start({ url, method: 'POST', body: '{}' });
    await io.until(() => io.failures.length === 1);
    expect(io.failures).toMatchObject([{ code: 'HG_LINK_LOST' }]);
  });
  test('that is reset within the answer is a failed poll', async () => {
    let connections = 0;
    const server = createTcpServer((socket) => {
      connections++;
      let requests = 0;
      socket.on('error', () => {});
      socket.on('data', () => {
        if (requests++ === 0) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1');
        else socket.write('HTTP/1.1 200 OK\r\nX: ', () => socket.destroy());
      });
    });
    opened.push({ close: () => server.close() });
    const { io } = start({ url: await listen(server) });
    await io.until(() => io.failures.length === 1);
    expect(connections).toBe(1);
  });
  test('is used for one poll after the other', async () => {
    let connections = 0;
    const server = createServer(answer('1'));
    server.on('connection', () => connections++);
    opened.push({
      close() {
        server.close();
        server.closeAllConnections();
      },
    });
    expect(await take({ url: await listen(server) }, 5)).toHaveLength(5);
    expect(connections).toBe(1);
  });
});

describe('an odd server', () => {
  test('that sends interim answers nobody asked for is understood', async () => {
    const url = await serve((_, response) => {
      response.writeContinue();
      response.writeEarlyHints({ link: '</a>; rel=preload' });
      response.writeProcessing();
      response.end('7');
    });
    expect(await take({ url }, 2)).toEqual([7, 7]);
  });
  test('may listen on a port that browsers do not connect to', async () => {
    // 10080 (Amanda) is one of those that fetch refuses; nothing needs to listen there for the advice.
    const error = await firstError({ url: 'http://127.0.0.1:9/' });
    expect(error).toMatchObject({ code: 'HG_LINK_REFUSED' });
    expect(error.message).toContain('nothing listens there');
  });
  test('is quoted where it refuses, shortly, without control characters and secrets', async () => {
    const url = await serve((request, response) => {
      response.writeHead(503, { 'retry-after': '9' });
      response.end(
        `no such bucket\x1b[2J\n${request.headers['authorization']} ${Buffer.from('hunter22').toString('base64')} ` +
          `${request.url}${'!'.repeat(10_000)}`,
      );
    });
    const error = await firstError({ url: `${url.replace('//', '//user:hunter22@')}/?key=k3y-secret` });
    expect(error.message).toContain('answered 503: "no such bucket\\x1b[2J *** ');
    expect(error.message).toContain('and asks to wait 9000 ms');
    expect(error.message).not.toMatch(/hunter22|k3y-secret|aHVudGVyMj/);
    expect(error.message.length).toBeLessThan(500);
  });
  test('is given up for its words after a second', async () => {
    const url = await serve((_, response) => void response.writeHead(500).write('wait for it'));
    const error = await firstError({ url, timeoutMs: 60_000 });
    expect(error.message).toContain('answered 500: "wait for it"');
  });
  test('that redirects is shown with the address it leads to', async () => {
    const url = await serve(answer('', { location: '/else?key=secret' }, 308));
    expect((await firstError({ url })).message).toContain(`set url to ${url}/else`);
  });
});

test('a body that is too large is a dead letter with its first bytes, too', async () => {
  const { io, run } = start({ url: await serve(answer('x'.repeat(5_000))), bodyBytesMax: 100 });
  await expect(run).rejects.toMatchObject({ code: 'HG_READ_TOO_LARGE' });
  expect(io.undecodable).toMatchObject([
    { payload: new Uint8Array(1_024).fill(0x78), error: { details: { bytes: 5_000, keptBytes: 1_024 } } },
  ]);
});

describe('a hostile body', () => {
  test('without an end is abandoned at the limit, and the connection with it', async () => {
    let poured: Promise<number> = Promise.resolve(0);
    const url = await serve((request, response) => {
      response.writeHead(200);
      poured = pour(response, request);
    });
    expect((await firstError({ url, bodyBytesMax: 100_000 })).code).toBe('HG_READ_TOO_LARGE');
    expect(await poured).toBeLessThan(20_000_000);
  });
  test('that unpacks to more than the limit is abandoned', async () => {
    const bomb = gzipSync(Buffer.alloc(5_000_000));
    const url = await serve((_, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb);
    });
    expect(bomb.length).toBeLessThan(10_000);
    expect((await firstError({ url, bodyBytesMax: 10_000 })).code).toBe('HG_READ_TOO_LARGE');
  });
  test('that trickles for ever runs into the time limit', async () => {
    const url = await serve((request, response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write(' '), 5);
      request.once('close', () => clearInterval(timer));
    });
    const error = await firstError({ url, timeoutMs: 500 });
    expect(error).toMatchObject({ code: 'HG_LINK_TIMEOUT', message: expect.stringContaining('complete') });
  });
});

describe('once the link is open', () => {
  test('a failed poll is a failed read and the polling goes on', async () => {
    let polls = 0;
    const url = await serve((request, response) => {
      polls++;
      if (polls === 2) response.writeHead(500).end();
      // The third poll, and its repetition over a new connection.
      else if (polls === 3 || polls === 4) request.socket.destroy();
      else if (polls === 5) response.writeHead(401).end();
      else response.end(String(polls));
    });
    const { io } = start({ url });
    await io.until(() => io.values.length >= 2);
    expect(io.values.slice(0, 2)).toEqual([1, 6]);
    expect(io.failures.map((error) => (error as HeadgateError).code)).toEqual([
      'HG_READ_STATUS',
      'HG_LINK_LOST',
      'HG_LINK_UNAUTHORISED',
    ]);
  });
  test('a stop gives up the poll that is under way', async () => {
    let polls = 0;
    let closed = () => {};
    const hungUp = new Promise<void>((resolve) => (closed = resolve));
    const asked = Promise.withResolvers<void>();
    const url = await serve((request, response) => {
      if (++polls === 1) return void response.end('1');
      request.once('close', closed);
      asked.resolve();
    });
    const { io, run } = start({ url, timeoutMs: 60_000 });
    await asked.promise;
    io.abort();
    await run;
    await hungUp;
    expect(io.failures).toEqual([]);
  });
  test('nobody is asked while there is no room', async () => {
    let polls = 0;
    const url = await serve((_, response) => void response.end(String(++polls)));
    const { io, run } = start({ url, intervalMs: 1 }, 3);
    await io.until(() => io.values.length === 3);
    // Other requests, one after the other, show that time enough passed for many polls.
    for (let index = 0; index < 20; index++) await (await fetch(await serve(answer('')))).text();
    expect(polls).toBe(3);
    io.makeRoom(1);
    await io.until(() => io.values.length === 4);
    io.abort();
    await run;
  });
});

describe('options', () => {
  test.each<[string, object, string]>([
    ['another protocol', { url: 'ftp://a/' }, 'url'],
    ['no address', { url: 'nonsense' }, 'url'],
    ['a body for GET', { url: 'http://a/', body: 'x' }, 'body'],
    ['a header with a line break', { url: 'http://a/', headers: { a: 'b\r\nc: d' } }, 'headers'],
    ['no interval', { url: 'http://a/', intervalMs: 0 }, 'intervalMs'],
  ])('refuse %s', (_, options, field) => {
    expect(() => httpSource({ id: 'a', intervalMs: 10, ...options } as HttpSourceOptions)).toThrowError(
      expect.objectContaining({ code: 'HG_OPTION_INVALID', details: { subject: 'httpSource', field } }),
    );
  });
  test('that are misspelled are named', () => {
    const options = { id: 'a', url: 'http://a/', intervalMS: 10 } as unknown as HttpSourceOptions;
    expect(() => httpSource(options)).toThrowError(/did you mean "intervalMs"/);
  });
  test('are shown by no spec', () => {
    const spec = httpSource({
      id: 'a',
      url: 'http://u:pass@a/?key=k',
      intervalMs: 10,
      headers: { x: 'secret' },
    });
    expect(JSON.stringify(spec)).not.toMatch(/pass|secret|key=/);
  });
});

test('the transport answers by itself', async () => {
  const url = await serve(answer('1'));
  const given = await createHttpTransport()({
    ...{ url, method: 'GET', headers: {}, body: null },
    signal: new AbortController().signal,
  });
  expect(given.status).toBe(200);
});
