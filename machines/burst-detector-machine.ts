/** Burst detector: says whether any source is bursting. Owns no clock and counts no records: the meter does,
 *  its port, and tells it about the first burst that begins and the last one that ends. */

import { sendParent, sendTo, setup } from 'xstate';
import { MACHINE_OPTIONS, partFailure, unprovidedPort, type PartFact } from './support/ports.ts';
import type { Request } from './support/command-rejection.ts';

/** From now on this is a burst; null: nothing is. The options are the port's; their values stand beside them
 *  for the row of the timeline. */
export type BurstDetectorCommand = {
  readonly type: 'burstDetector.configure';
  readonly burst: object | null;
} & Request;

type BurstFact = { type: 'burst.began'; sourceId: string } | { type: 'bursts.over'; sourceId: string };

export const burstDetectorMachine = setup({
  types: { events: {} as BurstDetectorCommand | BurstFact | PartFact },
  actors: { meter: unprovidedPort<undefined>('meter') },
}).createMachine({
  id: 'burstDetector',
  options: MACHINE_OPTIONS,
  initial: 'quiet',
  invoke: { id: 'meter', src: 'meter', onError: { actions: sendParent(({ event }) => partFailure(event)) } },
  on: {
    'part.failed': { actions: sendParent(({ event }) => partFailure(event)) },
    'burstDetector.configure': { actions: sendTo('meter', ({ event }) => event) },
  },
  states: {
    quiet: { on: { 'burst.began': 'bursting' } },
    bursting: { on: { 'bursts.over': 'quiet' } },
  },
});
