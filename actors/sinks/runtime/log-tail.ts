/** The logs as sinks read them: pages after a place, and a call when there is more. Sinks do not poll. */

import { recordKeys, type RecordKeys } from '../../../src/domain/record-keys.ts';
import type { OutboundRecord, SinkSpec } from '../../../src/domain/sink.ts';
import type { TimelineRow } from '../../../src/domain/timeline.ts';
import type { EventStore, LogPage, LogQuery, StoredLetter } from '../../../storage/event-store.ts';

export type LogName = SinkSpec['reads'];

/** The part of the storage's interface that sinks need. */
export type LogStore = Pick<
  EventStore,
  | 'gatewayId'
  | 'dbUuid'
  | 'ancestors'
  | 'lastSeq'
  | 'lastRecordSeq'
  | 'sinkCursors'
  | 'deadlines'
  | 'readRecords'
  | 'readAlerts'
  | 'readLetters'
  | 'lagOf'
>;

/** Who waits for more of a log. */
export interface Reader {
  readonly log: LogName;
  /** Its log has grown. */
  grown(): void;
  /** Dead letters were queued; some may be its own. */
  lettersQueued(): void;
}

export class LogTail {
  readonly #store: LogStore;
  readonly #keys: RecordKeys;
  readonly #lastSeq: { records: number; alerts: number };
  readonly #readers = new Set<Reader>();

  constructor(store: LogStore) {
    this.#store = store;
    this.#keys = recordKeys(store);
    this.#lastSeq = { records: store.lastRecordSeq, alerts: store.lastSeq };
  }

  /** What is stored of a log lies at or before this `seq`. */
  lastSeq(log: LogName): number {
    return this.#lastSeq[log];
  }

  /** What a row of a log is known by outside. */
  keyOf(log: LogName, seq: number): string {
    return log === 'records' ? this.#keys.record(seq) : this.#keys.alert(seq);
  }

  /** The record log has grown up to this `seq`. */
  recordsStored(lastRecordSeq: number): void {
    this.#grown('records', lastRecordSeq);
  }

  /** These rows of the timeline are stored now. */
  rowsStored(rows: readonly TimelineRow[]): void {
    const alert = rows.findLast(({ kind }) => kind === 'alert');
    if (alert !== undefined) this.#grown('alerts', alert.seq);
  }

  /** Dead letters were queued for another try. */
  lettersQueued(): void {
    for (const reader of this.#readers) reader.lettersQueued();
  }

  read(log: LogName, query: LogQuery): Promise<LogPage<OutboundRecord>> {
    return log === 'records' ? this.#store.readRecords(query) : this.#store.readAlerts(query);
  }

  /** Letters of this stage that are to be tried again, the oldest first. */
  queuedLetters(stage: string, rowsMax: number): Promise<readonly StoredLetter[]> {
    return this.#store.readLetters({ status: 'queued', stage, rowsMax });
  }

  lagOf(log: LogName, afterSeq: number): ReturnType<LogStore['lagOf']> {
    return this.#store.lagOf(log, afterSeq);
  }

  /** Calls `reader` from now on; the returned function ends that. */
  subscribe(reader: Reader): () => void {
    this.#readers.add(reader);
    return () => this.#readers.delete(reader);
  }

  #grown(log: LogName, seq: number): void {
    if (seq <= this.#lastSeq[log]) return;
    this.#lastSeq[log] = seq;
    for (const reader of this.#readers) if (reader.log === log) reader.grown();
  }
}
