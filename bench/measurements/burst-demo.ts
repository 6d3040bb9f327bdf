/** How long ten virtual seconds of the burst demo take. */

import { pino } from 'pino';
import { run as runDemo } from '../../demos/burst.ts';
import { scratchFolder } from './scratch.ts';

const SILENT = pino({ level: 'silent' });

/** Wall milliseconds of each of `runs` runs, after two that warm up. */
export async function measureBurstDemo(runs: number): Promise<number[]> {
  using scratch = scratchFolder();
  const times: number[] = [];
  for (let run = -2; run < runs; run++) {
    const ms = await timeOf(scratch.nextFile());
    if (run >= 0) times.push(ms);
  }
  return times;
}

async function timeOf(db: string): Promise<number> {
  const beganMs = performance.now();
  const { ingested, alerts } = await runDemo({
    virtual: true,
    seed: 1,
    db,
    signal: new AbortController().signal,
    logger: SILENT,
    tell: () => {},
    watch: () => {},
  });
  const ms = performance.now() - beganMs;
  if (ingested === 0 || alerts.length === 0) throw new Error('the demo had no burst');
  return ms;
}
