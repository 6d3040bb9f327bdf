/** The HTTP sink against a real server. */

import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { describe, expect, onTestFinished, test } from 'vitest';
import { httpSink, type HttpSinkOptions } from '../../../actors/sinks/http-sink.ts';
import { HeadgateError } from '../../../src/domain/errors.ts';
import { virtualClock } from '../../../src/testing/virtual-clock.ts';
import { freePort } from '../../support/mqtt-brokers.ts';
import { outbound, outboundRange, sinkBench } from '../../support/sink-bench.ts';

interface Asked {
  readonly method: string | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

type Answer = (asked: Asked, response: ServerResponse) => void;

async function startServer(answer: Answer = (_, response) => response.end('ok')) {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const one = { method: request.method, headers: request.headers, body: Buffer.concat(chunks) };
      asked.push(one);
      answer(one, response);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { asked, server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/in` };
}

const answering =
  (status: number, headers: Record<string, string> = {}): Answer =>
  (_, response) =>
    response.writeHead(status, headers).end();

async function deliverTo(url: string, options: Partial<HttpSinkOptions> = {}, batch = outboundRange(1, 3)) {
  const link = await sinkBench().open(httpSink({ id: 'cloud', url, ...options }));
  try {
    return await link.deliver(batch);
  } finally {
    await link.close();
  }
}

async function failureOf(work: Promise<unknown>): Promise<HeadgateError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(HeadgateError);
  return error as HeadgateError;
}

const jsonOf = (text: string) => JSON.parse(text) as { key: string; data: unknown };

describe('what the server sees', () => {
  test('a batch as NDJSON, each record with its key, the batch with the keys of its ends', async () => {
    const { asked, url } = await startServer();
    await deliverTo(url, { headers: { 'X-Site': 'north' } });
    const [{ method, headers, body } = { method: '', headers: {}, body: '' }] = asked;
    expect(asked).toHaveLength(1);
    expect(method).toBe('POST');
    expect(headers).toMatchObject({
      'content-type': 'application/x-ndjson',
      'x-site': 'north',
      'idempotency-key': `"${outbound(1).key}..${outbound(3).key}"`,
    });
    const records = body.toString().trimEnd().split('\n').map(jsonOf);
    expect(records.map(({ key }) => key)).toEqual([1, 2, 3].map((seq) => outbound(seq).key));
    expect(records.map(({ data }) => data)).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
  });

  test('a repeated batch under the same idempotency key', async () => {
    const { asked, url } = await startServer();
    await deliverTo(url);
    await deliverTo(url);
    expect(asked[0]?.headers['idempotency-key']).toBe(asked[1]?.headers['idempotency-key']);
  });

  test('an array of the data alone, compressed, by PUT', async () => {
    const { asked, url } = await startServer();
    await deliverTo(url, { format: 'json', envelope: 'data', compress: 'gzip', method: 'PUT' });
    expect(asked[0]?.method).toBe('PUT');
    expect(asked[0]?.headers).toMatchObject({
      'content-type': 'application/json',
      'content-encoding': 'gzip',
    });
    expect(JSON.parse(gunzipSync(asked[0]?.body ?? '').toString())).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
  });

  const credentials: [Partial<HttpSinkOptions>, string][] = [
    [{ auth: { bearer: 'tok' } }, 'Bearer tok'],
    [{ auth: { username: 'ann', password: 'ö:1' } }, `Basic ${Buffer.from('ann:ö:1').toString('base64')}`],
    [{ headers: { Authorization: 'Own x' } }, 'Own x'],
  ];
  for (const [options, header] of credentials) {
    test(`the credentials it was given: ${header}`, async () => {
      const { asked, url } = await startServer();
      await deliverTo(url, options);
      expect(asked[0]?.headers.authorization).toBe(header);
    });
  }

  test('the records that can be written, without the one that cannot', async () => {
    const { asked, url } = await startServer();
    const batch = [outbound(1), outbound(2, new Map()), outbound(3)];
    expect(await deliverTo(url, { format: 'json' }, batch)).toMatchObject([
      { index: 1, error: { code: 'HG_RECORD_UNSTORABLE' } },
    ]);
    expect(JSON.parse(asked[0]?.body.toString() ?? '')).toHaveLength(2);
  });

  test('nothing, where no record can be written', async () => {
    const { asked, url } = await startServer();
    expect(await deliverTo(url, {}, [outbound(1, new Map())])).toHaveLength(1);
    expect(asked).toEqual([]);
  });
});

describe('what its answer leads to', () => {
  const cases: [status: number, code: string, remedy: string][] = [
    ...[404, 405, 408, 421, 425, 429].map((status): [number, string, string] => [
      status,
      'HG_SINK_STATUS',
      'retry',
    ]),
    ...[500, 502, 503, 507].map((status): [number, string, string] => [status, 'HG_SINK_STATUS', 'retry']),
    ...[400, 409, 410, 413, 415, 422].map((status): [number, string, string] => [
      status,
      'HG_SINK_REFUSED',
      'drop',
    ]),
    [401, 'HG_LINK_UNAUTHORISED', 'retry'],
    [403, 'HG_LINK_UNAUTHORISED', 'drop'],
  ];
  for (const [status, code, remedy] of cases) {
    test(`${status}: ${remedy}`, async () => {
      const { url } = await startServer(answering(status));
      expect(await failureOf(deliverTo(url))).toMatchObject({ code, remedy, details: { status } });
    });
  }

  for (const status of [200, 201, 202, 204]) {
    test(`${status}: all of it is safe`, async () => {
      const { url } = await startServer(answering(status));
      expect(await deliverTo(url)).toEqual([]);
    });
  }

  test('a redirect is not followed', async () => {
    const other = await startServer();
    const { url } = await startServer(answering(307, { location: other.url }));
    const error = await failureOf(deliverTo(url, { auth: { bearer: 'tok' } }));
    expect(error).toMatchObject({ code: 'HG_SINK_STATUS', remedy: 'retry' });
    expect(error.message).toContain('redirects are not followed');
    expect(other.asked).toEqual([]);
  });

  test.each([301, 401, 404, 407, 408, 429, 500, 503])(
    'Retry-After in seconds is handed on (%i)',
    async (status) => {
      const { url } = await startServer(answering(status, { 'retry-after': '7' }));
      expect(await failureOf(deliverTo(url))).toMatchObject({ details: { retryAfterMs: 7_000 } });
    },
  );

  test.each([400, 403, 413])(
    'one that may be about a single record holds nothing up (%i)',
    async (status) => {
      const { url } = await startServer(answering(status, { 'retry-after': '7' }));
      expect(await failureOf(deliverTo(url))).toMatchObject({ remedy: 'drop', details: { status } });
    },
  );

  test('Retry-After in parts of seconds is handed on, and one below zero is none', async () => {
    const { url } = await startServer(answering(503, { 'retry-after': '0.25' }));
    expect(await failureOf(deliverTo(url))).toMatchObject({ details: { retryAfterMs: 250 } });
    const odd = await startServer(answering(503, { 'retry-after': '-5' }));
    const error = await failureOf(deliverTo(odd.url));
    expect([error.details, error.message]).toEqual([{ status: 503 }, expect.not.stringContaining('wait')]);
  });

  test('Retry-After as a date is measured by the clock of the server', async () => {
    const date = 'Wed, 01 Jan 2020 00:00:00 GMT';
    const later = 'Wed, 01 Jan 2020 00:01:30 GMT';
    const { url } = await startServer(answering(429, { date, 'retry-after': later }));
    expect(await failureOf(deliverTo(url))).toMatchObject({ details: { retryAfterMs: 90_000 } });
  });

  test('what it says after its status is of no interest, be it endless', async () => {
    const { url } = await startServer((_, response) => {
      response.writeHead(200);
      response.write('x'.repeat(200_000));
    });
    expect(await deliverTo(url)).toEqual([]);
  });
});

describe('connections', () => {
  test('an interim answer that was not asked for is skipped', async () => {
    const { url } = await startServer((_, response) => {
      response.writeContinue();
      response.writeEarlyHints({ link: '</a>; rel=preload' });
      response.writeHead(204).end();
    });
    expect(await deliverTo(url)).toEqual([]);
  });

  test('one is kept from delivery to delivery, and closed with the link', async () => {
    const { url, server } = await startServer();
    const sockets: Socket[] = [];
    server.on('connection', (socket: Socket) => sockets.push(socket));
    const link = await sinkBench().open(httpSink({ id: 'cloud', url }));
    for (const seq of [1, 2, 3]) await link.deliver([outbound(seq)]);
    expect(sockets).toHaveLength(1);
    const closed = once(sockets[0] as Socket, 'close');
    await link.close();
    await closed;
  });

  /** Answers so many requests of each connection, and resets it at the next one. */
  async function startResetting(answers: number) {
    const seen = { answered: 0, reset: 0 };
    const server = createTcpServer((socket) => {
      let requests = 0;
      socket.on('error', () => {});
      socket.on('data', (chunk: Buffer) => {
        if (!chunk.includes('POST ')) return;
        if (++requests > answers) {
          seen.reset++;
          socket.resetAndDestroy();
          return;
        }
        seen.answered++;
        socket.write('HTTP/1.1 204 No Content\r\n\r\n');
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    return { seen, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/in` };
  }

  test('one that the server resets once it was idle costs nothing: the batch goes out over another', async () => {
    const { seen, url } = await startResetting(1);
    const link = await sinkBench().open(httpSink({ id: 'cloud', url }));
    onTestFinished(() => link.close());
    for (const seq of [1, 2, 3, 4]) expect(await link.deliver([outbound(seq)])).toEqual([]);
    expect(seen).toEqual({ answered: 4, reset: 3 });
  });

  test('a reset of one that is new is a failure', async () => {
    const { seen, url } = await startResetting(0);
    expect(await failureOf(deliverTo(url))).toMatchObject({ code: 'HG_LINK_LOST', remedy: 'retry' });
    expect(seen).toEqual({ answered: 0, reset: 1 });
  });
});

describe('a far end that fails', () => {
  test('nobody listens', async () => {
    const error = await failureOf(deliverTo(`http://127.0.0.1:${await freePort()}/in`));
    expect(error).toMatchObject({ code: 'HG_LINK_REFUSED', remedy: 'retry' });
  });

  test('it hangs up without an answer', async () => {
    const { url } = await startServer((_, response) => response.socket?.destroy());
    expect(await failureOf(deliverTo(url))).toMatchObject({ code: 'HG_LINK_LOST', remedy: 'retry' });
  });

  test('it does not answer within timeoutMs', async () => {
    const clock = virtualClock();
    const arrived = Promise.withResolvers<void>();
    const { url } = await startServer(() => arrived.resolve());
    const link = await sinkBench(clock).open(httpSink({ id: 'cloud', url, timeoutMs: 5_000 }));
    const failure = failureOf(link.deliver(outboundRange(1, 1)));
    await arrived.promise;
    await clock.advance(5_000);
    expect(await failure).toMatchObject({ code: 'HG_LINK_TIMEOUT', remedy: 'retry' });
    await link.close();
  });

  test('the engine stops the sink while it waits for the answer', async () => {
    const arrived = Promise.withResolvers<ServerResponse>();
    const { url } = await startServer((_, response) => arrived.resolve(response));
    const bench = sinkBench();
    const link = await bench.open(httpSink({ id: 'cloud', url }));
    const failure = failureOf(link.deliver(outboundRange(1, 1)));
    const response = await arrived.promise;
    const hungUp = once(response, 'close');
    bench.abort();
    expect(await failure).toMatchObject({ code: 'HG_LINK_LOST', remedy: 'retry' });
    await hungUp;
    await link.close();
  });
});

test('a message shows how a refusal begins, in one line and without what was secret in the question', async () => {
  const text = 'no such bucket\r\n\u0007token pass-1 of pass-2 and pass-3\n';
  const { url } = await startServer((_, response) => response.writeHead(400).end(text + 'x'.repeat(500_000)));
  const error = await failureOf(
    deliverTo(`${url}?key=pass-2`, { auth: { bearer: 'pass-1' }, headers: { 'x-key': 'pass-3' } }),
  );
  expect(error.message).toContain('answered 400: no such bucket token *** of *** and *** xxx');
  expect(error.message.length).toBeLessThan(400);
});

test('no message shows a secret', async () => {
  const { server, url } = await startServer(answering(401));
  const { host } = new URL(url);
  const messages = [
    await failureOf(deliverTo(`http://ann:pass-1@${host}/in?key=pass-2`)),
    await failureOf(deliverTo(`${url}?key=pass-2`, { auth: { bearer: 'pass-1' } })),
  ];
  server.closeAllConnections();
  server.close();
  messages.push(await failureOf(deliverTo(`http://ann:pass-1@${host}/in?key=pass-2`)));
  for (const error of messages) {
    expect(error.message).toContain(host);
    expect(`${error.message} ${JSON.stringify(error.details)}`).not.toMatch(/pass|ann/);
  }
});

test('options that cannot be meant are refused', () => {
  const make = (options: object) => () => httpSink({ id: 'a', url: 'http://127.0.0.1:9', ...options });
  expect(make({ url: 'ftp://x' })).toThrow('must be an http:// or https:// address');
  expect(make({ timeoutMS: 5 })).toThrow('did you mean "timeoutMs"?');
  expect(make({ auth: { bearer: 'a', username: 'b' } })).toThrow('auth');
  expect(make({ auth: { bearer: 'a\nb' } })).toThrow('a character that HTTP does not allow');
  expect(make({ auth: { bearer: 'a' }, url: 'http://u:p@h' })).toThrow('given twice');
  expect(make({ headers: { 'a b': 'c' } })).toThrow('HTTP does not allow');
  expect(make({ compress: 'zip' })).toThrow('compress');
});
