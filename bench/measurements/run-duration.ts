/** How exactly `run({ durationMs })` keeps its duration. */

import { createEngine, simulatedSource } from '../../src/index.ts';
import { scratchFolder } from './scratch.ts';

/** Milliseconds between the duration asked for and the moment at which each of `runs` runs resolved, early or
 *  late. Each run has a source that emits every 10 ms and a timeline in a file. */
export async function measureRunDuration(runs: number, durationMs: number): Promise<number[]> {
  using scratch = scratchFolder();
  const offsMs: number[] = [];
  for (let run = 0; run < runs; run++) {
    const engine = createEngine({ timeline: { path: scratch.nextFile() } });
    void engine.register(simulatedSource({ id: 'clock', intervalMs: 10 }));
    const startedMs = performance.now();
    await engine.run({ durationMs });
    offsMs.push(Math.abs(performance.now() - startedMs - durationMs));
  }
  return offsMs;
}
