/** What a browser can be made to send here by a page it shows, on a gateway that is open to whoever sits at
 *  the machine: requests of other origins, forms, WebSockets, and a name that was rebound to this address. */

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startGateway, type Asked, type GatewayProcess } from './gateway-process.ts';
import { openSocket } from './web-socket.ts';

let gateway: GatewayProcess;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway?.[Symbol.asyncDispose]());

const json = { 'content-type': 'application/json' };

const stateOfLine = async () =>
  ((await gateway.ask({ path: '/api/sources/line' })).json as { state?: string }).state;

afterEach(async () => {
  const state = await stateOfLine();
  if (state === 'paused') await gateway.ask({ method: 'POST', path: '/api/sources/line/resume' });
  expect(state).toBe('streaming');
});

/** Everything that changes something, as a page would try it. */
const CHANGES: readonly Asked[] = [
  { method: 'POST', path: '/api/sources/line/pause', headers: json, body: '{}' },
  { method: 'DELETE', path: '/api/sources/line' },
  {
    method: 'PUT',
    path: '/api/config',
    headers: { 'content-type': 'application/yaml' },
    body: 'sources: {}',
  },
  { method: 'POST', path: '/api/dead-letters/purge', headers: json, body: '{"status":"new"}' },
  { method: 'POST', path: '/api/ingest/line', headers: json, body: '[{"n":1}]' },
];

const FOREIGN_ORIGINS = [
  ...['http://evil.example', 'https://evil.example', 'null', 'file://', 'http://localhost:1', ''],
  ...['http://127.0.0.1', 'http://127.0.0.1.evil.example', 'http://evil.example#', 'chrome-extension://abc'],
];

describe('a page of another origin', () => {
  for (const origin of FOREIGN_ORIGINS) {
    test(`changes nothing and reads nothing: "${origin}"`, async () => {
      for (const change of CHANGES) {
        const { status } = await gateway.ask({ ...change, headers: { ...change.headers, origin } });
        expect(`${change.path} ${status}`).toBe(`${change.path} 403`);
      }
      const { status, headers, text } = await gateway.ask({ path: '/api/sources', headers: { origin } });
      expect(status).toBe(403);
      expect(headers['access-control-allow-origin']).toBeUndefined();
      expect(text).not.toContain('"line"');
    });
  }

  test('is not told that it may, where it asks beforehand', async () => {
    const headers = {
      origin: 'http://evil.example',
      'access-control-request-method': 'PUT',
      'access-control-request-headers': 'authorization, content-type',
    };
    const answer = await gateway.ask({ method: 'OPTIONS', path: '/api/config', headers });
    expect(answer.status).toBe(403);
    expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
  });

  test('opens no WebSocket', async () => {
    for (const origin of FOREIGN_ORIGINS) {
      const socket = await openSocket(gateway.port, { path: '/api/ingest/line', headers: { origin } });
      expect(socket.refused).toBe(403);
    }
  });

  test('cannot hide where it comes from by a form', async () => {
    // What a form, an image or a script of another site can send; old browsers leave out the origin.
    const types = ['application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'text/plain'];
    for (const type of types) {
      for (const { path } of CHANGES.filter(
        ({ method, path: where }) => method === 'POST' && !/ingest/.test(where),
      )) {
        const headers = { 'content-type': type };
        const { status } = await gateway.ask({ method: 'POST', path, headers, body: 'status=new&{}' });
        expect(`${path} ${type} ${status}`).toBe(`${path} ${type} 415`);
      }
    }
  });

  test('is not helped by a look', async () => {
    for (const { method, path } of CHANGES) {
      if (method === 'GET') continue;
      const { status } = await gateway.ask({ path: `${path}?_method=${method ?? ''}` });
      expect([200, 400, 404, 405, 426]).toContain(status);
    }
    expect(await stateOfLine()).toBe('streaming');
  });
});

describe('a page of the gateway’s own origin', () => {
  test('asks as anybody at the machine does', async () => {
    const headers = { origin: `http://127.0.0.1:${gateway.port}` };
    expect((await gateway.ask({ path: '/api/sources', headers })).status).toBe(200);
  });

  test('is allowed another origin by name, and that one alone', async () => {
    const http = { port: 0, allowedOrigins: ['https://panel.example'] };
    await using open = await startGateway({ config: { http } });
    const ask = (origin: string) => open.ask({ path: '/api/sources', headers: { origin } });
    const allowed = await ask('https://panel.example');
    expect(allowed.status).toBe(200);
    expect(allowed.headers['access-control-allow-origin']).toBe('https://panel.example');
    expect(allowed.headers['access-control-allow-credentials']).toBeUndefined();
    expect(allowed.headers.vary).toContain('Origin');
    for (const origin of ['https://panel.example.evil', 'http://panel.example', 'https://a.panel.example']) {
      expect((await ask(origin)).status).toBe(403);
    }
  });
});

describe('a name that was rebound to this address', () => {
  const names = [
    ...['evil.example', 'evil.example:8484', 'localhost.evil.example', '127.0.0.1.evil.example', ''],
    ...['127.0.0.1@evil.example', 'evil.example#127.0.0.1', '127.0.0.1:99999999', 'localhost:80:80', 'a b'],
    ...['127.0.0.1, evil.example', '[::1', '0x7f000001.evil.example', 'localhost..', 'evil.example.'],
  ];
  for (const host of names) {
    test(`gets no answer of the API: "${host}"`, async () => {
      for (const path of ['/api/sources', '/healthz', '/metrics', '/openapi.json']) {
        const { status, text } = await gateway.ask({ path, headers: { host } });
        expect([400, 421]).toContain(status);
        expect(text).not.toContain('"line"');
      }
      const socket = await openSocket(gateway.port, { path: '/api/ingest/line', headers: { host } });
      expect([400, 421]).toContain(socket.refused);
    });
  }

  test('is not believed by another header', async () => {
    const headers = {
      host: 'evil.example',
      'x-forwarded-host': '127.0.0.1',
      forwarded: 'host=127.0.0.1',
      'x-host': '127.0.0.1',
    };
    expect((await gateway.ask({ path: '/api/sources', headers })).status).toBe(421);
  });

  test('is not believed in the target', async () => {
    const path = 'http://127.0.0.1/api/sources';
    expect([400, 421]).toContain((await gateway.ask({ path, headers: { host: 'evil.example' } })).status);
  });

  test('is let in where it was named', async () => {
    const http = { port: 0, allowedHosts: ['gateway.plant.example'] };
    await using named = await startGateway({ config: { http } });
    const ask = (host: string) => named.ask({ path: '/api/sources', headers: { host } });
    expect((await ask(`gateway.plant.example:${named.port}`)).status).toBe(200);
    expect((await ask('GATEWAY.plant.example')).status).toBe(200);
    expect((await ask('x.gateway.plant.example')).status).toBe(421);
  });
});
