/** Sources that flood an engine from within its own process and cannot be slowed: one may spill to disk, one
 *  drops what there is no room for. */

import { defineSource, z, type Engine } from '../../../src/index.ts';

const STEP_MS = 5;
const TEXT = 'headgate '.repeat(110);
/** Of one record, at least. */
export const FLOOD_RECORD_BYTES = TEXT.length;

const floodSource = defineSource({
  type: 'flood',
  options: { recordsPerSecond: z.custom<() => number>((value) => typeof value === 'function') },
  async stream(io, { recordsPerSecond }) {
    let n = 0;
    let due = 0;
    let lastMs = io.clock.monotonicMs();
    while (!io.signal.aborted) {
      const nowMs = io.clock.monotonicMs();
      due += (recordsPerSecond() * (nowMs - lastMs)) / 1_000;
      lastMs = nowMs;
      // The pace is kept whatever the engine does, and nothing is waited for: a field device does neither.
      for (; due >= 1; due--) void io.emit({ n: ++n, text: `${n} ${TEXT}` });
      await io.clock.sleep(STEP_MS, io.signal);
    }
  },
});

export interface FloodFacts {
  readonly produced: number;
  readonly dropped: number;
  /** Most that waited on disk. */
  readonly spilledMax: number;
}

export interface Flood {
  setRate(recordsPerSecond: number): void;
  facts(): FloodFacts;
}

const IDS = ['flood-spill', 'flood-drop'] as const;
const LOOK_EVERY_MS = 20;

export async function startFlood(engine: Engine): Promise<Flood> {
  let rate = 0;
  let spilledMax = 0;
  const recordsPerSecond = () => rate;
  await engine.register(
    floodSource({ id: IDS[0], recordsPerSecond, outlet: { overflow: 'spill', spillRecordsMax: 50_000 } }),
  );
  await engine.register(floodSource({ id: IDS[1], recordsPerSecond, outlet: { overflow: 'drop-oldest' } }));
  const healths = () => IDS.map((id) => engine.health(id));
  const look = () => {
    spilledMax = Math.max(spilledMax, ...healths().map(({ spilledRecords }) => spilledRecords));
  };
  setInterval(look, LOOK_EVERY_MS).unref();
  return {
    setRate(recordsEachSecond) {
      rate = recordsEachSecond;
    },
    facts() {
      look();
      const sum = (what: 'recordsProduced' | 'droppedCount') =>
        healths().reduce((total, health) => total + health[what], 0);
      return { produced: sum('recordsProduced'), dropped: sum('droppedCount'), spilledMax };
    },
  };
}
