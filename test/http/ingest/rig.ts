/** A real server with ingest alone, in front of a real engine and a real file. */

import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import Database from 'better-sqlite3';
import { onTestFinished } from 'vitest';
import { createIngest } from '../../../src/http/ingest/ingest.ts';
import type { IngestDeps } from '../../../src/http/ingest/ingest-deps.ts';
import type { IngestAnswer } from '../../../src/http/ingest/upload-result.ts';
import type { Principal, Scope } from '../../../src/http/http-deps.ts';
import { SILENT_LOGGER } from '../../../src/domain/logger.ts';
import { realClock } from '../../../src/platform/real-clock.ts';
import {
  createEngine,
  pushSource,
  type CreateEngineOptions,
  type Engine,
  type PushSource,
} from '../../../src/index.ts';

export interface IngestRig {
  readonly engine: Engine;
  readonly file: string;
  readonly origin: string;
  readonly server: http.Server;
  readonly source: PushSource;
  /** Posts a body to the source `line3`, unless `to` says otherwise. */
  post(body: Body | null, options?: PostOptions): Promise<Answer>;
  /** Who asks; may be changed, as a reload would. */
  readonly rights: { principal: Principal | null };
  /** Data of what is stored, in order. */
  stored(): unknown[];
  /** Ends server and engine; the file stays. */
  close(): Promise<void>;
}

type Body = string | Uint8Array<ArrayBuffer> | ReadableStream;

export interface PostOptions {
  readonly type?: string;
  readonly to?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: IngestAnswer & { readonly code?: string; readonly detail?: string };
}

export interface RigOptions {
  readonly engine?: Omit<CreateEngineOptions, 'timeline'>;
  readonly source?: Omit<Parameters<typeof pushSource>[0], 'id'>;
  readonly deps?: Partial<IngestDeps>;
  readonly principal?: Principal;
  /** A file of a rig that was closed. */
  readonly file?: string;
  /** Whether the source is registered. */
  readonly isRegistered?: boolean;
}

export const INGEST_LIMITS: IngestDeps['limits'] = {
  ...{ ingestBytesMax: 1024 ** 3, depthMax: 64 },
  ...{ socketsMax: 128, messagesPerSecondMax: 5_000 },
};

export function principalWith(scopes: readonly Scope[], sources: readonly string[] | null = null): Principal {
  return { name: 'tester', scopes: new Set(scopes), sources };
}

export function scratchFile(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'headgate-ingest-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return path.join(folder, 'edge.db');
}

export async function ingestRig(options: RigOptions = {}): Promise<IngestRig> {
  const { principal = principalWith(['ingest']), isRegistered = true } = options;
  const rights: IngestRig['rights'] = { principal };
  const file = options.file ?? scratchFile();
  const engine = createEngine({ logger: SILENT_LOGGER, ...options.engine, timeline: { path: file } });
  const source = pushSource({ id: 'line3', ...options.source });
  await engine.start();
  if (isRegistered) await engine.register(source);
  const ingest = createIngest({
    pushSources: (address) => (address === 'line3' ? source : undefined),
    limits: INGEST_LIMITS,
    clock: realClock,
    log: SILENT_LOGGER,
    ...options.deps,
  });
  const handle = (request: http.IncomingMessage, response: http.ServerResponse) => {
    const [, id = ''] = /^\/api\/ingest\/([^?]+)/.exec(request.url ?? '') ?? [];
    void ingest.handle(request, response, principal, decodeURIComponent(id));
  };
  const server = http.createServer(handle).on('checkContinue', handle);
  server.on('upgrade', (request, socket, head) => {
    const [, id = ''] = /^\/api\/ingest\/([^?]+)/.exec(request.url ?? '') ?? [];
    ingest.upgrade(request, socket, head, () => rights.principal, decodeURIComponent(id));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  let isClosed = false;
  const close = async () => {
    if (isClosed) return;
    isClosed = true;
    await ingest.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await engine.stop({ deadlineMs: 5_000 });
  };
  onTestFinished(close);
  return {
    ...{ engine, file, origin, server, source, rights, close },
    async post(body, { type = 'application/x-ndjson', to = 'line3', headers = {}, signal } = {}) {
      const response = await fetch(`${origin}/api/ingest/${encodeURIComponent(to)}`, {
        ...{ method: 'POST', body, headers: { 'content-type': type, ...headers } },
        ...(signal === undefined ? {} : { signal }),
        ...(body instanceof ReadableStream ? { duplex: 'half' } : {}),
      });
      return {
        ...{ status: response.status, headers: response.headers },
        body: (await response.json()) as Answer['body'],
      };
    },
    stored: () => storedIn(file),
  };
}

export function storedIn(file: string): unknown[] {
  const db = new Database(file, { readonly: true });
  try {
    const rows = db.prepare('SELECT data FROM records ORDER BY seq').pluck().all() as string[];
    return rows.map((text) => JSON.parse(text) as unknown);
  } finally {
    db.close();
  }
}

/** Waits until it holds; long, since a loaded machine must not fail anybody. */
export async function until(holds: () => boolean, what: string): Promise<void> {
  const untilMs = performance.now() + 30_000;
  while (!holds()) {
    if (performance.now() > untilMs) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
