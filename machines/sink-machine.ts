/** A sink: decides when to connect, when to wait and for how long, and when to give up. What it delivers
 *  stays in the log until it is delivered, so waiting costs nothing but time: a defect of its code is waited
 *  out like trouble of its link. It owns no link, no clock and no randomness: its ports do, and report facts
 *  that carry time and chance. They promise to report: `run` an open link or a failure within the
 *  connect timeout, and while draining the end of the log; `wait` its end; `drain` its end within its
 *  deadline. */

import { assign, sendTo, setup } from 'xstate';
import { backoffMs, coolDownWaitMs, type BackoffPolicy } from '../src/domain/backoff.ts';
import type { ErrorFacts, Remedy } from '../src/domain/errors.ts';
import { LIMITS } from '../src/domain/limits.ts';
import type { BreakerOptions } from '../src/domain/source.ts';
import { MACHINE_OPTIONS, unprovidedPort } from './support/ports.ts';

export type SinkCommand =
  | { type: 'sink.pause' }
  | { type: 'sink.resume' }
  /** End, after what the log holds now has been delivered; at the latest after `deadlineMs` (default: the
   *  sink's own). */
  | { type: 'sink.drain'; deadlineMs?: number }
  /** End, after the delivery under way; at the latest after `deadlineMs` (default: the sink's own). */
  | { type: 'sink.stop'; deadlineMs?: number };

/** A message of a sink to its run: stop after the last record now in the log. */
export type SinkRunCommand = { type: 'run.drain' };

/** Facts of its ports. `monoMs` is monotonic time, `random` a random number in [0, 1). */
export type SinkFact =
  | { type: 'link.opened'; monoMs: number }
  | {
      type: 'link.failed';
      error: ErrorFacts;
      /** Undefined: nobody classified the error; the sink's code is taken to be at fault. */
      remedy: Remedy | undefined;
      /** The far end wants to be left alone for so long; null: it did not say. */
      retryAfterMs: number | null;
      /** While a batch was under way, which was not taken: how long the link stood says nothing then. */
      isDelivering: boolean;
      monoMs: number;
      random: number;
    }
  /** A delivery went well after others had failed. */
  | { type: 'delivery.recovered' }
  | { type: 'log.drained' }
  | { type: 'wait.over' }
  | { type: 'drain.finished'; forced: boolean }
  /** A port cannot keep its promise. */
  | { type: 'port.failed'; error: ErrorFacts };

export interface SinkInput {
  /** The name the timeline gives it: address and incarnation, `sink:archive#12`. */
  readonly actorId: string;
  /** What the ports work on; the machine only hands it over. */
  readonly runtime: object;
  readonly backoff: BackoffPolicy;
  readonly breaker: BreakerOptions;
  readonly drainDeadlineMs: number;
  /** A wait that a crash of the engine cut off: the sink goes on with what is left of it. */
  readonly resume: ResumedSinkWait | null;
}

export interface ResumedSinkWait {
  readonly state: 'backingOff' | 'circuitOpen';
  readonly waitMs: number;
  readonly failures: number;
}

/** What the port `wait` is given. `kept`: what is being waited for, so that the rest of it outlives a crash;
 *  null where it must not. */
export interface SinkWaitInput {
  readonly delayMs: number;
  readonly kept: {
    readonly runtime: object;
    readonly state: ResumedSinkWait['state'];
    readonly failures: number;
  } | null;
}

export interface SinkContext extends SinkInput {
  /** Failures in a row; a delivery, or a link that stood for a while, forgives them. */
  readonly failures: number;
  readonly openedMonoMs: number | null;
  /** How long to wait in `backingOff` and `circuitOpen`. */
  readonly waitMs: number;
  readonly deadlineMs: number;
  readonly forced: boolean;
  readonly isDraining: boolean;
}

type Failure = Extract<SinkFact, { type: 'link.failed' }>;

export interface SinkOutput {
  /** It ended before it had delivered what it was to deliver. */
  readonly forced: boolean;
}

function failuresAfter({ openedMonoMs, failures }: SinkContext, { monoMs, isDelivering }: Failure): number {
  const hasStood = openedMonoMs !== null && monoMs - openedMonoMs >= LIMITS.stableLinkMs;
  return hasStood && !isDelivering ? 1 : failures + 1;
}

const sinkSetup = setup({
  types: {
    context: {} as SinkContext,
    events: {} as SinkCommand | SinkFact,
    input: {} as SinkInput,
    output: {} as SinkOutput,
  },
  actors: {
    run: unprovidedPort<{ runtime: object; isDraining: boolean }>('run'),
    wait: unprovidedPort<SinkWaitInput>('wait'),
    drain: unprovidedPort<{ runtime: object; deadlineMs: number }>('drain'),
  },
  guards: {
    isHopeless: ({ event }) => event.type === 'link.failed' && event.remedy === 'stop',
    isBreakerDue: ({ context, event }) =>
      event.type === 'link.failed' && failuresAfter(context, event) >= context.breaker.failures,
  },
  actions: {
    noteOpened: assign({
      openedMonoMs: ({ event, context }) =>
        event.type === 'link.opened' ? event.monoMs : context.openedMonoMs,
    }),
    countFailure: assign(({ context, event }) => {
      if (event.type !== 'link.failed') return {};
      const failures = failuresAfter(context, event);
      const waitMs = backoffMs(context.backoff, failures, event.random);
      return { failures, openedMonoMs: null, waitMs: Math.max(waitMs, event.retryAfterMs ?? 0) };
    }),
    coolDown: assign({
      waitMs: ({ context: { waitMs, breaker, backoff }, event }) => {
        const random = event.type === 'link.failed' ? event.random : 0;
        return Math.max(waitMs, coolDownWaitMs(breaker.coolDownMs, backoff.jitter, random));
      },
    }),
    forgiveFailures: assign({ failures: 0, openedMonoMs: null }),
    /** The deadline of the delivery of what is stored. */
    beginDrain: assign(({ context, event }) => ({
      isDraining: true,
      deadlineMs: deadlineOf(context, event),
    })),
    /** The deadline of what is under way. */
    setDeadline: assign({ deadlineMs: ({ context, event }) => deadlineOf(context, event) }),
    giveUpDrain: assign({ deadlineMs: 0, forced: true }),
    tellRun: sendTo('run', { type: 'run.drain' } satisfies SinkRunCommand),
    noteDrained: assign({
      forced: ({ context, event }) => context.forced || (event.type === 'drain.finished' && event.forced),
    }),
  },
});

function deadlineOf(context: SinkContext, event: SinkCommand | SinkFact): number {
  const wished = event.type === 'sink.drain' || event.type === 'sink.stop' ? event.deadlineMs : undefined;
  return wished ?? context.drainDeadlineMs;
}

const waitIn = (state: ResumedSinkWait['state']) =>
  ({
    id: 'wait',
    src: 'wait',
    input: ({ context: { waitMs, runtime, failures } }: { context: SinkContext }): SinkWaitInput => ({
      delayMs: waitMs,
      kept: { runtime, state, failures },
    }),
    onError: 'quarantined',
  }) as const;

/** Where a sink begins: a machine of its own for each, as with sources. */
const machineFrom = (initial: 'live' | ResumedSinkWait['state']) =>
  sinkSetup.createMachine({
    id: 'sink',
    options: MACHINE_OPTIONS,
    context: ({ input }) => ({
      ...input,
      failures: input.resume?.failures ?? 0,
      openedMonoMs: null,
      waitMs: input.resume?.waitMs ?? 0,
      deadlineMs: input.drainDeadlineMs,
      forced: false,
      isDraining: false,
    }),
    initial,
    on: {
      'sink.pause': { target: '.paused' },
      'sink.drain': { target: '.live.draining', actions: 'beginDrain' },
      'sink.stop': { target: '.ending', actions: 'setDeadline' },
    },
    states: {
      live: {
        initial: 'connecting',
        invoke: {
          id: 'run',
          src: 'run',
          input: ({ context: { runtime, isDraining } }) => ({ runtime, isDraining }),
          onError: { target: 'quarantined' },
        },
        on: {
          'link.failed': [
            { guard: 'isHopeless', target: 'failed' },
            { guard: 'isBreakerDue', target: 'circuitOpen', actions: ['countFailure', 'coolDown'] },
            { target: 'backingOff', actions: 'countFailure' },
          ],
          // Within: the link under way goes on.
          'sink.drain': { target: '.draining', actions: ['beginDrain', 'tellRun'] },
          'delivery.recovered': { actions: 'forgiveFailures' },
          'port.failed': 'quarantined',
        },
        states: {
          connecting: { on: { 'link.opened': { target: 'delivering', actions: 'noteOpened' } } },
          delivering: {},
          /** The run goes on to the log's end, and tries again by itself until the deadline comes. */
          draining: {
            invoke: {
              id: 'deadline',
              src: 'wait',
              input: ({ context }) => ({ delayMs: context.deadlineMs, kept: null }),
              onError: { target: '#sink.failed' },
            },
            on: {
              // It tries again by itself; what it reports nevertheless it had met before it was told.
              'link.failed': [
                { guard: 'isHopeless', target: '#sink.failed' },
                { target: '#sink.ending', actions: 'giveUpDrain' },
              ],
              'log.drained': { target: '#sink.ending' },
              'wait.over': { target: '#sink.ending', actions: 'giveUpDrain' },
              'sink.pause': {},
              'sink.drain': {},
              'port.failed': '#sink.failed',
            },
          },
        },
      },
      backingOff: { invoke: waitIn('backingOff'), on: { 'wait.over': 'live', 'port.failed': 'quarantined' } },
      circuitOpen: {
        invoke: waitIn('circuitOpen'),
        on: { 'wait.over': 'live', 'sink.resume': 'live', 'port.failed': 'quarantined' },
      },
      paused: {
        on: { 'sink.resume': 'live', 'sink.drain': { target: 'ending', actions: 'setDeadline' } },
      },
      quarantined: {
        on: {
          'sink.resume': { target: 'live', actions: 'forgiveFailures' },
          'sink.drain': { target: 'ending', actions: 'setDeadline' },
        },
      },
      /** The last link settles and closes. */
      ending: {
        initial: 'draining',
        invoke: {
          id: 'drain',
          src: 'drain',
          input: ({ context }) => ({ runtime: context.runtime, deadlineMs: context.deadlineMs }),
          onError: { target: 'failed' },
        },
        on: {
          'drain.finished': { target: 'stopped', actions: 'noteDrained' },
          'port.failed': 'failed',
          'sink.pause': {},
          'sink.drain': {},
          'sink.stop': { target: 'ending', reenter: true, actions: 'setDeadline' },
        },
        states: { draining: {} },
      },
      stopped: { type: 'final' },
      failed: { type: 'final' },
    },
    output: ({ context }) => ({ forced: context.forced }),
  });

export const sinkMachine = machineFrom('live');
/** A sink whose wait a crash cut off: it begins in that wait. */
export const backingOffSinkMachine = machineFrom('backingOff');
export const circuitOpenSinkMachine = machineFrom('circuitOpen');
