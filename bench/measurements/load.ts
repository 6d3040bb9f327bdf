/** A load without a transport: sources that hand in the same batches of readings again and again, as fast as
 *  the engine takes them, and the stages they go through. */

import { createEngine, defineSource, filter, transform } from '../../src/index.ts';
import type { CreateEngineOptions, Engine, IngestRecord } from '../../src/index.ts';

export interface Reading {
  readonly n: number;
  readonly celsius: number;
}

interface Converted {
  readonly n: number;
  readonly fahrenheit: number;
}

export const BATCH_RECORDS = 256;
const BATCHES = 64;

/** Readings from 0 to 99.9 °C, every tenth below what the filter lets through. */
export const batches: readonly (readonly Reading[])[] = Array.from({ length: BATCHES }, (_, batch) =>
  Array.from({ length: BATCH_RECORDS }, (_, index) => {
    const n = batch * BATCH_RECORDS + index;
    return { n, celsius: ((n * 7_919) % 1_000) / 10 };
  }),
);

export function isWanted({ celsius }: Reading): boolean {
  return celsius >= 10;
}

export function convert({ n, celsius }: Reading): Converted {
  return { n, fahrenheit: celsius * 1.8 + 32 };
}

/** Hands in batch after batch while there is room. */
export const loadSource = defineSource({
  type: 'load',
  stream: async (io) => {
    for (let next = 0; !io.signal.aborted; next = (next + 1) % BATCHES) {
      if (!io.emitAll(batches[next] as readonly Reading[])) await io.room();
    }
  },
});

const readingOf = (record: IngestRecord) => record.data as Reading;

/** An engine with everything between outlet and exit: detector, limiter, filter, transform. Limits are far
 *  above what comes, so that every record passes and each is counted. */
export function loadedEngine(options: Pick<CreateEngineOptions, 'timeline'>): Engine {
  return createEngine({
    ...options,
    records: { keep: false },
    rateLimit: { recordsPerSecondMax: 1_000_000_000 },
    burst: { thresholdRecords: 1_000_000_000, windowMs: 500 },
    stages: [
      filter((record) => isWanted(readingOf(record))),
      transform((record) => convert(readingOf(record))),
    ],
  });
}

export async function registerLoad(engine: Engine, sources: number): Promise<void> {
  for (let index = 1; index <= sources; index++) {
    await engine.register(loadSource({ id: `load-${index}` }));
  }
}

/** Makes sure that the engine did the work it is measured by.
 *  @throws Error where records were lost, refused or not gone through the stages. */
export function checkWork(engine: Engine): void {
  const { admitted, dropped, delivered, stages } = engine.report();
  const [filtering, converting] = stages;
  const isWhole =
    admitted > 0 &&
    dropped === 0 &&
    filtering?.in === admitted &&
    filtering.filtered > 0 &&
    converting?.in === filtering.out &&
    converting.out === delivered &&
    converting.failed === 0;
  if (!isWhole) throw new Error(`the records were not all worked on: ${JSON.stringify(engine.report())}`);
}
