/** What is left behind by sources that came and went. */

import { setImmediate as nextTurn, setTimeout as wait } from 'node:timers/promises';
import { queryObjects } from 'node:v8';
import { Actor } from 'xstate';
import { createEngine, type Clock, type Engine } from '../../src/index.ts';
import { sleepOn } from '../../src/domain/clock.ts';
import { realClock } from '../../src/platform/real-clock.ts';
import { sourceIds, deregisterAll, registerAll } from './many-sources.ts';
import { heapBytes } from './heap.ts';
import { scratchFolder } from './scratch.ts';
import { countStoredRows } from './stored-rows.ts';

export interface Holdings {
  readonly heapBytes: number;
  /** Timers the engine has set and that have neither fired nor been cleared. */
  readonly timers: number;
  /** Actors of any kind on the heap, whoever holds them. */
  readonly actors: number;
}

/** Sources that are there at a time. */
const ROUND_SOURCES = 100;
const WARM_UP_CYCLES = 2_000;
/** Longer than the engine gathers rows: its timers are then those that are always there. */
const QUIET_MS = 100;

/** What the engine holds before and after `cycles` sources, none named like another, came and went. */
export async function measureChurn(cycles: number): Promise<{ before: Holdings; after: Holdings }> {
  using scratch = scratchFolder();
  const clock = countingClock();
  const engine = createEngine({ timeline: { path: scratch.nextFile() }, clock });
  const ended = countStoredRows(engine, ({ kind }) => kind === 'ended');
  const holdings = async (): Promise<Holdings> => {
    await wait(QUIET_MS);
    return {
      heapBytes: heapBytes(),
      timers: clock.liveTimers,
      actors: queryObjects(Actor, { format: 'count' }),
    };
  };
  await engine.start();
  await churn(engine, 0, WARM_UP_CYCLES);
  await ended.reach(WARM_UP_CYCLES);
  const before = await holdings();
  await churn(engine, WARM_UP_CYCLES, cycles);
  await ended.reach(WARM_UP_CYCLES + cycles);
  const after = await holdings();
  await engine.stop();
  return { before, after };
}

async function churn(engine: Engine, first: number, cycles: number): Promise<void> {
  for (let done = 0; done < cycles; done += ROUND_SOURCES) {
    const ids = sourceIds(Math.min(ROUND_SOURCES, cycles - done), first + done);
    await registerAll(engine, ids);
    await deregisterAll(engine, ids);
    // Sources come and go by messages from outside, between which the event loop turns.
    await nextTurn();
  }
}

/** The real clock, and how many of its timers are pending. */
function countingClock(): Clock & { readonly liveTimers: number } {
  const live = new Set<unknown>();
  const clock = {
    ...realClock,
    setTimeout(callback: () => void, delayMs: number) {
      const handle = realClock.setTimeout(() => {
        live.delete(handle);
        callback();
      }, delayMs);
      live.add(handle);
      return handle;
    },
    clearTimeout(handle: unknown) {
      live.delete(handle);
      realClock.clearTimeout(handle);
    },
    sleep: (delayMs: number, signal?: AbortSignal) => sleepOn(clock, delayMs, signal),
    get liveTimers() {
      return live.size;
    },
  };
  return clock;
}
