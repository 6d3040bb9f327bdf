/** Rows of the timeline and of the tables beside it, as storage takes them and readers give them back. */

import type { SourceState } from './health.ts';
import type { OriginRemoval } from './receipt.ts';
import type { RecordRow } from './record-row.ts';
import type { SinkState } from './sink.ts';

export const TIMELINE_KINDS = [
  'born',
  'transition',
  'ended',
  'command',
  'registered',
  'deregistered',
  'alert',
  'dead_letter',
  'config',
  'storage',
  'clock',
  'gap',
] as const;
export type TimelineKind = (typeof TIMELINE_KINDS)[number];

/** One row of the `timeline` table. `data` is plain JSON-able data or null. */
export interface TimelineRow {
  readonly seq: number;
  readonly run: number;
  readonly atMs: number;
  readonly monoMs: number;
  readonly tenant: string;
  readonly actor: string;
  readonly incarnation: number | null;
  readonly kind: TimelineKind;
  readonly event: string;
  readonly fromState: string | null;
  readonly toState: string | null;
  /** The `seq` of the row that led to this one; always an earlier one. */
  readonly cause: number | null;
  readonly data: Readonly<Record<string, unknown>> | null;
}

/** One row of the `sources` table: what is known of a source now. Keyed by tenant and source id. */
export interface SourceRow {
  readonly tenant: string;
  readonly sourceId: string;
  readonly type: string;
  readonly state: SourceState;
  readonly incarnation: number;
  readonly restarts: number;
  readonly recordsProduced: number;
  readonly dropped: number;
  readonly consecutiveErrors: number;
  readonly lastReadAtMs: number | null;
  readonly lastError: string | null;
  readonly registeredAtMs: number;
  readonly deregisteredAtMs: number | null;
  readonly deadLettered: number;
}

/** One row of the `spill` table before it has its `seq`: a record whose outlet was full, on disk until there
 *  is room. */
export interface SpillRow extends RecordRow {
  readonly cursor: string | null;
}

/** One row of the `dead_letters` table before it has its `id`. */
export interface DeadLetter {
  readonly tenant: string;
  readonly sourceId: string;
  /** The stage that gave up, `decode` for an undecodable payload. */
  readonly stage: string;
  readonly code: string;
  readonly message: string;
  /** The original, as text; bytes as base64 with a `base64:` prefix. */
  readonly payload: string;
  readonly attempts: number;
  readonly firstAtMs: number;
  readonly lastAtMs: number;
  /** Whose it was; null where no record came of the payload. */
  readonly origin: LetterOrigin | null;
  /** The payload could not be kept whole, since it was too long or no JSON: it cannot be retried. */
  readonly isTruncated: boolean;
  /** Default: `new`. */
  readonly status?: LetterStatus;
}

/** The identity of the record a dead letter was. */
export interface LetterOrigin {
  readonly incarnation: number;
  readonly sourceSeq: number;
  readonly atMs: number;
  readonly dedupKey: string | null;
  readonly contentType: string | null;
  /** How the payload is to be read back. `text`: it is the data. `frames`: as JSON, in which
   *  `{ "base64": … }` stands for bytes. Absent: as JSON. */
  readonly form?: 'text' | 'frames';
  /** Of a letter of a sink: the record's `seq` in the log. */
  readonly recordSeq?: number;
}

/** `new`: waits for somebody to look at it. `queued`: to be tried again. `delivered`: it left by a retry.
 *  `parked`: it failed as often as a letter may. */
export type LetterStatus = 'new' | 'queued' | 'delivered' | 'parked';

/** A retried letter failed again. */
export interface LetterFailure {
  readonly id: number;
  readonly code: string;
  readonly message: string;
  readonly atMs: number;
  readonly status: Extract<LetterStatus, 'new' | 'parked'>;
}

/** One row of the `health` table. */
export interface HealthRow {
  readonly atMs: number;
  readonly tenant: string;
  readonly sourceId: string;
  readonly state: SourceState;
  readonly recordsProduced: number;
  readonly lastReadTimestamp: number | null;
  readonly consecutiveErrors: number;
  readonly incarnation: number;
  readonly restarts: number;
  readonly rate1s: number;
  readonly queueDepth: number;
  readonly droppedCount: number;
  readonly deadLetteredCount: number;
}

/** Where a source would go on; one per source, replaced. `cursor: null` deletes it. */
export interface CursorRow {
  readonly tenant: string;
  readonly sourceId: string;
  readonly cursor: string | null;
}

/** A place in one of the logs that sinks read. */
export interface SinkCursor {
  readonly reads: 'records' | 'alerts';
  /** The last `seq` that is done with: delivered, filtered or dead-lettered. */
  readonly seq: number;
}

/** How far a sink has delivered; one per sink, replaced. `seq: null` deletes it. */
export interface SinkCursorRow {
  readonly tenant: string;
  readonly sinkId: string;
  readonly reads: SinkCursor['reads'];
  readonly seq: number | null;
}

/** One row of the `sinks` table: what is known of a sink now. */
export interface SinkRow {
  readonly tenant: string;
  readonly sinkId: string;
  readonly type: string;
  readonly state: SinkState;
  readonly incarnation: number;
  readonly delivered: number;
  readonly filtered: number;
  readonly deadLettered: number;
  readonly consecutiveErrors: number;
  readonly lastDeliveryAtMs: number | null;
  readonly lastError: string | null;
  readonly registeredAtMs: number;
  readonly deregisteredAtMs: number | null;
}

/** What a source or a sink waits for, as an absolute time, so that a start after a crash waits for the rest
 *  only. `wait`: a state of a source that ends by itself; `poll`: its next read; `sink`: a state of the sink
 *  whose id stands in `sourceId`; `retryAfter`: how long the far end of a source
 *  wants to be left alone. One per id and kind, replaced; `dueAtMs: null` deletes it. */
export interface DeadlineRow {
  readonly tenant: string;
  readonly sourceId: string;
  readonly kind: 'wait' | 'poll' | 'sink' | 'retryAfter';
  readonly state: SourceState | SinkState;
  /** Epoch milliseconds. */
  readonly dueAtMs: number | null;
  /** Failures in a row so far. */
  readonly failures: number;
  /** The far end of the wait. */
  readonly farEnd: FarEnd;
}

/** A far end by checksums: what is compared when a wait is to go on after a restart. */
export interface FarEnd {
  /** Of its address; 0 where the kind of source or sink names none. */
  readonly addressCrc: number;
  /** Of all options; null: the far end itself asked for the wait, so that its address decides. */
  readonly optionsCrc: number | null;
}

/** Everything one transaction writes. */
export interface WriteBatch {
  readonly timeline: readonly TimelineRow[];
  readonly records: readonly RecordRow[];
  readonly sources: readonly SourceRow[];
  readonly deadLetters: readonly DeadLetter[];
  readonly health: readonly HealthRow[];
  readonly cursors: readonly CursorRow[];
  readonly spilled: readonly SpillRow[];
  readonly marks: readonly OriginRemoval[];
  readonly letterFailures: readonly LetterFailure[];
  readonly sinks: readonly SinkRow[];
  readonly sinkCursors: readonly SinkCursorRow[];
  readonly deadlines: readonly DeadlineRow[];
}

/** A unit that writes nothing but `parts`. */
export function writeBatch(parts: Partial<WriteBatch> = {}): WriteBatch {
  return { ...NOTHING_TO_WRITE, ...parts };
}

const NOTHING_TO_WRITE: WriteBatch = {
  timeline: [],
  records: [],
  sources: [],
  deadLetters: [],
  health: [],
  cursors: [],
  spilled: [],
  marks: [],
  letterFailures: [],
  sinks: [],
  sinkCursors: [],
  deadlines: [],
};
