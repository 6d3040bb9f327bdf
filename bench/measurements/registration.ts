/** How long it takes to register many sources by message and to deregister them all. */

import { createEngine } from '../../src/index.ts';
import { median } from '../result.ts';
import { sourceIds, deregisterAll, registerAll } from './many-sources.ts';
import { heapBytes } from './heap.ts';
import { scratchFolder, type Scratch } from './scratch.ts';

export interface RegistrationFigures {
  readonly sources: number;
  readonly registerMs: number;
  readonly deregisterMs: number;
}

const WARM_UP_SOURCES = 500;
/** A small crowd is quickly measured and easily disturbed: its median of so many counts. */
const SMALL_RUNS = 5;

/** Measures a small and a large crowd, each on a fresh engine with its timeline in a file, after a warm-up.
 */
export async function measureRegistration(
  small: number,
  large: number,
): Promise<{ small: RegistrationFigures; large: RegistrationFigures }> {
  using scratch = scratchFolder();
  for (let round = 0; round < 3; round++) await registerAndDeregister(scratch, WARM_UP_SOURCES);
  const smalls: RegistrationFigures[] = [];
  for (let round = 0; round < SMALL_RUNS; round++) smalls.push(await registerAndDeregister(scratch, small));
  return {
    small: {
      sources: small,
      registerMs: median(smalls.map(({ registerMs }) => registerMs)),
      deregisterMs: median(smalls.map(({ deregisterMs }) => deregisterMs)),
    },
    large: await registerAndDeregister(scratch, large),
  };
}

async function registerAndDeregister(scratch: Scratch, sources: number): Promise<RegistrationFigures> {
  // The engine before it leaves nothing to be collected at this one's cost.
  heapBytes();
  const engine = createEngine({ timeline: { path: scratch.nextFile() } });
  await engine.start();
  const ids = sourceIds(sources);
  const beganMs = performance.now();
  await registerAll(engine, ids);
  const registeredMs = performance.now();
  await deregisterAll(engine, ids);
  const deregisteredMs = performance.now();
  const left = engine.activeSources().length;
  await engine.stop();
  if (left > 0) throw new Error(`${left} sources run although they were deregistered`);
  return { sources, registerMs: registeredMs - beganMs, deregisterMs: deregisteredMs - registeredMs };
}
