/** A bay: supervises a shard of the sources. It starts them, passes commands on, clears away those that ended
 *  and tells the registry. It decides nothing about a single source; the source's own machine does. */

import { enqueueActions, sendParent, setup, stopChild } from 'xstate';
import { MACHINE_OPTIONS } from './ports.ts';
import {
  backingOffSourceMachine,
  circuitOpenSourceMachine,
  sourceMachine,
  type SourceCommand,
  type SourceInput,
  type SourceOutput,
} from './source-machine.ts';

/** Commands of the registry. `childId` is a place in the bay: another source gets it when one has ended,
 *  since XState never forgets a type of event, and the end of a child is a type of its own for each id. */
export type BayCommand =
  | { type: 'bay.admit'; childId: string; input: SourceInput }
  | { type: 'bay.tell'; childId: string; command: SourceCommand }
  | { type: 'bay.tellAll'; command: SourceCommand };

type BayFact =
  | { type: 'source.escalated'; error: { code: string; message: string } }
  | { type: 'xstate.done.actor.*'; actorId: string; output: SourceOutput }
  | { type: 'xstate.error.actor.*'; actorId: string; error: unknown };

/** What a bay tells the registry. */
export type BayReport =
  | { type: 'bay.released'; childId: string; forced: boolean }
  | { type: 'bay.broke'; childId: string; error: unknown }
  | { type: 'bay.escalated'; error: { code: string; message: string } };

const baySetup = setup({
  types: { events: {} as BayCommand | BayFact },
  actors: {
    source: sourceMachine,
    backingOffSource: backingOffSourceMachine,
    circuitOpenSource: circuitOpenSourceMachine,
  },
});

const admit = baySetup.enqueueActions(({ enqueue, event }) => {
  if (event.type !== 'bay.admit') return;
  const { childId: id, input } = event;
  if (input.resume === null) enqueue.spawnChild('source', { id, input });
  else enqueue.spawnChild(`${input.resume.state}Source`, { id, input });
});

export const bayMachine = baySetup.createMachine({
  id: 'bay',
  options: MACHINE_OPTIONS,
  initial: 'open',
  states: {
    open: {
      on: {
        'bay.admit': { actions: admit },
        // A source that has just ended is no child any more; there is nobody to tell.
        'bay.tell': {
          actions: enqueueActions(({ enqueue, event, self }) => {
            if (self.getSnapshot().children[event.childId]) enqueue.sendTo(event.childId, event.command);
          }),
        },
        // Stop in reverse: the source admitted last is told first.
        'bay.tellAll': {
          actions: enqueueActions(({ enqueue, event, self }) => {
            for (const childId of Object.keys(self.getSnapshot().children).reverse()) {
              enqueue.sendTo(childId, event.command);
            }
          }),
        },
        'source.escalated': {
          actions: sendParent(
            ({ event }) => ({ type: 'bay.escalated', error: event.error }) satisfies BayReport,
          ),
        },
        'xstate.done.actor.*': {
          actions: [
            stopChild(({ event }) => event.actorId),
            sendParent(
              ({ event }) =>
                ({
                  type: 'bay.released',
                  childId: event.actorId,
                  forced: event.output.forced,
                }) satisfies BayReport,
            ),
          ],
        },
        'xstate.error.actor.*': {
          actions: [
            stopChild(({ event }) => event.actorId),
            sendParent(
              ({ event }) =>
                ({ type: 'bay.broke', childId: event.actorId, error: event.error }) satisfies BayReport,
            ),
          ],
        },
      },
    },
  },
});
