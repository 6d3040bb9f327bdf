/** How long what is stored stays: by age and by size, class by class. */

/** Null: no bound of that sort. */
export interface ClassRetention {
  readonly ageMsMax: number | null;
  /** Bytes of the rows of the class, about. */
  readonly bytesMax: number | null;
}

export interface RetentionOptions {
  readonly records: ClassRetention;
  readonly deadLetters: ClassRetention;
  readonly health: ClassRetention;
  /** Null: the timeline is kept for ever. */
  readonly timeline: {
    readonly ageMsMax: number;
    /** The folder to which rows are written, as NDJSON, before they are deleted. */
    readonly archiveFolder: string;
  } | null;
  /** The database file, free pages left out of account. Beyond it the oldest records go first, then dead
   *  letters, then health. Null: no bound but the disk. */
  readonly fileBytesMax: number | null;
  /** Records that a sink has not delivered: kept beyond their age and size, or deleted all the same. */
  readonly undelivered: 'keep' | 'delete';
}

/** How full the file may be before rows go for it: what comes between two looks needs room. */
export const FILLED_SHARE_MAX = 0.9;

const DAY_MS = 86_400_000;
const MIB = 1024 * 1024;

export const DEFAULT_RETENTION: RetentionOptions = {
  records: { ageMsMax: 7 * DAY_MS, bytesMax: null },
  deadLetters: { ageMsMax: 30 * DAY_MS, bytesMax: 256 * MIB },
  health: { ageMsMax: 7 * DAY_MS, bytesMax: 64 * MIB },
  timeline: null,
  fileBytesMax: null,
  undelivered: 'keep',
};
