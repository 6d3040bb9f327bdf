/** Who may do what: every route of the API, asked with every kind of credential that must not do. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { codeOnly } from '../repo/code-only.ts';
import { PROJECT_ROOT, projectFiles } from '../support/project-files.ts';
import { startGateway, testToken, type Answer, type GatewayProcess } from './gateway-process.ts';
import { isStream, routesOf, type ApiRoute } from './routes.ts';
import { openSocket } from './web-socket.ts';

const reader = testToken('reader', ['read']);
const sender = testToken('sender', ['ingest']);
const bound = testToken('bound', ['ingest'], { sources: ['another'] });
const operator = testToken('operator', ['operate']);
const admin = testToken('admin', ['admin']);
const expired = testToken('expired', ['admin'], { expiresAt: '2020-01-01' });
const tokens = [reader, sender, bound, operator, admin, expired].map(({ stored }) => stored);

let gateway: GatewayProcess;
let routes: readonly ApiRoute[];
beforeAll(async () => {
  gateway = await startGateway({ config: { auth: { tokens } } });
  routes = await routesOf(gateway, admin.token);
});
afterAll(() => gateway?.[Symbol.asyncDispose]());

type Headers = Readonly<Record<string, string>>;

/** What is sent along, and must open nothing. */
const CREDENTIALS: readonly (readonly [title: string, headers: Headers, query?: string])[] = [
  ['no token', {}],
  ['an unknown token', { authorization: `Bearer hg_${'A'.repeat(43)}` }],
  ['a token that has expired', { authorization: `Bearer ${expired.token}` }],
  ['the end of a token cut off', { authorization: `Bearer ${admin.token.slice(0, -1)}` }],
  ['a token with one more character', { authorization: `Bearer ${admin.token}A` }],
  ['a token in another case', { authorization: `Bearer ${admin.token.toUpperCase()}` }],
  ['the stored hash', { authorization: `Bearer ${String(admin.stored['hash'])}` }],
  ['the digest alone', { authorization: `Bearer ${String(admin.stored['hash']).slice(7)}` }],
  ['the name of a token', { authorization: 'Bearer admin' }],
  ['an empty token', { authorization: 'Bearer ' }],
  ['no scheme', { authorization: admin.token }],
  ['another scheme', { authorization: `Token ${admin.token}` }],
  ['Basic', { authorization: `Basic ${Buffer.from(`admin:${admin.token}`).toString('base64')}` }],
  ['two tokens in one header', { authorization: `Bearer ${'x'.repeat(46)}, Bearer ${admin.token}` }],
  ['100 kB of token', { authorization: `Bearer ${'A'.repeat(10_000)}` }],
  ['a cookie', { cookie: `token=${admin.token}; authorization=Bearer%20${admin.token}` }],
  ['a token in the query', {}, `access_token=${admin.token}&token=${admin.token}`],
  ['headers that proxies set', { 'x-forwarded-user': 'admin', 'x-forwarded-for': '127.0.0.1' }],
];

async function askEach(headers: Headers, query = ''): Promise<{ route: ApiRoute; answer: Answer }[]> {
  const answers = [];
  for (const route of routes) {
    const [contentType] = route.contentTypes;
    const type = contentType === undefined ? {} : { 'content-type': contentType };
    const path = query === '' ? route.path : `${route.path}?${query}`;
    const body = contentType === undefined ? {} : { body: '{}' };
    const answer = await gateway.ask({
      method: route.method,
      path,
      headers: { ...type, ...headers },
      ...body,
    });
    answers.push({ route, answer });
  }
  return answers;
}

describe('without a token that will do, every route refuses:', () => {
  for (const [title, headers, query] of CREDENTIALS) {
    test(title, async () => {
      const open = (await askEach(headers, query)).filter(({ route, answer }) => {
        // Everyone may look there, whatever they show: a probe with a stale token finds a gateway that lives.
        if (route.scope === null) return false;
        return answer.status !== 401 || answer.headers['www-authenticate']?.startsWith('Bearer ') !== true;
      });
      expect(open.map(({ route, answer }) => `${route.method} ${route.path} ${answer.status}`)).toEqual([]);
    });
  }

  test('and changes nothing', async () => {
    const { json } = await gateway.ask({ path: '/api/sources/line', token: admin.token });
    expect(json).toMatchObject({ state: 'streaming', recordsProduced: 0 });
  });
});

test('the routes that were asked are all there are', () => {
  const said = [...projectFiles()]
    .filter(([path]) => path.startsWith('src/http/'))
    .flatMap(([, text]) => [...text.matchAll(/\bmethod: '(\w+)', path: '(\/[^']*)'/g)])
    .map(([, method, path]) => `${method?.toUpperCase()} ${path}`);
  const asked = routes.map(({ method, template }) => `${method} ${template}`);
  expect(asked.length).toBeGreaterThan(25);
  expect(said.filter((route) => !asked.includes(route))).toEqual([]);
  const open = routes.filter(({ scope }) => scope === null).map(({ path }) => path);
  expect(open.sort()).toEqual(['/healthz', '/readyz']);
});

describe('a token does what its scope says and no more:', () => {
  const scopes: readonly (readonly [scope: string, token: string, allows: readonly string[]])[] = [
    ['read', reader.token, ['read']],
    ['ingest', sender.token, ['ingest']],
    ['ingest for another source', bound.token, []],
    ['operate', operator.token, ['operate', 'read']],
  ];
  for (const [title, token, allows] of scopes) {
    test(title, async () => {
      for (const { route, answer } of await askEach({ authorization: `Bearer ${token}` }, 'unknown=1')) {
        const isAllowed = route.scope === null || allows.includes(route.scope);
        const what = `${route.method} ${route.path}`;
        // A WebSocket, which is looked at below.
        if (what === 'GET /api/ingest/line') continue;
        if (isAllowed) expect(`${what} ${answer.status}`).not.toMatch(/ 40[13]$/);
        else expect(`${what} ${answer.status}`).toBe(`${what} 403`);
      }
    });
  }
});

describe('a way around the routes leads nowhere:', () => {
  const ways = [
    ...['//api/sources', '/api//sources', '/./api/sources', '/healthz/../api/sources', '/API/sources'],
    ...['/api/sources/', '/%61pi/sources', '/api/sources%00', '/api/sources;x=/healthz', '/healthz/'],
    ...['/healthz%2f..%2fapi%2fsources', '/api%2fsources', '\\api\\sources', '/api/sources#/healthz'],
    ...['/healthz?/../api/sources', '/readyz;/api/config', '/api/sources/?/healthz', '/api/../api/config'],
  ];
  for (const path of ways) {
    test(path, async () => {
      for (const method of ['GET', 'HEAD', 'POST', 'OPTIONS', 'TRACE', 'PROPFIND']) {
        const { status, text } = await gateway.ask({ method, path });
        expect(text).not.toContain('"line"');
        // The probes themselves, however they are written, may be open.
        if (!path.startsWith('/healthz?')) expect([400, 401, 404, 405, 421]).toContain(status);
      }
    });
  }

  test('a method in a header is no method', async () => {
    const headers = { 'x-http-method-override': 'DELETE', 'x-method-override': 'DELETE' };
    const { status } = await gateway.ask({
      path: '/api/sources/line?_method=DELETE',
      token: reader.token,
      headers,
    });
    expect([200, 400]).toContain(status);
    const { json } = await gateway.ask({ path: '/api/sources/line', token: reader.token });
    expect(json).toMatchObject({ state: 'streaming' });
  });
});

describe('a WebSocket for records is opened', () => {
  const open = (headers: Headers, path = '/api/ingest/line') => openSocket(gateway.port, { path, headers });

  for (const [title, headers, query] of CREDENTIALS) {
    test(`to nobody with ${title}`, async () => {
      const path = query === undefined ? '/api/ingest/line' : `/api/ingest/line?${query}`;
      expect((await open(headers, path)).refused).toBe(401);
    });
  }

  test.each([
    ['to nobody whose token may only look', reader.token, 403],
    ['to nobody whose token is for another source', bound.token, 403],
    ['to whoever may send', sender.token, undefined],
  ])('%s', async (_, token, refused) => {
    const socket = await open({ authorization: `Bearer ${token}` });
    expect(socket.refused).toBe(refused);
    socket.close();
  });

  test('at no other path', async () => {
    const headers = { authorization: `Bearer ${admin.token}` };
    for (const path of ['/api/events', '/api/sources', '/', '/api/ingest/', '/api/ingest/line/x']) {
      expect((await open(headers, path)).refused).toBeGreaterThanOrEqual(400);
    }
  });
});

test('an address that fails too often is told no more, and a good token is heard all the same', async () => {
  const limits = { failedLoginsPerMinuteMax: 5, requestsPerSecondMax: 1_000 };
  const config = { auth: { tokens: [reader.stored] }, http: { port: 0, limits } };
  await using strict = await startGateway({ config });
  const attempt = async (token: string) => strict.ask({ path: '/api/sources', token });
  const statuses = [];
  for (let n = 0; n < 8; n++) statuses.push((await attempt(`hg_${n}`)).status);
  expect(statuses).toEqual([401, 401, 401, 401, 401, 429, 429, 429]);
  expect(Number((await attempt('hg_x')).headers['retry-after'])).toBeGreaterThan(0);
  const socket = await openSocket(strict.port, {
    path: '/api/ingest/line',
    headers: { authorization: 'Bearer hg_y' },
  });
  expect(socket.refused).toBe(429);
  expect((await attempt(reader.token)).status).toBe(200);
});

test('tokens are compared in constant time, and nowhere in another way', () => {
  const auth = codeOnly(readFileSync(join(PROJECT_ROOT, 'src/http/auth.ts'), 'utf8'));
  expect(auth).toContain('timingSafeEqual(');
  const compared = [...projectFiles()]
    .filter(([path]) => /^src\/(?:http|gateway)\/.*\.ts$/.test(path))
    .flatMap(([path, text]) =>
      codeOnly(text)
        .split('\n')
        .filter((line) =>
          /(?:\btoken|\.hash|[dD]igest\w*)\s*(?:===|!==)\s*(?!null|undefined)[a-z]/.test(line),
        )
        .filter((line) => !/\brunning\b|\bconfig/i.test(line))
        .map((line) => `${path}: ${line.trim()}`),
    );
  expect(compared).toEqual([]);
});

test('an answer that is a stream needs a token as well', async () => {
  const stream = routes.find(isStream) as ApiRoute;
  expect(stream.scope).toBe('read');
});
