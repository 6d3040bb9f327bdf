/** Records a second through everything between a source and the exit, in memory; and through a bare loop that
 *  does the same arithmetic. */

import { setTimeout as wait } from 'node:timers/promises';
import { BATCH_RECORDS, batches, checkWork, convert, isWanted, loadedEngine, registerLoad } from './load.ts';

const SOURCES = 4;
const WARM_UP_MS = 2_000;
const WINDOW_MS = 1_000;
const LOOP_RECORDS = 4_000_000;

export interface Rates {
  readonly engine: number[];
  readonly loop: number[];
}

/** Measures engine and loop in turn, `runs` times. */
export async function measurePipeline(runs: number): Promise<Rates> {
  const rates: Rates = { engine: [], loop: [] };
  const engine = loadedEngine({ timeline: false });
  let sum = 0;
  engine.batches$.subscribe((batch) => {
    for (const { data } of batch) sum += (data as { fahrenheit: number }).fahrenheit;
  });
  await engine.start();
  await registerLoad(engine, SOURCES);
  await wait(WARM_UP_MS);
  loopRate();
  for (let run = 0; run < runs; run++) {
    const before = engine.report().admitted;
    const beganMs = performance.now();
    await wait(WINDOW_MS);
    rates.engine.push(((engine.report().admitted - before) / (performance.now() - beganMs)) * 1_000);
    // The loop holds the event loop: the engine stands still meanwhile.
    rates.loop.push(loopRate());
  }
  await engine.stop();
  checkWork(engine);
  if (!(sum > 0)) throw new Error('no record came out of the engine');
  return rates;
}

function loopRate(): number {
  let sum = 0;
  const beganMs = performance.now();
  for (let done = 0, next = 0; done < LOOP_RECORDS; done += BATCH_RECORDS) {
    const out = [];
    for (const reading of batches[next] ?? []) if (isWanted(reading)) out.push(convert(reading));
    for (const { fahrenheit } of out) sum += fahrenheit;
    next = (next + 1) % batches.length;
  }
  const ms = performance.now() - beganMs;
  if (!(sum > 0)) throw new Error('the loop did nothing');
  return (LOOP_RECORDS / ms) * 1_000;
}
