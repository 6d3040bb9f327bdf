/** The controller of the sinks: takes the messages that register, deregister, update, pause and resume them,
 *  refuses those that cannot be carried out, and supervises the sinks. Which sinks there are is the knowledge
 *  of the directory, a port: the controller decides, the directory remembers. */

import { setup, stopChild } from 'xstate';
import type { ErrorFacts } from '../src/domain/errors.ts';
import type { SinkSpec } from '../src/domain/sink.ts';
import { MACHINE_OPTIONS } from './support/ports.ts';
import { CLOSING, refuse, type RegistryEntry, type Request } from './support/command-rejection.ts';
import {
  backingOffSinkMachine,
  circuitOpenSinkMachine,
  sinkMachine,
  type SinkCommand,
  type SinkInput,
  type SinkOutput,
} from './sink-machine.ts';

export type SinksCommand = Request &
  (
    | { readonly type: 'sinks.register'; readonly spec: SinkSpec }
    /** Another sink takes this one's place and cursor, after the delivery under way. */
    | { readonly type: 'sinks.update'; readonly spec: SinkSpec }
    /** The sink goes, and its cursor with it unless that is to be kept for another of its name. */
    | {
        readonly type: 'sinks.deregister';
        readonly id: string;
        readonly mode: 'drain' | 'now';
        readonly deadlineMs?: number;
        readonly keepCursor?: boolean;
      }
    | { readonly type: 'sinks.pause'; readonly id: string }
    | { readonly type: 'sinks.resume'; readonly id: string }
    | { readonly type: 'sinks.list' }
    /** Take no more commands, let every sink deliver what is stored, end. Cursors stay. */
    | { readonly type: 'sinks.close'; readonly deadlineMs: number }
  );

type SinksFact =
  | { readonly type: 'xstate.done.actor.*'; readonly actorId: string; readonly output: SinkOutput }
  | { readonly type: 'xstate.error.actor.*'; readonly actorId: string; readonly error: unknown };

/** Where a sink runs. */
export interface SinkPlacement {
  readonly childId: string;
  /** Its name in the timeline. */
  readonly actorId: string;
}

/** What the controller needs to know and have done; filled by the composition root. */
export interface SinkRegister {
  /** Why this command cannot be carried out now; null if it can. */
  refusal(command: SinksCommand): ErrorFacts | null;
  /** Whether this is to forget the cursor that a sink left behind which is not registered. */
  isLeftover(command: SinksCommand): boolean;
  admit(spec: SinkSpec): SinkPlacement & { readonly input: SinkInput };
  locate(command: SinksCommand): SinkPlacement;
  /** From now on the sink counts as leaving; `successor` takes its place once it has ended. */
  retire(placement: SinkPlacement, command: SinksCommand, successor: SinkSpec | null): void;
  /** The sink has ended; returns what is to take its place. */
  release(childId: string): SinkSpec | null;
  /** Forgets the cursor of a sink that is not registered. */
  forget(command: SinksCommand): void;
  /** Sinks that have not ended. */
  readonly size: number;
  /** They, in order of registration, and how long each may take to drain. */
  readonly running: readonly { readonly childId: string; readonly drainDeadlineMs: number }[];
  answer(command: SinksCommand, outcome: ErrorFacts | null): void;
  note(event: object, note: RegistryEntry): void;
}

type Event = SinksCommand | SinksFact;

const sinksSetup = setup({
  types: {
    context: {} as { readonly register: SinkRegister },
    input: {} as { readonly register: SinkRegister },
    events: {} as Event,
  },
  actors: {
    sink: sinkMachine,
    backingOffSink: backingOffSinkMachine,
    circuitOpenSink: circuitOpenSinkMachine,
  },
  guards: {
    isRefused: ({ context, event }) =>
      isCommand(event) && (event.problem !== undefined || context.register.refusal(event) !== null),
    isLeftover: ({ context, event }) => isCommand(event) && context.register.isLeftover(event),
    isEmpty: ({ context }) => context.register.size === 0,
  },
  actions: {
    refuse: ({ context: { register }, event }) => {
      if (isCommand(event)) refuse(register, event, event.problem ?? register.refusal(event) ?? CLOSING);
    },
    refuseClosing: ({ context: { register }, event }) => {
      if (isCommand(event)) refuse(register, event, CLOSING);
    },
    answer: ({ context, event }) => {
      if (isCommand(event)) context.register.answer(event, null);
    },
    forget: ({ context: { register }, event }) => {
      if (event.type !== 'sinks.deregister') return;
      register.forget(event);
      const data = { id: event.id, leftover: true };
      register.note(event, { kind: 'deregistered', actorId: null, event: event.type, data });
      register.answer(event, null);
    },
    stopChild: stopChild(({ event }) => ('actorId' in event ? event.actorId : '')),
    releaseOnly: ({ context: { register }, event }) => {
      if ('actorId' in event) register.release(event.actorId);
    },
  },
});

function isCommand(event: Event): event is SinksCommand {
  return event.type.startsWith('sinks.');
}

const admit = sinksSetup.enqueueActions(({ enqueue, context: { register }, event }) => {
  if (event.type !== 'sinks.register') return;
  enterSink(enqueue, register, event.spec, event, {});
  register.answer(event, null);
});

type Enqueue = Parameters<Parameters<typeof sinksSetup.enqueueActions>[0]>[0]['enqueue'];

function enterSink(
  enqueue: Enqueue,
  register: SinkRegister,
  spec: SinkSpec,
  event: Event,
  data: Record<string, unknown>,
): void {
  const { childId, actorId, input } = register.admit(spec);
  const { type, reads } = spec;
  register.note(event, { kind: 'registered', actorId, event: event.type, data: { type, reads, ...data } });
  const kind = input.resume === null ? 'sink' : (`${input.resume.state}Sink` as const);
  enqueue.spawnChild(kind, { id: childId, input });
}

/** Tells a sink to go; it stays listed until it has ended. */
const dismiss = sinksSetup.enqueueActions(({ enqueue, context: { register }, event }) => {
  if (event.type !== 'sinks.deregister' && event.type !== 'sinks.update') return;
  const placement = register.locate(event);
  const { childId, actorId } = placement;
  register.retire(placement, event, event.type === 'sinks.update' ? event.spec : null);
  if (event.type === 'sinks.deregister') {
    const data = { mode: event.mode, ...(event.keepCursor === true ? { keepCursor: true } : {}) };
    register.note(event, { kind: 'deregistered', actorId, event: event.type, data });
  }
  enqueue.sendTo(childId, farewell(event));
});

function farewell(event: Extract<SinksCommand, { type: 'sinks.deregister' | 'sinks.update' }>): SinkCommand {
  if (event.type === 'sinks.update') return { type: 'sink.stop' };
  if (event.mode === 'now') return { type: 'sink.stop', deadlineMs: 0 };
  return {
    type: 'sink.drain',
    ...(event.deadlineMs === undefined ? {} : { deadlineMs: event.deadlineMs }),
  };
}

const passOn = sinksSetup.enqueueActions(({ enqueue, context: { register }, event }) => {
  if (event.type !== 'sinks.pause' && event.type !== 'sinks.resume') return;
  const { childId } = register.locate(event);
  enqueue.sendTo(childId, { type: event.type === 'sinks.pause' ? 'sink.pause' : 'sink.resume' });
  register.answer(event, null);
});

const drainAll = sinksSetup.enqueueActions(({ enqueue, context: { register }, event }) => {
  if (event.type !== 'sinks.close') return;
  for (const { childId, drainDeadlineMs } of register.running.toReversed()) {
    const deadlineMs = Math.min(drainDeadlineMs, event.deadlineMs);
    enqueue.sendTo(childId, { type: 'sink.drain', deadlineMs });
  }
});

/** Takes a sink that has ended out of the directory; what was to follow it is admitted. */
const release = sinksSetup.enqueueActions(({ enqueue, context: { register }, event }) => {
  if (!('actorId' in event)) return;
  const successor = register.release(event.actorId);
  if (successor !== null) enterSink(enqueue, register, successor, event, { updated: true });
});

export const sinksMachine = sinksSetup.createMachine({
  id: 'sinks',
  options: MACHINE_OPTIONS,
  context: ({ input }) => input,
  initial: 'open',
  states: {
    open: {
      on: {
        'sinks.register': [{ guard: 'isRefused', actions: 'refuse' }, { actions: admit }],
        'sinks.update': [{ guard: 'isRefused', actions: 'refuse' }, { actions: dismiss }],
        'sinks.deregister': [
          { guard: 'isRefused', actions: 'refuse' },
          { guard: 'isLeftover', actions: 'forget' },
          { actions: dismiss },
        ],
        'sinks.pause': [{ guard: 'isRefused', actions: 'refuse' }, { actions: passOn }],
        'sinks.resume': [{ guard: 'isRefused', actions: 'refuse' }, { actions: passOn }],
        'sinks.list': { actions: 'answer' },
        'sinks.close': { target: 'closing', actions: drainAll },
        'xstate.done.actor.*': { actions: ['stopChild', release] },
        'xstate.error.actor.*': { actions: ['stopChild', release] },
      },
    },
    closing: {
      always: { guard: 'isEmpty', target: 'closed' },
      on: {
        'sinks.list': { actions: 'answer' },
        'sinks.register': { actions: 'refuseClosing' },
        'sinks.update': { actions: 'refuseClosing' },
        'sinks.deregister': { actions: 'refuseClosing' },
        'sinks.pause': { actions: 'refuseClosing' },
        'sinks.resume': { actions: 'refuseClosing' },
        'xstate.done.actor.*': { actions: ['stopChild', 'releaseOnly'] },
        'xstate.error.actor.*': { actions: ['stopChild', 'releaseOnly'] },
      },
    },
    closed: { type: 'final' },
  },
});
