/** A real engine, a real file and a real server, for the tests of the API and for programs. */

import { mkdtempSync, rmSync } from 'node:fs';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HttpDeps, HttpLimits, HttpOptions, StoredToken } from '../../src/http/http-deps.ts';
import { createHttpServer, type HttpServer } from '../../src/http/http-server.ts';
import type { Clock } from '../../src/domain/clock.ts';
import { hashOf } from '../../src/http/token-text.ts';
import { createEngine, type Engine } from '../../src/index.ts';
import { realClock } from '../../src/platform/real-clock.ts';
import { openHistory } from '../../storage/reading/open-history.ts';
import { smallGateway, type SmallGateway } from './small-gateway.ts';

export const LIMITS_OF_TESTS: HttpLimits = {
  bodyBytesMax: 64 * 1024,
  ingestBytesMax: 1024 * 1024,
  headerBytesMax: 16 * 1024,
  depthMax: 32,
  connectionsMax: 2_000,
  connectionsPerAddressMax: 2_000,
  requestsPerSecondMax: 100_000,
  failedLoginsPerMinuteMax: 1_000,
  requestTimeoutMs: 30_000,
  uploadBytesPerSecondMin: 128,
  liveClientsMax: 2_500,
  liveClientBytesMax: 256 * 1024,
  socketsMax: 128,
  messagesPerSecondMax: 5_000,
};

export interface LogLine {
  readonly level: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

export interface RigOptions extends Partial<Omit<HttpOptions, 'limits'>> {
  readonly limits?: Partial<HttpLimits>;
  readonly tokens?: readonly StoredToken[];
  readonly observeRequest?: HttpDeps['observeRequest'];
  /** Of the server. */
  readonly clock?: Clock;
}

export interface HttpRig {
  readonly url: string;
  readonly port: number;
  readonly file: string;
  readonly engine: Engine;
  readonly gateway: SmallGateway;
  readonly server: HttpServer;
  readonly lines: LogLine[];
  /** The tokens; may be changed. */
  tokens: readonly StoredToken[];
  /** `GET /api/…` as a caller does, body parsed. */
  ask(path: string, init?: AskInit): Promise<Answered>;
  close(): Promise<void>;
}

export interface AskInit {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON unless it is text. */
  readonly body?: unknown;
  readonly token?: string;
}

export interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON; undefined where it is none. */
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers of many shapes
  readonly json: any;
}

/** To be closed by who opens it. */
export async function openRig({
  limits,
  tokens = [],
  observeRequest,
  clock = realClock,
  ...options
}: RigOptions = {}): Promise<HttpRig> {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-http-'));
  const file = join(folder, 'edge.db');
  const lines: LogLine[] = [];
  const at = (level: string) => (fields: object, message: string) =>
    void lines.push({ level, fields: fields as LogLine['fields'], message });
  const log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  const engine = createEngine({ timeline: { path: file }, logger: log });
  await engine.start();
  const history = openHistory(file);
  const gateway = smallGateway(engine, realClock.wallMs());
  const rig: { tokens: readonly StoredToken[] } = { tokens };
  const deps: HttpDeps = {
    ...{ gateway, history, log, clock },
    tokens: () => rig.tokens,
    ...(observeRequest === undefined ? {} : { observeRequest }),
    pushSources: (address) => gateway.pushSource(address),
    metrics: async () => ({ contentType: 'text/plain; version=0.0.4; charset=utf-8', text: 'up 1\n' }),
    options: {
      ...{ host: '127.0.0.1', port: 0, tls: null, allowedHosts: [], allowedOrigins: [] },
      ...{ allowOpen: false, allowPlaintext: false, ...options },
      limits: { ...LIMITS_OF_TESTS, ...limits },
    },
  };
  const server = createHttpServer(deps);
  const { url, port } = await server.listen().catch(async (error: unknown) => {
    await server.close();
    await engine.stop();
    rmSync(folder, { recursive: true, force: true });
    throw error;
  });
  return Object.assign(rig, {
    ...{ url, port, file, engine, gateway, server, lines },
    ask: (path: string, init?: AskInit) => ask(url, path, init),
    async close() {
      await server.close({ deadlineMs: 1_000 });
      await engine.stop({ deadlineMs: 1_000 });
      await history.close();
      rmSync(folder, { recursive: true, force: true });
    },
  });
}

export async function ask(
  url: string,
  path: string,
  { method = 'GET', headers = {}, body, token }: AskInit = {},
): Promise<Answered> {
  const response = await fetch(url + path, {
    method,
    headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: jsonOf(text) };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A request with headers that fetch would not send. */
export function rawAsk(
  rig: { readonly port: number },
  options: { method?: string; path?: string; headers?: Record<string, string>; body?: string },
): Promise<{ status: number; headers: IncomingHttpHeaders; text: string }> {
  const { method = 'GET', path = '/healthz', headers = {}, body } = options;
  return new Promise((resolve, reject) => {
    const sent = httpRequest({ host: '127.0.0.1', port: rig.port, method, path, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
      );
      response.on('error', reject);
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

/** A token as the configuration keeps it. */
export function stored(token: string, more: Partial<StoredToken> = {}): StoredToken {
  return { name: token, hash: hashOf(token), scopes: ['admin'], expiresAtMs: null, sources: null, ...more };
}
