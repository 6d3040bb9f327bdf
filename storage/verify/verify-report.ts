/** Findings of a verification. The public types name this file: it needs no types of the database. */

export interface VerifyReport {
  /** Nothing was found wrong. */
  readonly ok: boolean;
  readonly timeline: {
    readonly rows: number;
    /** Null in an empty timeline. */
    readonly firstSeq: number | null;
    readonly lastSeq: number | null;
    /** Links of the hash chain, the anchor included; 0 in a file of a version that had none. */
    readonly links: number;
  };
  readonly records: ChecksumReport;
  /** Records that wait on disk for room in their outlet. */
  readonly spill: ChecksumReport;
  /** The first {@link PROBLEMS_MAX}. */
  readonly problems: readonly Problem[];
  readonly problemCount: number;
}

export interface ChecksumReport {
  readonly rows: number;
  /** Rows without a checksum: a version that wrote none stored them. */
  readonly unchecked: number;
  /** `seq` of the first {@link PROBLEMS_MAX} rows that do not fit their checksum. */
  readonly damaged: readonly number[];
  readonly damagedCount: number;
}

export interface Problem {
  /** `file`: the pages of the database. `numbers`: a number above those given out, or a cause after its
   *  effect. `chain`: timeline rows or their links. `mark`: the mark beside the file. */
  readonly where: 'file' | 'numbers' | 'chain' | 'records' | 'spill' | 'mark';
  /** Rows concerned, both ends included; null where it is not about rows. */
  readonly firstSeq: number | null;
  readonly lastSeq: number | null;
  readonly what: string;
}

export interface VerifyProgress {
  readonly step: 'file' | 'timeline' | 'records' | 'spill';
  /** Rows of the step read so far, and about how many there are. */
  readonly rows: number;
  readonly rowsTotal: number;
}

export const PROBLEMS_MAX = 100;

/** Gathers problems, the first of them word for word. */
export class ProblemList {
  readonly problems: Problem[] = [];
  count = 0;

  add(where: Problem['where'], what: string, firstSeq: number | null = null, lastSeq = firstSeq): void {
    this.count++;
    if (this.problems.length < PROBLEMS_MAX) this.problems.push({ where, firstSeq, lastSeq, what });
  }
}
