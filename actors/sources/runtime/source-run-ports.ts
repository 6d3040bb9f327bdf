/** Ports of one run of a source's code. */

import type { Subject } from 'rxjs';
import type { OperatorAlert } from '../../../src/domain/alert.ts';
import type { Clock } from '../../../src/domain/clock.ts';
import type { Logger } from '../../../src/domain/logger.ts';
import type { Random } from '../../../src/domain/random.ts';
import type { IngestRecord } from '../../../src/domain/record.ts';
import type { WriteDeadLetter } from './build-records.ts';
import type { SourceRuntime } from './source-runtime.ts';

/** Records that a source put into its outlet, all at one time. */
export interface Arrival {
  readonly runtime: SourceRuntime;
  readonly records: readonly IngestRecord[];
}

export interface SourceRunPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly arrivals$: Subject<Arrival>;
  readonly deadLetter: WriteDeadLetter;
  /** Keeps from when a source counts its polls. */
  readonly keepPollPhase: (runtime: SourceRuntime, sinceMs: number) => void;
  /** Keeps a cursor without a record; resolves when it is stored, or cannot be. */
  readonly keepCursor: (runtime: SourceRuntime, cursor: string) => Promise<void>;
  /** Why a source must not read a file: the engine writes it. */
  readonly ownFileProblem: (path: string, identity: string) => string | null;
  readonly raise: (alert: OperatorAlert, runtime: SourceRuntime) => void;
  /** The far end wants to be left alone for so long. */
  readonly holdOff: (runtime: SourceRuntime, waitMs: number) => void;
}
