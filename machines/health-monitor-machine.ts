/** Health monitor: says whether every source does what it should. Its port, the sampler, looks at them at an
 *  interval. */

import { sendParent, setup } from 'xstate';
import { MACHINE_OPTIONS, partFailure, unprovidedPort, type PartFact } from './support/ports.ts';

type HealthFact =
  | { type: 'sources.ailing'; ailing: number; sourceIds: readonly string[] }
  | { type: 'sources.well' };

export const healthMonitorMachine = setup({
  types: { events: {} as HealthFact | PartFact },
  actors: { sampler: unprovidedPort<undefined>('sampler') },
}).createMachine({
  id: 'healthMonitor',
  options: MACHINE_OPTIONS,
  initial: 'well',
  invoke: {
    id: 'sampler',
    src: 'sampler',
    onError: { actions: sendParent(({ event }) => partFailure(event)) },
  },
  on: { 'part.failed': { actions: sendParent(({ event }) => partFailure(event)) } },
  states: {
    well: { on: { 'sources.ailing': 'ailing' } },
    ailing: { on: { 'sources.well': 'well' } },
  },
});
