/** Pipeline: the group of stages. Says whether records move, has the stages exchanged while the gate holds
 *  back, and ends when everything has gone through or the deadline has come. The records themselves are the
 *  business of its port, the stages. */

import { assign, sendParent, sendTo, setup } from 'xstate';
import type { ErrorFacts } from '../src/domain/errors.ts';
import { MACHINE_OPTIONS, partFailure, unprovidedPort, type PartFact } from './support/ports.ts';
import type { Request } from './support/command-rejection.ts';

export type PipelineCommand =
  /** Take what the outlets still hold, then end; at the latest after `deadlineMs`. */
  | { readonly type: 'pipeline.drain'; readonly deadlineMs: number }
  /** Hold records back until nothing is between the stages, then put those in their place that the port has
   *  ready. At the latest after `deadlineMs` the old ones go on instead. */
  | ({
      readonly type: 'pipeline.configure';
      readonly stageNames: readonly string[];
      readonly deadlineMs: number;
    } & Request);

type PipelineFact =
  /** Records wait and none has moved for a while; something further on does not take them. */
  | { type: 'flow.blocked'; waitingRecords: number }
  | { type: 'flow.moved' }
  /** The new stages are at work. */
  | { type: 'flow.switched' }
  /** They are not: the old ones go on. */
  | { type: 'flow.kept'; error: ErrorFacts }
  | { type: 'flow.drained'; lostRecords: number }
  /** The engine is on its way down: sources drain through the stages as they are. */
  | { type: 'engine.draining' };

export const pipelineMachine = setup({
  types: {
    context: {} as { readonly lostRecords: number },
    events: {} as PipelineCommand | PipelineFact | PartFact,
    output: {} as { readonly lostRecords: number },
  },
  actors: { stages: unprovidedPort<undefined>('stages') },
  actions: {
    tellStages: sendTo('stages', ({ event }) => event),
    noteLost: assign({
      lostRecords: ({ context, event }) =>
        event.type === 'flow.drained' ? event.lostRecords : context.lostRecords,
    }),
  },
}).createMachine({
  id: 'pipeline',
  options: MACHINE_OPTIONS,
  context: { lostRecords: 0 },
  initial: 'flowing',
  invoke: {
    id: 'stages',
    src: 'stages',
    onError: { actions: sendParent(({ event }) => partFailure(event)) },
  },
  on: {
    'part.failed': { actions: sendParent(({ event }) => partFailure(event)) },
    'pipeline.drain': { target: '.draining', actions: 'tellStages' },
    'pipeline.configure': { target: '.switching', actions: 'tellStages' },
  },
  states: {
    flowing: { on: { 'flow.blocked': 'blocked' } },
    blocked: { on: { 'flow.moved': 'flowing' } },
    switching: {
      on: {
        'flow.switched': 'flowing',
        'flow.kept': 'flowing',
        'engine.draining': { actions: 'tellStages' },
        // One at a time: the port refuses it.
        'pipeline.configure': { actions: 'tellStages' },
      },
    },
    draining: {
      on: {
        'flow.drained': { target: 'drained', actions: 'noteLost' },
        'pipeline.drain': {},
        'pipeline.configure': { actions: 'tellStages' },
      },
    },
    drained: { type: 'final' },
  },
  output: ({ context }) => ({ lostRecords: context.lostRecords }),
});
