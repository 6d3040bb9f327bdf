/** Rows of the timeline and of the tables beside it, as storage takes them and readers give them back. */

import type { SourceState } from './health.ts';

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
}

/** One row of the `records` table before it has its `seq`. */
export interface RecordRow {
  readonly tenant: string;
  readonly sourceId: string;
  readonly incarnation: number;
  readonly sourceSeq: number;
  readonly dedupKey: string | null;
  readonly atMs: number;
  /** JSON text. */
  readonly data: string;
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
}

/** Where a source would go on; one per source, replaced. */
export interface CursorRow {
  readonly tenant: string;
  readonly sourceId: string;
  readonly cursor: string;
}

/** Everything one transaction writes. */
export interface CommitUnit {
  readonly timeline: readonly TimelineRow[];
  readonly records: readonly RecordRow[];
  readonly sources: readonly SourceRow[];
  readonly deadLetters: readonly DeadLetter[];
  readonly health: readonly HealthRow[];
  readonly cursors: readonly CursorRow[];
}
