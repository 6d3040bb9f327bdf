/** A shard: supervises some of the sources. It starts them, passes commands on, clears away those that
 *  ended and tells the registry. It decides nothing about a single source; the source's own machine does. */

import { enqueueActions, sendParent, setup, stopChild } from 'xstate';
import { MACHINE_OPTIONS } from './support/ports.ts';
import {
  backingOffSourceMachine,
  circuitOpenSourceMachine,
  sourceMachine,
  type SourceCommand,
  type SourceInput,
  type SourceOutput,
} from './source-machine.ts';

/** Commands of the registry. `childId` is a place in the shard: another source gets it when one has ended,
 *  since XState never forgets a type of event, and the end of a child is a type of its own for each id. */
export type ShardCommand =
  | { type: 'shard.start'; childId: string; input: SourceInput }
  | { type: 'shard.forward'; childId: string; command: SourceCommand }
  | { type: 'shard.broadcast'; command: SourceCommand };

type ShardFact =
  | { type: 'source.escalated'; error: { code: string; message: string } }
  | { type: 'xstate.done.actor.*'; actorId: string; output: SourceOutput }
  | { type: 'xstate.error.actor.*'; actorId: string; error: unknown };

/** What a shard tells the registry. */
export type ShardReport =
  | { type: 'shard.released'; childId: string; forced: boolean }
  | { type: 'shard.failed'; childId: string; error: unknown }
  | { type: 'shard.escalated'; error: { code: string; message: string } };

const shardSetup = setup({
  types: { events: {} as ShardCommand | ShardFact },
  actors: {
    source: sourceMachine,
    backingOffSource: backingOffSourceMachine,
    circuitOpenSource: circuitOpenSourceMachine,
  },
});

const admit = shardSetup.enqueueActions(({ enqueue, event }) => {
  if (event.type !== 'shard.start') return;
  const { childId: id, input } = event;
  if (input.resume === null) enqueue.spawnChild('source', { id, input });
  else enqueue.spawnChild(`${input.resume.state}Source`, { id, input });
});

export const sourceShardMachine = shardSetup.createMachine({
  id: 'shard',
  options: MACHINE_OPTIONS,
  initial: 'open',
  states: {
    open: {
      on: {
        'shard.start': { actions: admit },
        // A source that has just ended is no child any more; there is nobody to tell.
        'shard.forward': {
          actions: enqueueActions(({ enqueue, event, self }) => {
            if (self.getSnapshot().children[event.childId]) enqueue.sendTo(event.childId, event.command);
          }),
        },
        // Stop in reverse: the source admitted last is told first.
        'shard.broadcast': {
          actions: enqueueActions(({ enqueue, event, self }) => {
            for (const childId of Object.keys(self.getSnapshot().children).reverse()) {
              enqueue.sendTo(childId, event.command);
            }
          }),
        },
        'source.escalated': {
          actions: sendParent(
            ({ event }) => ({ type: 'shard.escalated', error: event.error }) satisfies ShardReport,
          ),
        },
        'xstate.done.actor.*': {
          actions: [
            stopChild(({ event }) => event.actorId),
            sendParent(
              ({ event }) =>
                ({
                  type: 'shard.released',
                  childId: event.actorId,
                  forced: event.output.forced,
                }) satisfies ShardReport,
            ),
          ],
        },
        'xstate.error.actor.*': {
          actions: [
            stopChild(({ event }) => event.actorId),
            sendParent(
              ({ event }) =>
                ({ type: 'shard.failed', childId: event.actorId, error: event.error }) satisfies ShardReport,
            ),
          ],
        },
      },
    },
  },
});
