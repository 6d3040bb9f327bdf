/** How much of the heap one waiting source takes. */

import { createEngine } from '../../src/index.ts';
import { sourceIds, deregisterAll, registerAll } from './many-sources.ts';
import { heapBytes } from './heap.ts';
import { scratchFolder } from './scratch.ts';
import { countStoredRows } from './stored-rows.ts';

const WARM_UP_SOURCES = 500;

/** Bytes a source of `sources` that all run, once their rows are stored. */
export async function measureSourceBytes(sources: number): Promise<number> {
  using scratch = scratchFolder();
  const engine = createEngine({ timeline: { path: scratch.nextFile() } });
  const streaming = countStoredRows(
    engine,
    ({ toState, kind }) => kind !== 'ended' && toState === 'streaming',
  );
  await engine.start();
  const warmUp = sourceIds(WARM_UP_SOURCES);
  await registerAll(engine, warmUp);
  await deregisterAll(engine, warmUp);
  await streaming.reach(WARM_UP_SOURCES);
  const beforeBytes = heapBytes();
  await registerAll(engine, sourceIds(sources, WARM_UP_SOURCES + 1));
  await streaming.reach(WARM_UP_SOURCES + sources);
  const bytes = (heapBytes() - beforeBytes) / sources;
  await engine.stop();
  return bytes;
}
