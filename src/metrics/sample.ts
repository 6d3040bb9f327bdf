/** Values of metrics, as plain data. */

export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  readonly labels: Labels;
  /** Finite. */
  readonly value: number;
}

/** A histogram as Prometheus has them: cumulative. */
export interface HistogramSample {
  readonly labels: Labels;
  /** Upper bounds, rising. */
  readonly bounds: readonly number[];
  /** `counts[i]` observations were no larger than `bounds[i]`. */
  readonly counts: readonly number[];
  /** All observations. */
  readonly count: number;
  readonly sum: number;
}
