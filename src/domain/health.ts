/** The health of a source, as the library, the health table and the API show it. */

import { formatAddress } from './address.ts';

export type SourceState =
  | 'connecting'
  | 'streaming'
  | 'degraded'
  | 'backingOff'
  | 'circuitOpen'
  | 'paused'
  | 'draining'
  | 'stopped'
  | 'quarantined'
  | 'failed';

/** States in which a source is neither working nor about to: what `activeSources()` leaves out. */
export const INACTIVE_STATES: ReadonlySet<SourceState> = new Set<SourceState>([
  'paused',
  'circuitOpen',
  'quarantined',
  'stopped',
  'failed',
]);

/** What of a source's health only rises, from 0 with each incarnation. */
export const SOURCE_COUNTERS = [
  'recordsProduced',
  'droppedCount',
  'deadLetteredCount',
  'lateRecords',
  'restarts',
] as const;

export type SourceCounter = (typeof SOURCE_COUNTERS)[number];

export interface SourceHealth {
  readonly sourceId: string;
  readonly tenant: string;
  readonly type: string;
  readonly state: SourceState;
  /** Records this incarnation put into its outlet. A failed read counts none. */
  readonly recordsProduced: number;
  /** Epoch milliseconds of the last good read; null before the first. */
  readonly lastReadTimestamp: number | null;
  /** Failed reads since the last good one. */
  readonly consecutiveErrors: number;
  readonly incarnation: number;
  /** Times its run was started again after a failure. */
  readonly restarts: number;
  readonly lastError: { readonly code: string; readonly message: string; readonly atMs: number } | null;
  /** Records in the last second. */
  readonly rate1s: number;
  /** Records waiting in its outlet. */
  readonly queueDepth: number;
  /** Records of it that wait on disk, since its outlet is full (`spill`). */
  readonly spilledRecords: number;
  /** Records its outlet or a limiter dropped. */
  readonly droppedCount: number;
  /** Payloads and records of it that became dead letters on their way to the log. */
  readonly deadLetteredCount: number;
  /** Records its code handed in after their run was over; they are counted and not taken. */
  readonly lateRecords: number;
}

/** Names of the sources that are not in one of the {@link INACTIVE_STATES}. */
export function activeNames(healths: readonly SourceHealth[]): string[] {
  return healths.filter(({ state }) => !INACTIVE_STATES.has(state)).map(formatAddress);
}
