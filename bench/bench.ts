/** What a benchmark is, and how the sides of one are measured. */

import type { Measured } from './result.ts';

export interface Bench {
  readonly name: string;
  /** The rows it prints. */
  readonly rows: readonly string[];
  /** Measures `runs` times. */
  measure(runs: number, options?: MeasureOptions): Promise<readonly Measured[]>;
}

export interface MeasureOptions {
  /** How long what takes its time is to be looked at, in the place of its own default. */
  readonly seconds?: number;
}

/** Measures each side once a round, one after the other: two at a time would take the machine from each
 *  other. Who goes first takes turns, so that none has always the warmer machine or the fuller disk. */
export async function inTurn<Sides extends readonly (() => Promise<unknown>)[]>(
  runs: number,
  ...sides: Sides
): Promise<{ readonly [Index in keyof Sides]: readonly Awaited<ReturnType<Sides[Index]>>[] }> {
  const figures: unknown[][] = sides.map(() => []);
  for (let run = 0; run < runs; run++) {
    for (let turn = 0; turn < sides.length; turn++) {
      const index = (run + turn) % sides.length;
      figures[index]?.push(await sides[index]?.());
    }
  }
  return figures as { [Index in keyof Sides]: Awaited<ReturnType<Sides[Index]>>[] };
}

export function skipped(what: Omit<Measured, 'values' | 'references'>, why: string): Measured {
  return { ...what, values: [], references: [], skipped: why };
}
