/** A source: decides when to connect, when to wait and for how long, and when to give up. It owns no
 *  transport, no clock and no randomness: its ports do, and report facts that carry time and chance. Its
 *  ports promise to report: `run` an open link, a failure or an end within the connect timeout; `wait` its
 *  end; `drain` its end within its deadline. */

import { assign, enqueueActions, sendParent, setup } from 'xstate';
import { backoffMs, coolDownWaitMs } from '../src/domain/backoff.ts';
import type { ErrorFacts, Remedy } from '../src/domain/errors.ts';
import { LIMITS } from '../src/domain/limits.ts';
import type { BreakerOptions, RestartOptions } from '../src/domain/source.ts';
import { MACHINE_OPTIONS, unprovidedPort } from './support/ports.ts';

export type SourceCommand =
  | { type: 'source.pause' }
  | { type: 'source.resume' }
  /** End, after what was taken in has gone on; at the latest after `deadlineMs` (default: the source's own).
   *  */
  | { type: 'source.drain'; deadlineMs?: number }
  /** End now. What waits in the outlet is lost and counted. */
  | { type: 'source.stop' };

/** Facts of its ports. `monoMs` is monotonic time, `random` a random number in [0, 1). */
export type SourceFact =
  | { type: 'link.opened'; monoMs: number }
  | {
      type: 'link.failed';
      error: ErrorFacts;
      /** Undefined: nobody classified the error; the source's code is taken to be at fault. */
      remedy: Remedy | undefined;
      monoMs: number;
      random: number;
      /** How long the far end wants to be left alone; no wait is shorter. */
      retryAfterMs?: number;
    }
  | { type: 'link.ended'; monoMs: number; random: number }
  | { type: 'reads.failing'; error: ErrorFacts; consecutiveErrors: number }
  | {
      type: 'reads.exhausted';
      error: ErrorFacts;
      consecutiveErrors: number;
      random: number;
      retryAfterMs?: number;
    }
  | { type: 'reads.recovered' }
  | { type: 'wait.over' }
  | { type: 'drain.finished'; forced: boolean; lostRecords: number }
  /** `wait` or `drain` cannot keep its promise. */
  | { type: 'port.failed'; error: ErrorFacts };

export interface SourceInput {
  /** The name the timeline gives it: address and incarnation, `plc-7#12`. */
  readonly actorId: string;
  /** What the ports work on; the machine only hands it over. */
  readonly runtime: object;
  readonly restart: RestartOptions;
  readonly breaker: BreakerOptions;
  readonly drainDeadlineMs: number;
  /** A wait that a crash of the engine cut off: the source goes on with what is left of it. */
  readonly resume: ResumedWait | null;
}

export interface ResumedWait {
  readonly state: 'backingOff' | 'circuitOpen';
  readonly waitMs: number;
  readonly failures: number;
}

/** What the port `wait` is given, beside the time: what is being waited for, so that it can be kept. */
export interface WaitInput {
  readonly delayMs: number;
  readonly runtime: object;
  readonly state: ResumedWait['state'];
  readonly failures: number;
}

export interface SourceContext extends SourceInput {
  /** Failures of the link in a row; a link that stood for a while forgives them. */
  readonly failures: number;
  /** Monotonic times of crashes within the restart window. */
  readonly crashesMonoMs: readonly number[];
  readonly openedMonoMs: number | null;
  /** How long to wait in `backingOff` and `circuitOpen`. */
  readonly waitMs: number;
  readonly deadlineMs: number;
  readonly forced: boolean;
}

export interface SourceOutput {
  readonly forced: boolean;
}

const NO_CRASHES: readonly number[] = [];

type Failure = Extract<SourceFact, { type: 'link.failed' }>;

function recentCrashes(context: SourceContext, monoMs: number): readonly number[] {
  return context.crashesMonoMs.filter((crashMs) => crashMs > monoMs - context.restart.windowMs);
}

function failuresAfter(context: SourceContext, monoMs: number): number {
  const wasSound = context.openedMonoMs !== null && monoMs - context.openedMonoMs >= LIMITS.stableLinkMs;
  return wasSound ? 1 : context.failures + 1;
}

function isCrash(failure: Failure): boolean {
  return failure.remedy === undefined || failure.remedy === 'drop';
}

function isBudgetSpent(context: SourceContext, event: SourceCommand | SourceFact): boolean {
  if (event.type !== 'link.failed' || !isCrash(event)) return false;
  return recentCrashes(context, event.monoMs).length >= context.restart.restartsMax;
}

function waitInput({ waitMs, runtime, failures }: SourceContext, state: WaitInput['state']): WaitInput {
  return { delayMs: waitMs, runtime, state, failures };
}

const sourceSetup = setup({
  types: {
    context: {} as SourceContext,
    events: {} as SourceCommand | SourceFact,
    input: {} as SourceInput,
    output: {} as SourceOutput,
  },
  actors: {
    run: unprovidedPort<{ runtime: object }>('run'),
    wait: unprovidedPort<WaitInput>('wait'),
    drain: unprovidedPort<{ runtime: object; deadlineMs: number }>('drain'),
  },
  guards: {
    isHopeless: ({ context, event }) =>
      event.type === 'link.failed' &&
      (event.remedy === 'stop' || (isCrash(event) && context.restart.policy === 'temporary')),
    isBudgetSpent: ({ context, event }) => isBudgetSpent(context, event),
    isEscalation: ({ context, event }) =>
      isBudgetSpent(context, event) && context.restart.exhausted === 'escalate',
    isBreakerDue: ({ context, event }) =>
      event.type === 'link.failed' &&
      !isCrash(event) &&
      failuresAfter(context, event.monoMs) >= context.breaker.failures,
    isPermanent: ({ context }) => context.restart.policy === 'permanent',
  },
  actions: {
    noteOpened: assign({
      openedMonoMs: ({ event, context }) =>
        event.type === 'link.opened' ? event.monoMs : context.openedMonoMs,
    }),
    countFailure: assign(({ context, event }) => {
      if (event.type !== 'link.failed') return {};
      const failures = failuresAfter(context, event.monoMs);
      const crashes = recentCrashes(context, event.monoMs);
      return {
        failures,
        openedMonoMs: null,
        crashesMonoMs: isCrash(event) ? [...crashes, event.monoMs] : crashes,
        waitMs: Math.max(backoffMs(context.restart.backoff, failures, event.random), event.retryAfterMs ?? 0),
      };
    }),
    waitAfterEnd: assign({
      waitMs: ({ context, event }) =>
        event.type === 'link.ended' ? backoffMs(context.restart.backoff, 1, event.random) : context.waitMs,
    }),
    coolDown: assign({
      waitMs: ({ context: { breaker, restart }, event }) =>
        Math.max(
          coolDownWaitMs(breaker.coolDownMs, restart.backoff.jitter, 'random' in event ? event.random : 0),
          'retryAfterMs' in event ? (event.retryAfterMs ?? 0) : 0,
        ),
      openedMonoMs: null,
    }),
    forgiveFailures: assign({ failures: 0, crashesMonoMs: [], openedMonoMs: null }),
    setDeadline: assign({
      deadlineMs: ({ context, event }) => {
        if (event.type === 'source.stop') return 0;
        const wished = event.type === 'source.drain' ? event.deadlineMs : undefined;
        return wished ?? context.drainDeadlineMs;
      },
    }),
    noteDrained: assign({ forced: ({ event }) => event.type === 'drain.finished' && event.forced }),
    escalate: enqueueActions(({ enqueue, event }) => {
      if (event.type === 'link.failed') enqueue(sendParent({ type: 'source.escalated', error: event.error }));
    }),
  },
});

/** Where a source begins: a machine of its own for each, since XState tells nobody of steps that it takes
 *  before an actor is there. */
const machineFrom = (initial: 'live' | ResumedWait['state']) =>
  sourceSetup.createMachine({
    id: 'source',
    options: MACHINE_OPTIONS,
    context: ({ input }) => ({
      ...input,
      failures: input.resume?.failures ?? 0,
      crashesMonoMs: NO_CRASHES,
      openedMonoMs: null,
      waitMs: input.resume?.waitMs ?? 0,
      deadlineMs: input.drainDeadlineMs,
      forced: false,
    }),
    initial,
    on: {
      'source.pause': { target: '.paused' },
      'source.drain': { target: '.draining', actions: 'setDeadline' },
      'source.stop': { target: '.draining', actions: 'setDeadline' },
    },
    states: {
      live: {
        initial: 'connecting',
        invoke: {
          id: 'run',
          src: 'run',
          input: ({ context }) => ({ runtime: context.runtime }),
          onError: { target: 'quarantined' },
        },
        on: {
          'link.failed': [
            { guard: 'isHopeless', target: 'failed' },
            { guard: 'isEscalation', target: 'failed', actions: 'escalate' },
            { guard: 'isBudgetSpent', target: 'quarantined', actions: 'countFailure' },
            { guard: 'isBreakerDue', target: 'circuitOpen', actions: ['countFailure', 'coolDown'] },
            { target: 'backingOff', actions: 'countFailure' },
          ],
          'link.ended': [
            { guard: 'isPermanent', target: 'backingOff', actions: 'waitAfterEnd' },
            { target: 'draining', actions: 'setDeadline' },
          ],
          'reads.exhausted': { target: 'circuitOpen', actions: 'coolDown' },
        },
        states: {
          connecting: { on: { 'link.opened': { target: 'streaming', actions: 'noteOpened' } } },
          streaming: { on: { 'reads.failing': 'degraded' } },
          degraded: { on: { 'reads.recovered': 'streaming' } },
        },
      },
      backingOff: {
        invoke: {
          id: 'wait',
          src: 'wait',
          input: ({ context }) => waitInput(context, 'backingOff'),
          onError: { target: 'quarantined' },
        },
        on: { 'wait.over': 'live', 'port.failed': 'quarantined' },
      },
      circuitOpen: {
        invoke: {
          id: 'wait',
          src: 'wait',
          input: ({ context }) => waitInput(context, 'circuitOpen'),
          onError: { target: 'quarantined' },
        },
        on: { 'wait.over': 'live', 'source.resume': 'live', 'port.failed': 'quarantined' },
      },
      paused: { on: { 'source.resume': 'live' } },
      quarantined: { on: { 'source.resume': { target: 'live', actions: 'forgiveFailures' } } },
      draining: {
        invoke: {
          id: 'drain',
          src: 'drain',
          input: ({ context }) => ({ runtime: context.runtime, deadlineMs: context.deadlineMs }),
          onError: { target: 'failed' },
        },
        on: {
          'drain.finished': { target: 'stopped', actions: 'noteDrained' },
          'port.failed': 'failed',
          'source.pause': {},
          'source.drain': {},
          'source.stop': { target: 'draining', reenter: true, actions: 'setDeadline' },
        },
      },
      stopped: { type: 'final' },
      failed: { type: 'final' },
    },
    output: ({ context }) => ({ forced: context.forced }),
  });

export const sourceMachine = machineFrom('live');
/** A source whose wait a crash cut off: it begins in that wait. */
export const backingOffSourceMachine = machineFrom('backingOff');
export const circuitOpenSourceMachine = machineFrom('circuitOpen');
