/** Reading a database without holding up whoever asks: the reader in a thread of its own, behind promises.
 *  The engine's API and live views ask here; the synchronous reader (timeline-reader.ts) serves programs that
 *  only read. */

import type { Row, TimelineFilter } from './timeline-reader.ts';

/** Without `limit` a page has at most LIMITS.historyRows rows: the first ones with `afterSeq`, the last ones
 *  without. More than LIMITS.historyRowsMax cannot be asked for. */
export type HistoryFilter = TimelineFilter;

/** Questions are answered in the order they were asked. Each rejects with HG_HISTORY_OVERLOADED where too
 *  many wait already, HG_ENGINE_STATE after the close, HG_STORAGE_NOT_FOUND while there is no file, the other
 *  HG_STORAGE_ codes where the file cannot be read, and HG_OPTION_INVALID or HG_OPTION_UNKNOWN for a bad
 *  filter or time. */
export interface History {
  /** Rows of the timeline, in order of `seq`. */
  timeline(filter?: HistoryFilter): Promise<Row[]>;
  alerts(filter?: Omit<HistoryFilter, 'kind'>): Promise<Row[]>;
  sources(): Promise<Row[]>;
  sinks(): Promise<Row[]>;
  /** @throws HeadgateError HG_SOURCE_UNKNOWN for an actor without any row. */
  explain(actor: string, atMs?: number): Promise<Row[]>;
  /** `{ actor, tenant, state, since_ms, seq, incarnation }`, by actor. */
  stateAt(atMs: number): Promise<Row[]>;
  /** Ends the thread, after the questions that were asked before. Safe to call twice. */
  close(): Promise<void>;
}
