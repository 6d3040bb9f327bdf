/** A sink's input and every event its machine hears, for the tests of sink machine and controller. */

import { sinkMachine, type SinkCommand, type SinkFact, type SinkInput } from '../../machines/sink-machine.ts';
import type { Remedy } from '../../src/domain/errors.ts';
import { ERROR } from './source-events.ts';
import type { Walk } from './walk.ts';

export function sinkInput(breakerFailures = 3): SinkInput {
  return {
    actorId: 'sink:a#1',
    runtime: {},
    backoff: { kind: 'exponential', initialMs: 100, maxMs: 1_000, factor: 2, jitter: 'none' },
    breaker: { failures: breakerFailures, coolDownMs: 7_000 },
    drainDeadlineMs: 5_000,
    resume: null,
  };
}

const failed = (
  remedy: Remedy | undefined,
  monoMs: number,
  retryAfterMs: number | null,
  isDelivering = false,
): SinkFact => ({
  type: 'link.failed',
  error: ERROR,
  remedy,
  retryAfterMs,
  isDelivering,
  monoMs,
  random: 0.5,
});

/** Facts of the ports, by what they mean. */
export const SINK_FACT = {
  opened: (monoMs = 0): SinkFact => ({ type: 'link.opened', monoMs }),
  /** The link is lost or refused, or a delivery failed. */
  lost: (monoMs = 0, retryAfterMs: number | null = null) => failed('retry', monoMs, retryAfterMs),
  /** A batch was not taken. */
  undelivered: (monoMs = 0) => failed('retry', monoMs, null, true),
  /** The sink's code threw. */
  crashed: (monoMs = 0) => failed(undefined, monoMs, null),
  /** Trying again cannot help. */
  hopeless: (monoMs = 0) => failed('stop', monoMs, null),
  recovered: (): SinkFact => ({ type: 'delivery.recovered' }),
  logEnd: (): SinkFact => ({ type: 'log.drained' }),
  waited: (): SinkFact => ({ type: 'wait.over' }),
  ended: (): SinkFact => ({ type: 'drain.finished', forced: false }),
  forced: (): SinkFact => ({ type: 'drain.finished', forced: true }),
  broken: (): SinkFact => ({ type: 'port.failed', error: ERROR }),
} as const;

export const SINK_COMMAND = {
  pause: { type: 'sink.pause' },
  resume: { type: 'sink.resume' },
  drain: { type: 'sink.drain' },
  drainWithin: { type: 'sink.drain', deadlineMs: 40 },
  stop: { type: 'sink.stop' },
  stopNow: { type: 'sink.stop', deadlineMs: 0 },
} as const satisfies Record<string, SinkCommand>;

export const SINK_EVENTS: readonly (SinkCommand | SinkFact)[] = [
  ...Object.values(SINK_COMMAND),
  ...Object.values(SINK_FACT).map((fact) => fact()),
];

export const SINK_WALK: Walk & { readonly states: readonly string[] } = {
  machine: sinkMachine,
  input: sinkInput(),
  events: SINK_EVENTS,
  digest: ({ failures, openedMonoMs, isDraining }) => [
    Math.min(failures as number, 3),
    openedMonoMs,
    isDraining,
  ],
  promises: {
    run: ['link.opened', 'link.failed', 'log.drained'],
    wait: ['wait.over'],
    drain: ['drain.finished'],
  },
  commands: ['sink.pause', 'sink.resume', 'sink.drain', 'sink.stop'],
  states: [
    ...['connecting', 'delivering', 'backingOff', 'circuitOpen', 'paused', 'draining'],
    ...['stopped', 'quarantined', 'failed'],
  ],
};
