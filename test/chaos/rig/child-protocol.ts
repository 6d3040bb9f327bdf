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
}

export interface ChildHealth {
  readonly state: SourceState;
  /** Code of the last error. */
  readonly lastError: string | null;
  readonly recordsProduced: number;
}

export type Question =
  | { type: 'health' }
  | { type: 'watch' }
  | { type: 'delays' }
  /** Both sources at this rate from now on; answered with what came of them so far. */
  | { type: 'flood'; recordsPerSecond: number };

export type Answer =
  | { type: 'started' }
  | { type: 'registered' }
  | { type: 'refused'; code: string }
  | { type: 'stopped'; delivered: number }
  | ({ type: 'health' } & ChildHealth)
  | ({ type: 'delays' } & LoopDelays)
  | ({ type: 'flooded' } & FloodFacts);
