/** A fault: what is done to the engine, what is promised for it, and what was seen. */

import type { Field, Settled } from '../rig/field.ts';

/** How long and how often: `short` runs within the tests, `long` by command. */
export type Scale = 'short' | 'long';

export interface FaultRun {
  readonly scale: Scale;
  readonly seed: number;
}

type Fact = number | string | boolean | null;
export type Observed = Readonly<Record<string, Fact>>;
/** A fact as it must be, or its bounds. */
export type Expected = Readonly<
  Record<string, Fact | { readonly atMost: number } | { readonly atLeast: number }>
>;

export interface Fault {
  readonly name: string;
  /** What is done, and what comes of it, as a sentence about the engine. */
  readonly title: string;
  readonly expected: Expected;
  /** Why it cannot be brought about here; undefined where it can. */
  readonly unavailable?: () => string | undefined;
  run(run: FaultRun): Promise<Observed>;
}

/** What must hold after every fault that leaves the disk whole. */
export const SAFE = {
  lost: 0,
  stuck: 0,
  duplicates: 0,
  altered: 0,
  damage: 0,
  strayAcks: 0,
  isAlive: true,
  exitCode: 0,
  acknowledged: { atLeast: 1 },
} as const satisfies Expected;

/** And where nothing was done to the broker, it keeps its word as well. */
export const SAFE_WITH_BROKER = { ...SAFE, brokerLost: 0 } as const satisfies Expected;

export function factsOf(settled: Settled): Observed {
  const { lost, stuck, brokerLost, duplicates, altered, damage, ...rest } = settled;
  return {
    ...rest,
    lost: lost.length,
    stuck: stuck.length,
    brokerLost: brokerLost.length,
    duplicates: duplicates.length,
    altered: altered.length,
    damage: damage.length,
  };
}

/** Where what was seen is not what is promised. */
export function differences(expected: Expected, observed: Observed): string[] {
  return Object.entries(expected).flatMap(([name, wanted]) => {
    const found = observed[name];
    return meets(found, wanted) ? [] : [`${name} is ${String(found)}, not ${describeFact(wanted)}`];
  });
}

export function describeFact(wanted: Expected[string]): string {
  if (wanted === null || typeof wanted !== 'object') return String(wanted);
  return 'atMost' in wanted ? `at most ${wanted.atMost}` : `at least ${wanted.atLeast}`;
}

function meets(found: Fact | undefined, wanted: Expected[string]): boolean {
  if (wanted === null || typeof wanted !== 'object') return found === wanted;
  if (typeof found !== 'number') return false;
  return 'atMost' in wanted ? found <= wanted.atMost : found >= wanted.atLeast;
}

/** Resolves when the engine has acknowledged so many more messages. */
export function moreAcks(field: Field, count: number): () => boolean {
  const from = field.ledger.acknowledged.size;
  return () => field.ledger.acknowledged.size >= from + count;
}
