/** Secrets stay where they were put. Each of them is a word that stands nowhere else; everything the gateway
 *  writes or says is searched for it, after everything that could go wrong with it has gone wrong. */

import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { query } from '../storage/fixture.ts';
import { headgate } from '../support/command-line.ts';
import { until } from '../chaos/rig/until.ts';
import { bytesUnder, startGateway, testToken, type GatewayProcess } from './gateway-process.ts';
import { isStream, routesOf } from './routes.ts';

const WAIT_MS_MAX = 30_000;
/** Many commands are run in it. */
const HOOK_MS_MAX = 300_000;

/** Where each secret is put. */
const SECRETS = {
  urlPassword: 'cnryUrlPassw0rd',
  urlQuery: 'cnryUrlQu3ry',
  header: 'cnryHead3r',
  mqttPassword: 'cnryMqttPassw0rd',
  quoted: 'cnry"Qu0ted\\ü',
  inFile: 'cnryInF1le',
  inEnvironment: 'cnryInEnv1ronment',
  unused: 'cnryUnus3d',
  sinkHeader: 'cnrySinkHead3r',
  sinkToken: 'cnrySinkT0ken',
  controlPassword: 'cnryContr0l',
  otlpHeader: 'cnryOtlpHead3r',
  misspelled: 'cnryMisspell3d',
  wrongType: 'cnryWrongTyp3',
} as const;
/** In records: those are kept, and shown as what they are; but nowhere else. */
const PAYLOAD = 'cnryPayl0ad';

const reader = testToken('reader', ['admin']);
const wrong = testToken('wrong', ['admin']);

/** Answers with an error that repeats everything it was asked: far ends do. */
async function startEcho(): Promise<http.Server> {
  const server = http.createServer((request, response) => {
    const echo = `${request.url} ${JSON.stringify(request.headers)}`;
    const location = `http://127.0.0.1:1${request.url}`;
    response.writeHead(500, echo.replaceAll(/[^\x20-\x7e]/g, ''), { 'x-echo': encodeURI(echo), location });
    response.end(echo);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

let echo: http.Server;
let gateway: GatewayProcess;
let answers: string;

beforeAll(async () => {
  echo = await startEcho();
  const { port } = echo.address() as AddressInfo;
  const far = `127.0.0.1:${port}`;
  const withUser = (scheme: string) =>
    `${scheme}://gateway:${SECRETS.urlPassword}@${far}/x?token=${SECRETS.urlQuery}`;
  const restart = { backoff: { kind: 'constant', initialMs: 50, maxMs: 50, jitter: 'none' } };
  const config = {
    sources: {
      line: { type: 'push', decode: 'json' },
      echoed: { type: 'http', url: withUser('http'), intervalMs: 50, headers: { 'x-key': SECRETS.header } },
      filed: {
        ...{ type: 'http', url: 'http://127.0.0.1:1/', intervalMs: 50 },
        headers: { authorization: 'file:secrets/meter', 'x-quoted': 'abc' },
      },
      broker: {
        ...{
          type: 'mqtt',
          url: `mqtt://${far}`,
          topics: 'a',
          username: 'gw',
          password: SECRETS.mqttPassword,
          restart,
        },
      },
      quoted: {
        type: 'mqtt',
        url: 'mqtt://127.0.0.1:1',
        topics: 'a',
        username: 'gw',
        password: SECRETS.quoted,
        restart,
      },
      surroundings: {
        ...{ type: 'mqtt', url: `mqtt://gw:\${FIELD_PASSWORD}@127.0.0.1:1`, topics: 'a', restart },
      },
      socket: { type: 'websocket', url: withUser('ws'), headers: { cookie: SECRETS.header }, restart },
    },
    stages: [{ filter: 'record.data.n > 0' }],
    sinks: {
      posted: { type: 'http', url: withUser('http'), headers: { 'x-key': SECRETS.sinkHeader } },
      streamed: {
        type: 'jetstream',
        servers: `nats://${far}`,
        subject: 's',
        auth: { token: SECRETS.sinkToken },
      },
    },
    auth: { tokens: [reader.stored] },
    logging: { level: 'debug' },
    control: { mqtt: { url: `mqtt://${far}`, username: 'c', password: SECRETS.controlPassword } },
    metrics: {
      otlp: { url: `http://${far}/v1/metrics`, intervalMs: 200, headers: { 'x-key': SECRETS.otlpHeader } },
    },
  };
  gateway = await startGateway({
    config,
    files: { 'secrets/meter': `Bearer ${SECRETS.inFile}` },
    env: { FIELD_PASSWORD: SECRETS.inEnvironment, UNUSED_PASSWORD: SECRETS.unused },
  });
  await goWrong();
  answers = await everythingSaid();
}, HOOK_MS_MAX);
afterAll(async () => {
  await gateway?.[Symbol.asyncDispose]();
  echo?.closeAllConnections();
  echo?.close();
});

const jsonType = { 'content-type': 'application/json' };
const asAdmin = { token: reader.token };

/** Every source and sink has failed, a reload was refused, records could not be used, a login failed. */
async function goWrong(): Promise<void> {
  const failed = async (area: string) => {
    const { json } = await gateway.ask({ path: `/api/${area}`, ...asAdmin });
    const all = Object.values(json as Record<string, unknown>).find(Array.isArray) as {
      lastError: unknown;
    }[];
    return all.filter(({ lastError }) => lastError !== null).length;
  };
  await until('sources have failed', WAIT_MS_MAX, async () => (await failed('sources')) >= 6);
  for (const body of [
    `[{"n":"${PAYLOAD}"}]`,
    `{"n": "${PAYLOAD}`,
    `${PAYLOAD}`,
    `{"n":${'['.repeat(200)}"${PAYLOAD}"`,
    `[{"n":1,"text":"${PAYLOAD}${'x'.repeat(2_000_000)}"}]`,
    `[{"n":1,"text":"${PAYLOAD}"}]`,
  ]) {
    await gateway.ask({ method: 'POST', path: '/api/ingest/line', headers: jsonType, body, ...asAdmin });
  }
  await until('a sink has failed', WAIT_MS_MAX, async () => (await failed('sinks')) >= 1);
  await gateway.ask({ path: '/api/sources', token: wrong.token });
  await gateway.ask({ path: `/api/sources?token=${wrong.token}`, ...asAdmin });
  await refusedReloads();
}

/** Mistakes beside a secret: what is told of them must not repeat it. */
async function refusedReloads(): Promise<void> {
  const path = join(gateway.folder, 'headgate.json');
  const good = readFileSync(path, 'utf8');
  const document = JSON.parse(good) as { sources: Record<string, object> };
  const { broker } = document.sources;
  const bad = [
    { ...broker, password: undefined, pasword: SECRETS.misspelled },
    { ...broker, password: [SECRETS.wrongType] },
    { ...broker, password: { value: SECRETS.wrongType } },
    { ...broker, url: `mqtt://gw:${SECRETS.wrongType}@:99999999` },
    { type: 'http', url: `nonsense://gw:${SECRETS.wrongType}@x`, intervalMs: 1 },
    { type: 'http', url: 'http://x', intervalMs: -1, headers: { authorization: SECRETS.wrongType } },
  ];
  for (const entry of bad) {
    const body = JSON.stringify({ ...document, sources: { ...document.sources, broker: entry } });
    for (const way of [
      { method: 'PUT', path: '/api/config' },
      { method: 'POST', path: '/api/config/validate' },
    ]) {
      const { text } = await gateway.ask({ ...way, headers: jsonType, body, ...asAdmin });
      said.push(text);
      expect(text).toContain('sources.broker');
    }
    for (const [method, where] of [
      ['POST', '/api/sources'],
      ['PUT', '/api/sources/broker'],
    ] as const) {
      const source = JSON.stringify(method === 'POST' ? { id: 'another', ...entry } : entry);
      said.push(
        (await gateway.ask({ method, path: where, headers: jsonType, body: source, ...asAdmin })).text,
      );
    }
    writeFileSync(path, body);
    const { stdout, stderr } = await headgate(['validate', path]);
    said.push(stdout, stderr);
  }
  writeFileSync(path, `${good.slice(0, -20)} "${SECRETS.wrongType}`);
  const { stdout, stderr } = await headgate(['validate', path]);
  said.push(stdout, stderr);
  await until('the file was refused', WAIT_MS_MAX, async () => {
    const { json } = await gateway.ask({ path: '/api/config', ...asAdmin });
    return (json as { lastReload: { outcome: string } | null }).lastReload?.outcome === 'refused';
  });
  writeFileSync(path, good);
}

/** Answers and output that are gone when they have been given. */
const said: string[] = [];

async function everythingSaid(): Promise<string> {
  for (const route of await routesOf(gateway, reader.token)) {
    if (route.method !== 'GET' || isStream(route)) continue;
    for (const name of ['line', 'echoed', 'broker', 'posted', 'streamed']) {
      const path = route.path.replace(/\bline\b/, name);
      said.push((await gateway.ask({ path, ...asAdmin })).text);
    }
  }
  const commands = [
    ['timeline', gateway.file, '--json', '--limit', '5000'],
    ['sources', gateway.file, '--json'],
    ['alerts', gateway.file, '--json'],
    ['doctor', join(gateway.folder, 'headgate.json')],
    ['doctor', join(gateway.folder, 'headgate.json'), '--json'],
    ['run', '--check', join(gateway.folder, 'headgate.json')],
  ];
  for (const command of commands) {
    const { stdout, stderr } = await headgate(command, { env: { FIELD_PASSWORD: SECRETS.inEnvironment } });
    said.push(stdout, stderr);
  }
  return said.join('\n');
}

/** As it is, as JSON, URLs and Basic have it, and the beginning of its digest's usual forms. */
function formsOf(secret: string): string[] {
  const url = encodeURIComponent(secret);
  return [
    ...new Set([
      ...[secret, JSON.stringify(secret).slice(1, -1), url, encodeURIComponent(url)],
      ...[0, 1, 2].map((shift) => base64Core(secret, shift)),
      Buffer.from(secret).toString('hex'),
    ]),
  ];
}

/** What base64 makes of the text wherever it begins, without the characters its neighbours have a part in. */
function base64Core(text: string, shift: number): string {
  const encoded = Buffer.from(' '.repeat(shift) + text)
    .toString('base64')
    .replace(/=+$/, '');
  return encoded.slice(shift === 0 ? 0 : 4, -2);
}

function hits(secret: string, text: string): string[] {
  return formsOf(secret)
    .filter((form) => text.includes(form))
    .map((form) => {
      const at = text.indexOf(form);
      return JSON.stringify(text.slice(Math.max(0, at - 80), at + 40));
    });
}

describe('a secret is in no line of the log, no answer, no table, no metric:', () => {
  const all = { ...SECRETS, token: reader.token, wrongToken: wrong.token };
  for (const [title, secret] of Object.entries(all)) {
    test(title, () => {
      expect(hits(secret, gateway.log())).toEqual([]);
      expect(hits(secret, answers)).toEqual([]);
      const own = ['headgate.json', join('secrets', 'meter')].map((name) => join(gateway.folder, name));
      const files = [...bytesUnder(gateway.folder)].filter(([path]) => !own.includes(path));
      expect(files.map(([path]) => path)).toContain(gateway.file);
      for (const [path, bytes] of files) expect([path, ...hits(secret, bytes)]).toEqual([path]);
    });
  }
});

test('the search finds a secret where there is one', () => {
  const config = readFileSync(join(gateway.folder, 'headgate.json'), 'utf8');
  for (const name of ['urlPassword', 'header', 'quoted', 'controlPassword'] as const) {
    expect(hits(SECRETS[name], config)).not.toEqual([]);
  }
  const basic = Buffer.from(`gateway:${SECRETS.urlPassword}`).toString('base64');
  expect(hits(SECRETS.urlPassword, `Basic ${basic}`)).not.toEqual([]);
  // What was searched tells of the failures.
  for (const source of ['echoed', 'broker', 'quoted', 'socket']) expect(gateway.log()).toContain(source);
  expect(answers).toContain('HG_LINK_REFUSED');
});

test('what records hold is in the tables of records and of dead letters, and nowhere else', () => {
  expect(hits(PAYLOAD, gateway.log())).toEqual([]);
  const tables = query(
    gateway.file,
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
  );
  const holding = tables
    .map(({ name }) => name as string)
    .filter((name) => hits(PAYLOAD, JSON.stringify(query(gateway.file, `SELECT * FROM ${name}`))).length > 0);
  expect(holding.sort()).toEqual(['dead_letters', 'records']);
  const letters = query(gateway.file, 'SELECT message FROM dead_letters');
  expect(letters.length).toBeGreaterThan(0);
  expect(hits(PAYLOAD, JSON.stringify(letters))).toEqual([]);
});

test('the configuration is shown with its secrets masked, and with everything else', async () => {
  const { json } = await gateway.ask({ path: '/api/config', ...asAdmin });
  const { document } = json as { document: { sources: Record<string, Record<string, unknown>> } };
  expect(document.sources['broker']).toMatchObject({ username: 'gw', password: '***', topics: 'a' });
  expect(document.sources['surroundings']).toMatchObject({ url: 'mqtt://***@127.0.0.1:1' });
  expect(document.sources['filed']?.['headers']).toMatchObject({ authorization: 'file:secrets/meter' });
});
