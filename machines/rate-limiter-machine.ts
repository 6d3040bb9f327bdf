/** Rate limiter: says whether a limit is being hit. Counts nothing and waits for nothing: the gate does, its
 *  port, and tells it about edges only. */

import { sendParent, sendTo, setup } from 'xstate';
import type { RateLimitOptions } from '../src/domain/source.ts';
import { MACHINE_OPTIONS, partFailure, unprovidedPort, type PartFact } from './support/ports.ts';
import type { Request } from './support/command-rejection.ts';

/** From now on this limit holds; null: none. Its values stand beside it for the row of the timeline. */
export type RateLimiterCommand = {
  readonly type: 'rateLimiter.configure';
  readonly rateLimit: RateLimitOptions | null;
} & Partial<RateLimitOptions> &
  Request;

type RateLimiterFact =
  /** `source`: the one whose record was the first to be refused or held back. */
  | { type: 'limit.hit'; scope: 'global' | 'source'; recordsPerSecondMax: number; source: string }
  /** Nothing was refused for a full window. */
  | { type: 'limit.cleared'; dropped: number };

export const rateLimiterMachine = setup({
  types: { events: {} as RateLimiterCommand | RateLimiterFact | PartFact },
  actors: { gate: unprovidedPort<undefined>('gate') },
}).createMachine({
  id: 'rateLimiter',
  options: MACHINE_OPTIONS,
  initial: 'open',
  invoke: { id: 'gate', src: 'gate', onError: { actions: sendParent(({ event }) => partFailure(event)) } },
  on: {
    'part.failed': { actions: sendParent(({ event }) => partFailure(event)) },
    'rateLimiter.configure': { actions: sendTo('gate', ({ event }) => event) },
  },
  states: {
    open: { on: { 'limit.hit': 'limiting' } },
    limiting: { on: { 'limit.cleared': 'open' } },
  },
});
