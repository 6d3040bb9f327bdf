/** What an engine counts and knows of itself, at one moment: for metrics, readiness and live views. Plain
 *  numbers, gathered when asked for. Counters begin at 0 with each start and only rise. */

import type { CommitCounts } from '../../actors/persistence/commit-stats.ts';
import type { SourceCounter, SourceHealth } from '../domain/health.ts';
import type { SinkCounter, SinkHealth } from '../domain/sink.ts';
import type { Totals } from '../domain/tally.ts';
import type { StageReport } from '../pipeline/stage-chain.ts';

export type EngineState = 'idle' | 'booting' | 'running' | 'draining' | 'stopped' | 'failed';

export interface EngineStats {
  readonly state: string;
  /** The engine's monotonic time at that moment, milliseconds; ages are counted from it. */
  readonly monoMs: number;
  /** How long before that moment the wall clock said `wallMs`, milliseconds, whatever jumps came since. */
  readonly ageMs: (wallMs: number) => number;
  /** Wall time of the last `start()`, epoch milliseconds; null before the first. */
  readonly startedAtMs: number | null;
  readonly sources: readonly SourceStats[];
  readonly sinks: readonly SinkStats[];
  readonly stages: readonly StageReport[];
  readonly limiter: LimiterStats;
  readonly burst: BurstStats | null;
  readonly storage: StorageStats | null;
  /** Records behind the gate that have not come out yet. */
  readonly inFlightRecords: number;
  /** Records that came out of the stages. */
  readonly deliveredRecords: number;
  /** Dead letters since the start. */
  readonly deadLetters: number;
  /** Alerts since the start, by event; beyond so many different ones, all others together as `OTHER`. */
  readonly alerts: Readonly<Record<string, number>>;
}

/** How a source is, by its present incarnation, and what all of them came to since the start. Whoever is
 *  deregistered keeps its totals as long as the engine tells of it, and counts on where it comes back. */
export interface SourceStats extends SourceHealth {
  readonly totals: Totals<SourceCounter>;
}

export interface SinkStats extends SinkHealth {
  readonly totals: Totals<SinkCounter>;
}

export interface LimiterStats {
  /** `limiting`: a limit is being hit, that of the engine or one of a source's own. `off`: the engine has
   *  none, and none is. */
  readonly state: 'open' | 'limiting' | 'off';
  /** Of the global limit; null where there is none. */
  readonly recordsPerSecondMax: number | null;
  /** Records that the gate let through, and that a limit refused. */
  readonly admittedRecords: number;
  readonly droppedRecords: number;
}

export interface BurstStats {
  readonly state: 'quiet' | 'bursting';
  /** Bursts that began. */
  readonly bursts: number;
}

export interface StorageStats extends CommitCounts {
  /** Since when something waits to be written, or for the end of the commit it is in, monotonic milliseconds;
   *  null where nothing does. */
  readonly waitingSinceMonoMs: number | null;
  /** The last commit failed and is tried again, or the recorder waits for the disk. */
  readonly isStalled: boolean;
  /** Why, where it is stalled. */
  readonly stalledBy: { readonly code: string; readonly message: string } | null;
  readonly pendingRecords: number;
  readonly pendingRows: number;
  readonly fileBytes: number;
  readonly walBytes: number;
}
