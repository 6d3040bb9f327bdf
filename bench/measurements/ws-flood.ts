/** Cost of a flood of hostile connections for other clients: the time from push to commit at a steady
 *  pace, while the attacker, a process of its own, is at the engine, and while it is at another's server,
 *  which takes as much of the machine; and what memory it takes. */

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { createEngine, pushSource } from '../../src/index.ts';
import { createIngest } from '../../src/http/ingest/ingest.ts';
import { SILENT_LOGGER } from '../../src/domain/logger.ts';
import { realClock } from '../../src/platform/real-clock.ts';
import { SENDER } from './ingest-peer.ts';
import { pace, percentiles } from './latency.ts';
import { readingAt } from './readings.ts';
import { scratchFolder } from './scratch.ts';

const FLOOD = fileURLToPath(new URL('../flood.ts', import.meta.url));
const TARGET = fileURLToPath(new URL('../flood-target.ts', import.meta.url));

export interface WsFloodOptions {
  readonly recordsPerSecond: number;
  readonly windowMs: number;
  /** Between one abuse and the next. */
  readonly pauseMs: number;
}

export interface WsFloodFigures {
  /** While the attacker is at another's server. */
  readonly elsewhereP99Ms: number;
  readonly floodedP99Ms: number;
  readonly growthMb: number;
}

export async function measureWsFlood(options: WsFloodOptions): Promise<WsFloodFigures> {
  using scratch = scratchFolder();
  const engine = createEngine({ timeline: { path: scratch.nextFile() } });
  const source = pushSource({ id: 'paced', pendingMax: 1_000_000 });
  const target = pushSource({ id: 'uploads' });
  await engine.start();
  await engine.register(source);
  await engine.register(target);
  const ingest = createIngest({
    pushSources: (address) => (address === 'uploads' ? target : undefined),
    limits: { ingestBytesMax: 1024 ** 3, depthMax: 64, socketsMax: 256, messagesPerSecondMax: 5_000 },
    clock: realClock,
    log: SILENT_LOGGER,
  });
  const server = createServer(
    (request, response) => void ingest.handle(request, response, SENDER, 'uploads'),
  );
  server.on('upgrade', (request, socket, head) =>
    ingest.upgrade(request, socket, head, () => SENDER, 'uploads'),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  const waitsMs = async () => {
    const waits: number[] = [];
    await pace(options, async (index) => {
      const pushedMs = performance.now();
      await source.push(readingAt(index));
      waits.push(performance.now() - pushedMs);
    });
    return percentiles(waits).p99Ms;
  };
  await waitsMs();
  const neighbour = await startTarget();
  const elsewhereP99Ms = await beside(neighbour.port, options.pauseMs, waitsMs);
  neighbour.child.kill('SIGKILL');
  const beforeBytes = process.memoryUsage.rss();
  const floodedP99Ms = await beside(port, options.pauseMs, waitsMs);
  const growthMb = (process.memoryUsage.rss() - beforeBytes) / 1_000_000;
  server.closeAllConnections();
  server.close();
  await ingest.close({ deadlineMs: 1_000 });
  await engine.stop();
  return { elsewhereP99Ms, floodedP99Ms, growthMb };
}

/** What `measure` gives while an attacker is at the server of this port. */
async function beside(port: number, pauseMs: number, measure: () => Promise<number>): Promise<number> {
  const attacker = spawn(process.execPath, [FLOOD, String(port), String(pauseMs)], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await once(attacker.stdout, 'data');
  const figure = await measure();
  if (attacker.exitCode !== null) throw new Error('the attacker ended by itself');
  const ended = once(attacker, 'close');
  attacker.kill('SIGKILL');
  await ended;
  return figure;
}

async function startTarget(): Promise<{ port: number; child: ChildProcess }> {
  const child = spawn(process.execPath, [TARGET], { stdio: ['ignore', 'pipe', 'ignore'] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return { port: Number(line.toString()), child };
}
