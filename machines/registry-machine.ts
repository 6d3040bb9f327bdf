/** The registry: takes the messages that register, deregister, update, pause and resume sources, refuses
 *  those that cannot be carried out, and spreads the sources over shards. Who is registered where is the
 *  directory's knowledge, a port; the registry decides, the directory remembers. */

import { sendParent, setup } from 'xstate';
import type { ErrorFacts } from '../src/domain/errors.ts';
import type { SourceSpec } from '../src/domain/source.ts';
import { sourceShardMachine, type ShardReport } from './source-shard-machine.ts';
import { MACHINE_OPTIONS } from './support/ports.ts';
import { CLOSING, refuse, type RegistryEntry, type Request } from './support/command-rejection.ts';
import type { SourceCommand, SourceInput } from './source-machine.ts';

export type RegistryCommand = Request &
  (
    | { readonly type: 'registry.register'; readonly spec: SourceSpec }
    | { readonly type: 'registry.update'; readonly spec: SourceSpec }
    | {
        readonly type: 'registry.deregister';
        readonly id: string;
        readonly mode: 'drain' | 'now';
        readonly deadlineMs?: number;
      }
    | { readonly type: 'registry.pause'; readonly id: string }
    | { readonly type: 'registry.resume'; readonly id: string }
    | { readonly type: 'registry.list' }
    /** Take no more commands, drain every source, end. */
    | { readonly type: 'registry.close'; readonly deadlineMs: number }
  );

/** Where a source runs. */
export interface Placement {
  /** Its place in the shard. */
  readonly childId: string;
  /** Its name in the timeline. */
  readonly actorId: string;
  readonly shardId: string;
}

export interface Admission extends Placement {
  readonly input: SourceInput;
  readonly opensShard: boolean;
}

/** What the registry needs to know and have done; filled by the composition root. */
export interface Directory {
  /** Why this command cannot be carried out now; null if it can. */
  refusal(command: RegistryCommand): ErrorFacts | null;
  /** Enters a source and says where it goes. */
  admit(spec: SourceSpec): Admission;
  locate(command: RegistryCommand): Placement;
  /** From now on the source counts as leaving; `successor` takes its place once it has ended. */
  retire(placement: Placement, command: RegistryCommand, successor: SourceSpec | null): void;
  /** The source has ended; returns what is to take its place. */
  release(childId: string): SourceSpec | null;
  /** Sources that have not ended. */
  readonly size: number;
  readonly shardIds: readonly string[];
  answer(command: RegistryCommand, outcome: ErrorFacts | null): void;
  /** Writes a row that is no transition; `event` is what led to it. */
  note(event: object, note: RegistryEntry): void;
}

type Event = RegistryCommand | ShardReport;

const registrySetup = setup({
  types: {
    context: {} as { readonly directory: Directory },
    input: {} as { readonly directory: Directory },
    events: {} as Event,
  },
  actors: { shard: sourceShardMachine },
  guards: {
    isRefused: ({ context, event }) =>
      isCommand(event) && (event.problem !== undefined || context.directory.refusal(event) !== null),
    isEmpty: ({ context }) => context.directory.size === 0,
  },
  actions: {
    refuse: ({ context: { directory }, event }) => {
      if (isCommand(event)) refuse(directory, event, event.problem ?? directory.refusal(event) ?? CLOSING);
    },
    refuseClosing: ({ context: { directory }, event }) => {
      if (isCommand(event)) refuse(directory, event, CLOSING);
    },
    answer: ({ context, event }) => {
      if (isCommand(event)) context.directory.answer(event, null);
    },
  },
});

function isCommand(event: Event): event is RegistryCommand {
  return event.type.startsWith('registry.');
}

/** Enters a source in the directory, opens a shard for it if need be, and hands it over. */
const admit = registrySetup.enqueueActions(({ enqueue, context: { directory }, event }) => {
  if (event.type !== 'registry.register') return;
  enterSource(enqueue, directory, event.spec, event, {});
  directory.answer(event, null);
});

type Enqueue = Parameters<Parameters<typeof registrySetup.enqueueActions>[0]>[0]['enqueue'];

function enterSource(
  enqueue: Enqueue,
  directory: Directory,
  spec: SourceSpec,
  event: Event,
  data: Record<string, unknown>,
): void {
  const { childId, actorId, shardId, input, opensShard } = directory.admit(spec);
  directory.note(event, {
    kind: 'registered',
    actorId,
    event: event.type,
    data: { type: spec.type, ...data },
  });
  if (opensShard) enqueue.spawnChild('shard', { id: shardId });
  enqueue.sendTo(shardId, { type: 'shard.start', childId, input });
}

/** Tells a source to go; it stays listed until it has ended. */
const dismiss = registrySetup.enqueueActions(({ enqueue, context: { directory }, event }) => {
  if (event.type !== 'registry.deregister' && event.type !== 'registry.update') return;
  const placement = directory.locate(event);
  const { childId, actorId, shardId } = placement;
  const successor = event.type === 'registry.update' ? event.spec : null;
  directory.retire(placement, event, successor);
  if (event.type === 'registry.deregister') {
    const data = { mode: event.mode };
    directory.note(event, { kind: 'deregistered', actorId, event: event.type, data });
  }
  const now = event.type === 'registry.deregister' && event.mode === 'now';
  const deadline = event.type === 'registry.deregister' ? event.deadlineMs : undefined;
  const command: SourceCommand = now
    ? { type: 'source.stop' }
    : { type: 'source.drain', ...(deadline === undefined ? {} : { deadlineMs: deadline }) };
  enqueue.sendTo(shardId, { type: 'shard.forward', childId, command });
});

const passOn = registrySetup.enqueueActions(({ enqueue, context: { directory }, event }) => {
  if (event.type !== 'registry.pause' && event.type !== 'registry.resume') return;
  const { childId, shardId } = directory.locate(event);
  const command: SourceCommand = { type: event.type === 'registry.pause' ? 'source.pause' : 'source.resume' };
  enqueue.sendTo(shardId, { type: 'shard.forward', childId, command });
  directory.answer(event, null);
});

const drainAll = registrySetup.enqueueActions(({ enqueue, context: { directory }, event }) => {
  if (event.type !== 'registry.close') return;
  for (const shardId of [...directory.shardIds].reverse()) {
    enqueue.sendTo(shardId, {
      type: 'shard.broadcast',
      command: { type: 'source.drain', deadlineMs: event.deadlineMs },
    });
  }
});

/** Takes a source that has ended out of the directory; what was to follow it is admitted. */
const release = registrySetup.enqueueActions(({ enqueue, context: { directory }, event }) => {
  if (event.type !== 'shard.released' && event.type !== 'shard.failed') return;
  const successor = directory.release(event.childId);
  if (successor !== null) enterSource(enqueue, directory, successor, event, { updated: true });
});

const releaseOnly = registrySetup.enqueueActions(({ context: { directory }, event }) => {
  if (event.type !== 'shard.released' && event.type !== 'shard.failed') return;
  directory.release(event.childId);
});

export const registryMachine = registrySetup.createMachine({
  id: 'registry',
  options: MACHINE_OPTIONS,
  context: ({ input }) => input,
  initial: 'open',
  states: {
    open: {
      on: {
        'registry.register': [{ guard: 'isRefused', actions: 'refuse' }, { actions: admit }],
        'registry.update': [{ guard: 'isRefused', actions: 'refuse' }, { actions: dismiss }],
        'registry.deregister': [{ guard: 'isRefused', actions: 'refuse' }, { actions: dismiss }],
        'registry.pause': [{ guard: 'isRefused', actions: 'refuse' }, { actions: passOn }],
        'registry.resume': [{ guard: 'isRefused', actions: 'refuse' }, { actions: passOn }],
        'registry.list': { actions: 'answer' },
        'registry.close': { target: 'closing', actions: drainAll },
        'shard.released': { actions: release },
        'shard.failed': { actions: release },
        'shard.escalated': {
          actions: sendParent(({ event }) => ({ type: 'registry.escalated', error: event.error })),
        },
      },
    },
    closing: {
      always: { guard: 'isEmpty', target: 'closed' },
      on: {
        'registry.list': { actions: 'answer' },
        'registry.register': { actions: 'refuseClosing' },
        'registry.update': { actions: 'refuseClosing' },
        'registry.deregister': { actions: 'refuseClosing' },
        'registry.pause': { actions: 'refuseClosing' },
        'registry.resume': { actions: 'refuseClosing' },
        'shard.released': { actions: releaseOnly },
        'shard.failed': { actions: releaseOnly },
      },
    },
    closed: { type: 'final' },
  },
});
