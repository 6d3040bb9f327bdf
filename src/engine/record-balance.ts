/** The balance of one run: every record that came in has come to one end, or waits. What is counted here are
 *  events; nothing is derived from the sources that happen to be registered at the end. */

import type { ErrorFacts } from '../domain/errors.ts';

/** `received` is the sum of all the others, where no stage of the user's makes more or fewer records of
 *  those it gets. */
export interface RecordBalance {
  /** Records and undecodable payloads that sources brought, dead letters that were tried again, and records
   *  that waited on disk from an earlier run. */
  readonly received: number;
  /** Stored; where nothing is stored, those that passed the last stage. */
  readonly stored: number;
  /** Left out by a stage. */
  readonly filtered: number;
  /** Dropped by a limit, a full outlet or a full queue between stages. */
  readonly dropped: number;
  /** Kept as dead letters, those of sinks left out: their records are stored. */
  readonly deadLettered: number;
  /** Came to no end: a deadline was over, or the database failed. */
  readonly lost: number;
  /** In outlets, between stages, on their way to the database, and on disk (`spill`). */
  readonly waiting: number;
}

/** As it is before the first start. */
export const NO_BALANCE: RecordBalance = {
  ...{ received: 0, stored: 0, filtered: 0, dropped: 0, deadLettered: 0, lost: 0, waiting: 0 },
};

export interface UnwrittenRows {
  readonly rows: number;
  /** The last reason; null where there was none. */
  readonly error: ErrorFacts | null;
}

export const NOTHING_UNWRITTEN: UnwrittenRows = { rows: 0, error: null };

/** Counts of events. */
export class BalanceCounts {
  received = 0;
  dropped = 0;
  deadLettered = 0;
}
