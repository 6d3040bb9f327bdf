/** The walls of the API: every route with every kind of wrong token, other origins, other hosts, what is too
 *  large, too deep, too slow or too much. */

import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import type { Scope } from '../../src/http/http-deps.ts';
import { httpRig, openRig, rawAsk, stored, type HttpRig } from './http-rig.ts';

interface Operation {
  readonly method: string;
  readonly path: string;
  readonly scope: Scope | null;
}

const EXPIRED = stored('expired', { expiresAtMs: 1 });
const TOKENS = [
  stored('reader', { scopes: ['read'] }),
  stored('writer', { scopes: ['ingest'] }),
  stored('operator', { scopes: ['operate'] }),
  stored('boss', { scopes: ['admin'] }),
  EXPIRED,
];

/** All routes, as the server's own document has them. */
async function operations(rig: HttpRig): Promise<Operation[]> {
  const { json } = await rig.ask('/openapi.json', { token: 'boss' });
  const paths = (json as { paths: Record<string, Record<string, object>> }).paths;
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path: path.replaceAll(/\{(\w+)\}/g, 'x1'),
      scope: ((operation as Record<string, unknown>)['x-headgate-scope'] as Scope | undefined) ?? null,
    })),
  );
}

describe('every route', () => {
  let rig: HttpRig;
  let all: Operation[];
  beforeAll(async () => {
    rig = await openRig({ tokens: TOKENS });
    all = await operations(rig);
  });
  afterAll(() => rig.close());

  const bodyOf = (method: string) => (method === 'POST' || method === 'PUT' ? { body: {} } : {});

  test('stands in the document, with the scope it needs', () => {
    expect(all.length).toBeGreaterThanOrEqual(28);
    expect(all.filter(({ scope }) => scope === null).map(({ path }) => path)).toEqual([
      '/healthz',
      '/readyz',
    ]);
    // What the document does not have, the server does not answer.
    expect(all.map(({ path }) => path)).toEqual(expect.arrayContaining(['/metrics', '/openapi.json']));
  });

  test('for probes is answered with a stale or wrong token, too, and that locks nobody out', async () => {
    for (const token of ['wrong', 'expired']) {
      for (let n = 0; n < 20; n++) expect((await rig.ask('/healthz', { token })).status).toBe(200);
    }
    expect((await rig.ask('/readyz', { token: 'wrong' })).status).toBe(200);
    expect((await rig.ask('/api/sources', { token: 'wrong' })).status).toBe(401);
  });

  for (const [title, token] of [
    ['no token', undefined],
    ['a wrong token', 'wrong'],
    ['an expired token', 'expired'],
  ] as const) {
    test(`refuses ${title}`, async () => {
      for (const { method, path, scope } of all) {
        // A probe is answered whatever token it brings.
        if (scope === null) continue;
        const given = token === undefined ? {} : { token };
        const { status, headers, json } = await rig.ask(path, { method, ...bodyOf(method), ...given });
        expect([method, path, status, json.code]).toEqual([method, path, 401, 'HG_HTTP_UNAUTHORISED']);
        expect(headers.get('www-authenticate')).toMatch(/^Bearer realm="headgate"/);
        expect(headers.get('content-type')).toBe('application/problem+json');
      }
    });
  }

  test('refuses a token that is too weak, and says what it lacks', async () => {
    const tooWeak: Record<Scope, string[]> = {
      read: ['writer'],
      ingest: ['reader', 'operator'],
      operate: ['reader', 'writer'],
      admin: ['reader', 'writer', 'operator'],
    };
    for (const { method, path, scope } of all) {
      for (const token of scope === null ? [] : tooWeak[scope]) {
        const { status, headers, json } = await rig.ask(path, { method, ...bodyOf(method), token });
        expect([method, path, token, status, json.code]).toEqual([
          ...[method, path, token, 403, 'HG_HTTP_FORBIDDEN'],
        ]);
        expect(headers.get('www-authenticate')).toContain(`scope="${scope}"`);
      }
    }
  });

  test('lets the right one in', async () => {
    for (const { method, path } of all) {
      if (path === '/api/events') continue;
      const { status } = await rig.ask(path, { method, ...bodyOf(method), token: 'boss' });
      expect([401, 403], `${method} ${path}`).not.toContain(status);
    }
  });

  test('bears the common headers, whatever it answers', async () => {
    for (const token of ['boss', 'reader', 'wrong']) {
      for (const { method, path } of all) {
        if (path === '/api/events' && token !== 'wrong') continue;
        const { headers } = await rig.ask(path, { method, ...bodyOf(method), token });
        expect(headers.get('x-content-type-options'), path).toBe('nosniff');
        expect(headers.get('content-security-policy')).toContain("default-src 'none'");
        expect(headers.get('access-control-allow-origin')).toBeNull();
        expect(headers.get('set-cookie')).toBeNull();
      }
    }
  });

  test('that does not exist tells strangers nothing, and others where to look', async () => {
    expect((await rig.ask('/api/nothing')).status).toBe(401);
    expect((await rig.ask('/api/nothing', { token: 'reader' })).json.code).toBe('HG_HTTP_ROUTE_UNKNOWN');
    const wrongMethod = await rig.ask('/api/sources', { method: 'DELETE', token: 'boss' });
    expect([wrongMethod.status, wrongMethod.headers.get('allow')]).toEqual([405, 'GET, HEAD, POST']);
  });

  test('takes a token from the header alone', async () => {
    expect((await rig.ask('/api/sources?token=boss')).status).toBe(401);
    const cookie = await rawAsk(rig, { path: '/api/sources', headers: { cookie: 'token=boss; boss=boss' } });
    expect(cookie.status).toBe(401);
  });

  test('a token taken away counts at the next request', async () => {
    const own = await httpRig({ tokens: TOKENS });
    expect((await own.ask('/api/sources', { token: 'reader' })).status).toBe(200);
    own.tokens = TOKENS.filter(({ name }) => name !== 'reader');
    expect((await own.ask('/api/sources', { token: 'reader' })).status).toBe(401);
  });
});

describe('a WebSocket', () => {
  /** The status of the answer to an upgrade; 101 where it was opened. */
  const open = (rig: HttpRig, path: string, headers: Record<string, string>) =>
    new Promise<number>((resolve) => {
      const socket = new WebSocket(`ws://127.0.0.1:${rig.port}${path}`, { headers });
      socket
        .on('open', () => resolve(101))
        .on('unexpected-response', (_, { statusCode }) => {
          resolve(statusCode ?? 0);
          socket.terminate();
        });
      socket.on('error', () => {});
      socket.on('open', () => socket.terminate());
    });

  test('is opened with a token that may send records, from its own pages or from none', async () => {
    const rig = await httpRig({ tokens: TOKENS, allowedOrigins: ['https://ui.example'] });
    await rig.ask('/api/sources', { method: 'POST', body: { id: 'line3', type: 'push' }, token: 'boss' });
    const statusOf = (
      token: string | null,
      headers: Record<string, string> = {},
      path = '/api/ingest/line3',
    ) => open(rig, path, { ...(token === null ? {} : { authorization: `Bearer ${token}` }), ...headers });
    expect(await statusOf('writer')).toBe(101);
    expect(await statusOf('writer', { origin: `http://127.0.0.1:${rig.port}` })).toBe(101);
    expect(await statusOf('writer', { origin: 'https://ui.example' })).toBe(101);
    expect(await statusOf(null)).toBe(401);
    expect(await statusOf('wrong')).toBe(401);
    expect(await statusOf('expired')).toBe(401);
    expect(await statusOf('reader')).toBe(403);
    expect(await statusOf(null, { cookie: 'token=writer' })).toBe(401);
    for (const origin of [
      'https://evil.example',
      'null',
      `https://127.0.0.1:${rig.port}`,
      'http://127.0.0.1',
    ]) {
      expect(await statusOf('writer', { origin }), origin).toBe(403);
    }
    expect(await statusOf('writer', { host: 'evil.example' })).toBe(421);
    expect(await statusOf('writer', {}, '/api/events')).toBe(404);
    expect(await statusOf('writer', {}, '/api/ingest/nobody')).toBe(404);
  });

  test('is closed at its next message once its token was taken away', async () => {
    const rig = await httpRig({ tokens: TOKENS });
    await rig.ask('/api/sources', { method: 'POST', body: { id: 'line3', type: 'push' }, token: 'boss' });
    const authorization = 'Bearer writer';
    const url = `ws://127.0.0.1:${rig.port}/api/ingest/line3`;
    const socket = new WebSocket(url, { headers: { authorization } });
    await once(socket, 'open');
    rig.tokens = TOKENS.filter(({ name }) => name !== 'writer');
    socket.send('{"id":1,"records":[1]}');
    const [code, reason] = (await once(socket, 'close')) as [number, Buffer];
    expect([code, String(reason)]).toEqual([1008, 'the token may no longer send here']);
    expect(rig.engine.health('line3').recordsProduced).toBe(0);
  });
});

describe('a page of another origin', () => {
  test('is refused, whatever it sends', async () => {
    const rig = await httpRig();
    const statusOf = async (headers: Record<string, string>, method = 'GET', body?: string) =>
      (await rawAsk(rig, { path: '/api/sources', headers, method, ...(body === undefined ? {} : { body }) }))
        .status;
    expect(await statusOf({ origin: 'https://evil.example' })).toBe(403);
    expect(await statusOf({ origin: 'null' })).toBe(403);
    expect(await statusOf({ origin: `http://127.0.0.1:${rig.port}` })).toBe(200);
    const form = { 'content-type': 'application/x-www-form-urlencoded', origin: 'https://evil.example' };
    expect(await statusOf(form, 'POST', 'id=x&type=push')).toBe(403);
    // A form of a browser that sends no Origin: what it can send is no JSON.
    expect(await statusOf({ 'content-type': 'text/plain' }, 'POST', '{"id":"x","type":"push"}')).toBe(415);
    const preflight = { origin: 'https://evil.example', 'access-control-request-method': 'PUT' };
    expect(await statusOf(preflight, 'OPTIONS')).toBe(403);
    expect(rig.engine.health()).toEqual([]);
  });

  test('may ask where it was allowed, and its browser is told so', async () => {
    const rig = await httpRig({ allowedOrigins: ['https://ui.example'], tokens: TOKENS });
    const origin = 'https://ui.example';
    const asked = await rig.ask('/api/sources', { headers: { origin }, token: 'reader' });
    expect([asked.status, asked.headers.get('access-control-allow-origin')]).toEqual([200, origin]);
    expect(asked.headers.get('access-control-allow-credentials')).toBeNull();
    const preflight = await rig.ask('/api/config', {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'PUT' },
    });
    expect([preflight.status, preflight.headers.get('access-control-allow-methods')]).toEqual([
      ...[204, 'GET, POST, PUT, DELETE'],
    ]);
  });
});

describe('a name that is not the server’s', () => {
  const cases: [host: string, status: number][] = [
    ['evil.example', 421],
    ['evil.example:8484', 421],
    ['localhost.evil.example', 421],
    ['127.0.0.1.evil.example', 421],
    ['evil.example@127.0.0.1', 421],
    ['[::1', 421],
    ['localhost', 200],
    ['LOCALHOST:1', 200],
    ['127.0.0.1', 200],
    ['[::1]:8484', 200],
    ['gw.example.', 200],
    ['gw.example:443', 200],
  ];
  test('is refused at the Host header', async () => {
    const rig = await httpRig({ allowedHosts: ['gw.example'] });
    for (const [host, status] of cases) {
      const answer = await rawAsk(rig, { headers: { host } });
      expect([host, answer.status]).toEqual([host, status]);
    }
    const twice = await talk(rig.port, 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n');
    expect(twice).toMatch(/^HTTP\/1.1 400 /);
    const absolute = await talk(rig.port, 'GET http://evil/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
    expect(absolute).toMatch(/^HTTP\/1.1 400 /);
    const empty = await talk(rig.port, 'GET /healthz HTTP/1.1\r\nHost: \r\n\r\n');
    expect(empty).toMatch(/^HTTP\/1.1 421 /);
    for (const target of ['/api/ingest/%ff', '/api/sources/%', '/%zz?a=b']) {
      const broken = await talk(rig.port, `POST ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
      expect(broken).toMatch(/^HTTP\/1.1 400 [^]*HG_HTTP_MALFORMED/);
    }
    const none = await talk(rig.port, 'GET /healthz HTTP/1.1\r\n\r\n');
    expect(none).toMatch(/^HTTP\/1.1 400 /);
  });
});

/** Sends bytes as they are; what came back until the first answer was there. */
function talk(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      answer += chunk;
      if (answer.includes('\r\n\r\n')) socket.destroy();
    });
    socket.on('close', () => resolve(answer)).on('error', reject);
  });
}

describe('what is too much is refused:', () => {
  test('a body, announced or not', async () => {
    const rig = await httpRig({ limits: { bodyBytesMax: 1_000 } });
    const body = JSON.stringify({ id: 'x', type: 'push', filler: 'y'.repeat(2_000) });
    const announced = await rig.ask('/api/sources', { method: 'POST', body });
    expect([announced.status, announced.json.code]).toEqual([413, 'HG_HTTP_TOO_LARGE']);
    const headers = { 'content-type': 'application/json', 'transfer-encoding': 'chunked' };
    const chunked = await rawAsk(rig, { method: 'POST', path: '/api/sources', headers, body });
    expect(chunked.status).toBe(413);
  });

  test('headers', async () => {
    const rig = await httpRig({ limits: { headerBytesMax: 4_096 } });
    const answer = await talk(
      rig.port,
      `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(8_000)}\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1.1 431 /);
    expect(answer).toContain('nosniff');
  });

  test('nesting, and keys that reach prototypes', async () => {
    const rig = await httpRig();
    const post = async (body: string) => (await rig.ask('/api/sources', { method: 'POST', body })).json;
    const deep = `{"id":"x","type":"push","a":${'['.repeat(10_000)}${']'.repeat(10_000)}}`;
    expect(await post(deep)).toMatchObject({ status: 400, code: 'HG_HTTP_MALFORMED', depthMax: 32 });
    // Brackets in strings are no nesting.
    const text = `{"id":"x","type":"push","decode":"${'['.repeat(100)}\\"["}`;
    expect(await post(text)).toMatchObject({ status: 400, code: 'HG_OPTION_INVALID' });
    const polluting = ['{"__proto__":{"isAdmin":true}}', '{"a":[{"\\u005f_proto__":1}]}'];
    for (const body of polluting) expect(await post(body)).toMatchObject({ code: 'HG_HTTP_MALFORMED' });
    const constructor = '{"id":"x","type":"push","constructor":{"prototype":{"isAdmin":true}}}';
    expect(await post(constructor)).toMatchObject({ code: 'HG_OPTION_UNKNOWN' });
    expect('isAdmin' in {}).toBe(false);
  });

  test('requests of one address', async () => {
    const rig = await httpRig({ limits: { requestsPerSecondMax: 5 } });
    const answers = await Promise.all(Array.from({ length: 20 }, () => rig.ask('/healthz')));
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused[0]?.headers.get('retry-after')).toBe('1');
    expect(refused[0]?.json.code).toBe('HG_HTTP_TOO_MANY');
  });

  test('connections, which are told so where they can be', async () => {
    const rig = await httpRig({ limits: { connectionsPerAddressMax: 3 } });
    const sockets = Array.from({ length: 3 }, () => connect(rig.port, '127.0.0.1'));
    await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
    await expect.poll(() => talk(rig.port, '')).toMatch(/^HTTP\/1.1 503 [^]*retry-after: 1/);
    for (const socket of sockets) socket.destroy();
    await expect.poll(async () => (await rig.ask('/healthz').catch(() => null))?.status).toBe(200);
  });

  test('time for a request', { tags: 'full' }, async () => {
    const rig = await httpRig({ limits: { requestTimeoutMs: 300 } });
    const slowHead = await talk(rig.port, 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ');
    expect(slowHead).toMatch(/^HTTP\/1.1 408 /);
    const head = 'POST /api/sources HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';
    const slowBody = await talk(rig.port, `${head}Content-Length: 100\r\n\r\n{`);
    expect(slowBody).toMatch(/^HTTP\/1.1 408 |^$/);
  });

  test('time for an upload only where it stands still', { tags: 'full' }, async () => {
    const rig = await httpRig({ limits: { requestTimeoutMs: 1_500, uploadBytesPerSecondMin: 0 } });
    await rig.ask('/api/sources', { method: 'POST', body: { id: 'line-3', type: 'push' } });
    const head =
      'POST /api/ingest/line-3 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n' +
      'Connection: close\r\nContent-Length: 10\r\n\r\n';
    expect(await talk(rig.port, `${head}{`)).toMatch(/^HTTP\/1.1 408 /);
    const socket = connect(rig.port, '127.0.0.1');
    let answer = '';
    socket.setEncoding('utf8').on('data', (text: string) => (answer += text));
    socket.write(head);
    // Longer than the time for a request, and never still for as long.
    const line = '{"a": 123}'.split('');
    const timer = setInterval(() => {
      const next = line.shift();
      if (next === undefined) clearInterval(timer);
      else socket.write(next);
    }, 500);
    await expect.poll(() => answer).toMatch(/^HTTP\/1.1 200 [^]*"accepted":1/);
    socket.destroy();
  });

  test('what is no HTTP', async () => {
    const rig = await httpRig();
    expect(await talk(rig.port, 'NONSENSE\r\n\r\n')).toMatch(/^HTTP\/1.1 400 [^]*HG_HTTP_MALFORMED/);
    expect((await rig.ask('/healthz')).status).toBe(200);
  });
});
