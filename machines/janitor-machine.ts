/** The janitor: whether what is stored is being cut back to what retention allows. Its port looks at an
 *  interval and does the work; a run of deletions lasts until a look that finds nothing to delete. */

import { sendParent, setup } from 'xstate';
import { MACHINE_OPTIONS, partFailure, unprovidedPort, type PartFact } from './support/ports.ts';

type JanitorFact = { type: 'cleaning.began' } | { type: 'cleaning.ended' };

export const janitorMachine = setup({
  types: { events: {} as JanitorFact | PartFact },
  actors: { retention: unprovidedPort<undefined>('retention') },
}).createMachine({
  id: 'janitor',
  options: MACHINE_OPTIONS,
  initial: 'idle',
  invoke: {
    id: 'retention',
    src: 'retention',
    onError: { actions: sendParent(({ event }) => partFailure(event)) },
  },
  on: { 'part.failed': { actions: sendParent(({ event }) => partFailure(event)) } },
  states: {
    idle: { on: { 'cleaning.began': 'cleaning' } },
    cleaning: { on: { 'cleaning.ended': 'idle' } },
  },
});
