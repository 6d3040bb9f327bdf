/** Reading a database afterwards, or while an engine writes it. */

import type { TimelineKind } from '../../src/domain/timeline.ts';

/** Rows come back with the column names of the tables (`seq, run, at_ms, …`), JSON columns parsed. */
export interface TimelineFilter {
  /** `plc-7` or `tenant/plc-7` or the name of an engine actor. */
  readonly actor?: string;
  readonly kind?: TimelineKind;
  /** `link.opened`, `BURST`, … */
  readonly event?: string;
  /** Epoch milliseconds, both included. */
  readonly sinceMs?: number;
  readonly untilMs?: number;
  /** Rows with a greater `seq` only. */
  readonly afterSeq?: number;
  /** Rows with a smaller `seq` only: with `limit`, the page before. */
  readonly beforeSeq?: number;
  /** At most so many rows; the last ones, in order of `seq`. With `afterSeq`, the first ones. */
  readonly limit?: number;
}

export type Row = Record<string, unknown>;

export interface TimelineReader {
  timeline(filter?: TimelineFilter): Row[];
  alerts(filter?: Omit<TimelineFilter, 'kind'>): Row[];
  sources(): Row[];
  /** The columns of the table `sinks`, then `reads` (the log a sink reads), `cursor` (the last `seq` it is
   *  done with) and `lag_records` (rows of that log behind it); these three are null where it left no cursor.
   *  */
  sinks(): Row[];
  /** The chain of causes that led to the state `actor` is in, or was in at `atMs`: timeline rows, the first
   *  cause first, the row that made the state last. Empty where the actor had no row yet at `atMs`.
   *  @throws HeadgateError HG_SOURCE_UNKNOWN for an actor without any row. */
  explain(actor: string, atMs?: number): Row[];
  /** The state of every actor at a time: `{ actor, tenant, state, since_ms, seq, incarnation }`, by actor. */
  stateAt(atMs: number): Row[];
  close(): void;
}
