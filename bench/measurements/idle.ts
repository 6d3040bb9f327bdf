/** Memory and CPU of an engine with idle sources: one half waits to be pushed to, the other reads
 *  once an hour. */

import { setTimeout as wait } from 'node:timers/promises';
import { createEngine, pushSource, simulatedSource } from '../../src/index.ts';
import { scratchFolder } from './scratch.ts';

export interface IdleOptions {
  readonly sources: number;
  /** Before it is looked at: the registration is over, and what it left is collected. */
  readonly restSeconds: number;
  readonly seconds: number;
}

export interface IdleFigures {
  /** Memory of the process, as the system counts it, at the end. */
  readonly rssMb: number;
  /** Of one core, all threads. */
  readonly cpuPercent: number;
}

const INTERVAL_MS = 3_600_000;

export async function measureIdle({ sources, restSeconds, seconds }: IdleOptions): Promise<IdleFigures> {
  using scratch = scratchFolder();
  const engine = createEngine({ timeline: { path: scratch.nextFile() } });
  await engine.start();
  const registrations = Array.from({ length: sources }, (_, index) => {
    const id = `sensor-${index}`;
    return engine.register(
      index % 2 === 0 ? pushSource({ id }) : simulatedSource({ id, intervalMs: INTERVAL_MS }),
    );
  });
  await Promise.all(registrations);
  while (engine.health().some(({ state }) => state !== 'streaming')) await wait(10);
  await wait(restSeconds * 1_000);
  const before = process.cpuUsage();
  const beganMs = performance.now();
  await wait(seconds * 1_000);
  const { user, system } = process.cpuUsage(before);
  const cpuPercent = (user + system) / 10 / (performance.now() - beganMs);
  const rssMb = process.memoryUsage.rss() / 1_000_000;
  await engine.stop();
  return { rssMb, cpuPercent };
}
