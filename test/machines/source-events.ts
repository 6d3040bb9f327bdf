/** A source's input and every event its machine hears, for the tests of source machine and shard. */

import type { SourceCommand, SourceFact, SourceInput } from '../../machines/source-machine.ts';
import type { ErrorFacts, Remedy } from '../../src/domain/errors.ts';
import type { BackoffPolicy } from '../../src/domain/backoff.ts';
import type { RestartOptions } from '../../src/domain/source.ts';

const BACKOFF: BackoffPolicy = {
  kind: 'exponential',
  initialMs: 100,
  maxMs: 1_000,
  factor: 2,
  jitter: 'none',
};

const RESTART: RestartOptions = {
  policy: 'transient',
  restartsMax: 5,
  windowMs: 30_000,
  backoff: BACKOFF,
  exhausted: 'quarantine',
};

export function sourceInput(restart: Partial<RestartOptions> = {}, breakerFailures = 3): SourceInput {
  return {
    actorId: 'a#1',
    runtime: {},
    restart: { ...RESTART, ...restart },
    breaker: { failures: breakerFailures, coolDownMs: 7_000 },
    drainDeadlineMs: 5_000,
    resume: null,
  };
}

export const ERROR: ErrorFacts = { code: 'HG_TEST', message: 'for the test' };

const failed = (remedy: Remedy | undefined, monoMs: number): SourceFact => ({
  type: 'link.failed',
  error: ERROR,
  remedy,
  monoMs,
  random: 0.5,
});

/** Facts of the ports, by what they mean. */
export const FACT = {
  opened: (monoMs = 0): SourceFact => ({ type: 'link.opened', monoMs }),
  /** The link is lost or refused. */
  lost: (monoMs = 0) => failed('retry', monoMs),
  /** The source's code threw. */
  crashed: (monoMs = 0) => failed(undefined, monoMs),
  /** Trying again cannot help. */
  hopeless: (monoMs = 0) => failed('stop', monoMs),
  ended: (monoMs = 0): SourceFact => ({ type: 'link.ended', monoMs, random: 0.5 }),
  failing: { type: 'reads.failing', error: ERROR, consecutiveErrors: 3 },
  exhausted: { type: 'reads.exhausted', error: ERROR, consecutiveErrors: 10, random: 0.5 },
  recovered: { type: 'reads.recovered' },
  waited: { type: 'wait.over' },
  drained: { type: 'drain.finished', forced: false, lostRecords: 0 },
  broken: { type: 'port.failed', error: ERROR },
  forced: { type: 'drain.finished', forced: true, lostRecords: 3 },
} as const satisfies Record<string, SourceFact | ((monoMs?: number) => SourceFact)>;

export const COMMAND = {
  pause: { type: 'source.pause' },
  resume: { type: 'source.resume' },
  drain: { type: 'source.drain' },
  drainWithin: { type: 'source.drain', deadlineMs: 40 },
  stop: { type: 'source.stop' },
} as const satisfies Record<string, SourceCommand>;

export const SOURCE_EVENTS: readonly (SourceCommand | SourceFact)[] = [
  ...Object.values(COMMAND),
  ...Object.values(FACT).map((fact) => (typeof fact === 'function' ? fact() : fact)),
];
