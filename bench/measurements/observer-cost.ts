/** What the timeline costs the data plane: records a second with it and without it, while sources are paused
 *  and resumed at the pace of a busy gateway. */

import { setTimeout as wait } from 'node:timers/promises';
import type { Engine } from '../../src/index.ts';
import { sourceIds, registerAll } from './many-sources.ts';
import { checkWork, loadedEngine, registerLoad } from './load.ts';
import { scratchFolder } from './scratch.ts';

const LOAD_SOURCES = 4;
/** Sources beside the load, whose lives are told. */
const OTHER_SOURCES = 200;
/** Each of them changes its state every ten seconds, far more often than links of a gateway do: one command
 *  pauses a source, the next lets it go on. Each makes three rows. */
const COMMAND_EVERY_MS = 50;
const WARM_UP_MS = 500;
const WINDOW_MS = 1_500;

export interface ObserverRates {
  readonly on: number[];
  readonly off: number[];
  /** Rows the timeline took per second. */
  readonly rows: number[];
}

/** Measures both in turn, `runs` times, each on an engine of its own; who goes first takes turns, too. */
export async function measureObserverCost(runs: number): Promise<ObserverRates> {
  using scratch = scratchFolder();
  const rates: ObserverRates = { on: [], off: [], rows: [] };
  const measureOn = async () => {
    const { records, rows } = await measure(loadedEngine({ timeline: { path: scratch.nextFile() } }));
    rates.on.push(records);
    rates.rows.push(rows);
  };
  const measureOff = async () => {
    rates.off.push((await measure(loadedEngine({ timeline: false }))).records);
  };
  await measure(loadedEngine({ timeline: { path: scratch.nextFile() } }));
  await measure(loadedEngine({ timeline: false }));
  for (let run = 0; run < runs; run++) {
    await (run % 2 === 0 ? measureOn() : measureOff());
    await (run % 2 === 0 ? measureOff() : measureOn());
  }
  return rates;
}

async function measure(engine: Engine): Promise<{ records: number; rows: number }> {
  let rows = 0;
  engine.transitions$.subscribe(() => rows++);
  const ids = sourceIds(OTHER_SOURCES);
  await engine.start();
  await registerAll(engine, ids);
  await registerLoad(engine, LOAD_SOURCES);
  const commands = giveCommands(engine, ids);
  try {
    await wait(WARM_UP_MS);
    const before = { records: engine.report().admitted, rows };
    const beganMs = performance.now();
    await wait(WINDOW_MS);
    const seconds = (performance.now() - beganMs) / 1_000;
    return {
      records: (engine.report().admitted - before.records) / seconds,
      rows: (rows - before.rows) / seconds,
    };
  } finally {
    clearInterval(commands);
    await engine.stop();
    checkWork(engine);
  }
}

/** Pauses source after source and lets each go on again. */
function giveCommands(engine: Engine, ids: readonly string[]): NodeJS.Timeout {
  let given = 0;
  return setInterval(() => {
    const id = ids[(given >> 1) % ids.length] as string;
    engine.send(given % 2 === 0 ? { type: 'registry.pause', id } : { type: 'registry.resume', id });
    given++;
  }, COMMAND_EVERY_MS);
}
