/** What calls on the engine take and give back. */

import type { SourceHealth } from '../domain/health.ts';
import type { RecordBalance, UnwrittenRows } from './record-balance.ts';
import type { StageReport } from '../pipeline/stage-chain.ts';

export interface StopOptions {
  /** How long the sources, and after them the stages, may take to drain. Default 10 s. */
  readonly deadlineMs?: number;
}

export interface CommandOptions {
  /** The `seq` of the row of the timeline that led to the command; its own row names it as its cause. */
  readonly cause?: number;
}

export interface DeregisterOptions extends CommandOptions {
  /** `drain` (default): what was taken in goes on; `now`: what waits in the outlet is lost and counted. */
  readonly mode?: 'drain' | 'now';
  /** How long the drain may take; default the source's own `drainDeadlineMs`. */
  readonly deadlineMs?: number;
}

export interface DeregisterSinkOptions extends DeregisterOptions {
  /** Keeps the cursor: a sink of this id that is registered later goes on there, and until then what it has
   *  to deliver is kept. Deregistering the id once more takes the cursor out. False says that what it has not
   *  delivered is given up; left out, the cursor goes as well, and an alert tells how much that is. */
  readonly keepCursor?: boolean;
}

export interface ReconfigureOptions extends CommandOptions {
  /** How long what is between the old stages may take to get through, milliseconds. Default 5 s. */
  readonly deadlineMs?: number;
}

/** Something about the configuration that the timeline is to keep. */
export interface ConfigNote {
  /** `config.applied`, `config.refused`, … */
  readonly event: `config.${string}`;
  /** Plain data, without secrets. */
  readonly data?: Readonly<Record<string, unknown>>;
}

/** What an engine did, counted since its last start. */
export interface EngineReport {
  readonly sources: readonly SourceHealth[];
  readonly stages: readonly StageReport[];
  /** Records the gate let through, and records it refused. */
  readonly admitted: number;
  readonly dropped: number;
  /** Records that came out of the last stage, stored where records are kept. */
  readonly delivered: number;
  /** Records that were taken in and came to no end: neither stored, left out, dropped, nor kept as a dead
   *  letter. A deadline came, or the database failed for good. Where nothing is stored, also records that a
   *  consumer had not read at the deadline. */
  readonly lost: number;
  /** Outcomes of all records that came in: its parts add up. */
  readonly balance: RecordBalance;
  /** Rows of the timeline, records and dead letters that the storage was to keep, did not take and never
   *  will. */
  readonly unwritten: UnwrittenRows;
}
