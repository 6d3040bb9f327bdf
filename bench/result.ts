/** What a benchmark comes to: what was measured, and the row that is printed of it. */

export type Better = 'higher' | 'lower';

/** A benchmark's measurements, run by run. */
export interface Measured {
  readonly name: string;
  readonly unit: string;
  readonly values: readonly number[];
  /** What the values are held against, in the same unit. Where there is no natural other program it is the
   *  bound itself, once. */
  readonly references: readonly number[];
  readonly referenceName: string;
  readonly better: Better;
  readonly bound: Bound;
  /** Why nothing was measured; there are no values then. */
  readonly skipped?: string;
}

/** What is promised: of the value, in its unit, or of its ratio to the reference. */
export interface Bound {
  readonly of: 'value' | 'ratio';
  readonly limit: number;
  /** The row only tells; nothing is promised, but beyond the limit something is broken. */
  readonly isCeiling?: true;
}

/** One row as `--json` prints it. Value and reference are medians. */
export interface BenchRow {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly reference: number;
  readonly referenceName: string;
  readonly ratio: number;
  readonly better: Better;
  readonly bound: number;
  readonly met: boolean;
  /** Why nothing was measured: the numbers are 0 then, and the bound is not met. */
  readonly skipped?: string;
}

export function rowOf(measured: Measured): BenchRow {
  const { name, unit, referenceName, better, bound, skipped } = measured;
  if (skipped !== undefined) {
    const nothing = { value: 0, unit, reference: 0, referenceName, ratio: 0 };
    return { name, ...nothing, better, bound: bound.limit, met: false, skipped };
  }
  const value = rounded(median(measured.values));
  const reference = rounded(median(measured.references));
  const ratio = value / reference;
  const judged = bound.of === 'value' ? value : ratio;
  const met = better === 'higher' ? judged >= bound.limit : judged <= bound.limit;
  return { name, value, unit, reference, referenceName, ratio, better, bound: bound.limit, met };
}

/** Measurements that are held against nothing but their bound. */
export function againstBound(
  name: string,
  unit: string,
  values: readonly number[],
  limit: number,
  better: Better = 'lower',
): Measured {
  const bound = { of: 'value', limit } as const;
  return { name, unit, values, references: [limit], referenceName: 'the bound', better, bound };
}

/** @throws Error for no numbers at all. */
export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle];
  if (upper === undefined) throw new Error('the median of no numbers');
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
}

/** More digits than a measurement is worth are noise. */
function rounded(value: number): number {
  return Number(value.toPrecision(6));
}
