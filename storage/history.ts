/** Reading a database without holding up whoever asks: the reader in a thread of its own, behind promises.
 *  The engine's API and live views ask here; the synchronous reader (timeline-reader.ts) serves programs that
 *  only read. */

import type { Row, TimelineFilter } from './timeline-reader.ts';

export interface HistoryFilter extends TimelineFilter {
  /** Rows with a smaller `seq` only: with `limit`, the page before. */
  readonly beforeSeq?: number;
  /** Rows of this event only. */
  readonly event?: string;
}

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
  /** Ends the thread. Asking afterwards is refused with HG_ENGINE_STATE. */
  close(): Promise<void>;
}
