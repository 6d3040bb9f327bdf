/** A crowd of simulated sources that are registered and wait: what an engine with many sensors holds. */

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Engine } from '../../src/index.ts';
import { simulatedSource } from '../../src/index.ts';

/** Each source reads once a minute: none gives a record while it is measured, each holds a timer. */
const INTERVAL_MS = 60_000;

export function sourceIds(count: number, first = 1): string[] {
  return Array.from({ length: count }, (_, index) => `sensor-${first + index}`);
}

/** Registers a source for each id, by message, and waits until the health of every one says that it runs. */
export async function registerAll(engine: Engine, ids: readonly string[]): Promise<void> {
  await Promise.all(ids.map((id) => engine.register(simulatedSource({ id, intervalMs: INTERVAL_MS }))));
  while (!areStreaming(engine, new Set(ids))) await nextTurn();
}

function areStreaming(engine: Engine, wanted: ReadonlySet<string>): boolean {
  let streaming = 0;
  for (const { sourceId, state } of engine.health()) {
    if (state === 'streaming' && wanted.has(sourceId)) streaming++;
  }
  return streaming === wanted.size;
}

/** Takes them out again and waits until each has ended. */
export async function deregisterAll(engine: Engine, ids: readonly string[]): Promise<void> {
  await Promise.all(ids.map((id) => engine.deregister(id)));
}
