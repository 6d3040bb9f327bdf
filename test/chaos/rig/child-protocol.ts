/** What the harness and the processes it starts say to each other. */

import type { SourceState } from '../../../src/domain/health.ts';
import type { FloodFacts } from './flood.ts';
import type { LoopDelays } from './loop-watch.ts';

export const SOURCE_ID = 'field';

export interface ChildOptions {
  /** The database. */
  readonly file: string;
  readonly url: string;
  readonly topic: string;
  readonly clientId: string;
  readonly keepaliveSeconds: number;
  /** It has sources of its own, too, that flood it when they are told to. */
  readonly floods?: boolean;
  /** Records go after so long; they stay where it is left out. */
  readonly recordAgeMsMax?: number;
}

/** Of the program `file`. */
export interface FileChildOptions {
  /** The database. */
  readonly file: string;
  /** The file it reads. */
  readonly path: string;
  readonly format: 'text' | 'ndjson' | 'csv';
  readonly rotated: string[];
  /** Where it begins when it has no position. */
  readonly startAt: 'beginning' | 'end';
  /** Another name has no position of before. */
  readonly sourceId: string;
}

export interface ChildHealth {
  readonly state: SourceState;
  /** Code of the last error. */
  readonly lastError: string | null;
  readonly recordsProduced: number;
  /** Times it had to connect again. */
  readonly restarts: number;
}

export interface CrowdNews {
  /** Sources of the crowd that have their connection. */
  readonly connected: number;
  /** What the others were told, each message once. */
  readonly refusals: readonly string[];
}

export type Question =
  | { type: 'health' }
  | { type: 'watch' }
  | { type: 'delays' }
  /** The next record keeps a stage busy for so long. */
  | { type: 'block'; ms: number }
  /** Registers so many further sources, each with a connection of its own; answered when all have tried; a
   *  patient one waits until all have it. */
  | { type: 'crowd'; count: number; isPatient: boolean }
  /** Takes them out again. */
  | { type: 'dismiss' }
  /** Both sources at this rate from now on; answered with what came of them so far. */
  | { type: 'flood'; recordsPerSecond: number };

export type Answer =
  | { type: 'started' }
  | { type: 'registered' }
  | { type: 'refused'; code: string }
  | { type: 'stopped'; delivered: number }
  | ({ type: 'health' } & ChildHealth)
  | ({ type: 'delays' } & LoopDelays)
  | ({ type: 'crowd' } & CrowdNews)
  | { type: 'dismissed' }
  | ({ type: 'flooded' } & FloodFacts);
