/** Pipeline: the group of stages. Says whether records move, and ends when everything has gone through or the
 *  deadline has come. The records themselves are the business of its port, the stages. */

import { assign, sendParent, sendTo, setup } from 'xstate';
import { MACHINE_OPTIONS, partFailure, unprovidedPort, type PartFact } from './ports.ts';

/** Take what the outlets still hold, then end; at the latest at `deadlineMonoMs`, monotonic time. */
export type PipelineCommand = { type: 'pipeline.drain'; deadlineMs: number };

type PipelineFact =
  /** Records wait and none has moved for a while; something further on does not take them. */
  | { type: 'flow.blocked'; waitingRecords: number }
  | { type: 'flow.moved' }
  | { type: 'flow.drained'; lostRecords: number };

export const pipelineMachine = setup({
  types: {
    context: {} as { readonly lostRecords: number },
    events: {} as PipelineCommand | PipelineFact | PartFact,
    output: {} as { readonly lostRecords: number },
  },
  actors: { stages: unprovidedPort<undefined>('stages') },
  actions: {
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
    'pipeline.drain': { target: '.draining', actions: sendTo('stages', ({ event }) => event) },
  },
  states: {
    flowing: { on: { 'flow.blocked': 'blocked' } },
    blocked: { on: { 'flow.moved': 'flowing' } },
    draining: {
      on: { 'flow.drained': { target: 'drained', actions: 'noteLost' }, 'pipeline.drain': {} },
    },
    drained: { type: 'final' },
  },
  output: ({ context }) => ({ lostRecords: context.lostRecords }),
});
