/** The two sides of the ingest benchmarks but for their transport: the sender's process, the engine, and the
 *  bare program's file. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { createIngest, type Ingest } from '../../src/http/ingest/ingest.ts';
import type { Principal } from '../../src/http/http-deps.ts';
import { SILENT_LOGGER } from '../../src/domain/logger.ts';
import { createEngine, pushSource } from '../../src/index.ts';
import { realClock } from '../../src/platform/real-clock.ts';
import { openWritable } from '../../storage/file/writable-database.ts';

const UPLOAD = fileURLToPath(new URL('../upload.ts', import.meta.url));

export interface IngestLoad {
  readonly kind: 'http' | 'ws';
  /** In requests, or messages. */
  readonly warmUp: number;
  readonly measured: number;
}

/** Lets the sender loose on a server; gives the seconds until its last answer. */
export async function sendTo(server: Server, { kind, warmUp, measured }: IngestLoad): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const args = [UPLOAD, kind, port, warmUp, measured].map(String);
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const [stdout, stderr, [exitCode]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  server.closeAllConnections();
  server.close();
  if (exitCode !== 0) throw new Error(`the sender ended with ${exitCode}: ${stderr}`);
  return Number(stdout);
}

export const SENDER: Principal = { name: 'bench', scopes: new Set(['ingest']), sources: null };

/** An engine with ingest before it, for as long as `work` takes. */
export async function withIngest(path: string, work: (ingest: Ingest) => Promise<number>): Promise<number> {
  const source = pushSource({ id: 'uploads' });
  const engine = createEngine({ timeline: { path } });
  const ingest = createIngest({
    pushSources: (address) => (address === 'uploads' ? source : undefined),
    limits: { ingestBytesMax: 1024 ** 3, depthMax: 64, socketsMax: 256, messagesPerSecondMax: 5_000 },
    clock: realClock,
    log: SILENT_LOGGER,
  });
  await engine.start();
  await engine.register(source);
  try {
    return await work(ingest);
  } finally {
    await ingest.close();
    await engine.stop();
  }
}

export interface BareLog {
  /** Stores lines, with all others that come in the same turn of the event loop in one transaction; calls
   *  back when they are stored. */
  store(lines: readonly string[], stored: () => void): void;
  close(): void;
}

/** The same table, indexes and pragmas as the engine's; a row a statement, in the one thread there is. */
export function bareLog(path: string): BareLog {
  const db = openWritable(path);
  const FULL = 2;
  if (db.pragma('synchronous', { simple: true }) !== FULL) throw new Error('synchronous is not FULL');
  const insert = db.prepare(
    `INSERT INTO records (tenant, source_id, incarnation, source_seq, dedup_key, at_ms, data, content_type, crc)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  let seq = 0;
  let waiting: { readonly lines: readonly string[]; readonly stored: () => void }[] = [];
  const write = db.transaction((batch: typeof waiting) => {
    const atMs = Date.now();
    for (const { lines } of batch) {
      for (const line of lines) insert.run('default', 'uploads', 1, ++seq, null, atMs, line, null, null);
    }
  });
  const flush = () => {
    const batch = waiting;
    waiting = [];
    write.immediate(batch);
    for (const { stored } of batch) stored();
  };
  return {
    store(lines, stored) {
      if (waiting.push({ lines, stored }) === 1) setImmediate(flush);
    },
    close: () => void db.close(),
  };
}
