/** Recorder: says whether what arrives can be written. The writing itself, one commit at a time, is its
 *  port's business. */

import { sendParent, setup } from 'xstate';
import type { ErrorFacts } from '../src/domain/errors.ts';
import { MACHINE_OPTIONS, partFailure, unprovidedPort, type PartFact } from './support/ports.ts';

type RecorderFact =
  | { type: 'commit.failed'; error: ErrorFacts }
  | { type: 'commit.recovered'; afterMs: number };

export const recorderMachine = setup({
  types: { events: {} as RecorderFact | PartFact },
  actors: { committer: unprovidedPort<undefined>('committer') },
}).createMachine({
  id: 'recorder',
  options: MACHINE_OPTIONS,
  initial: 'recording',
  invoke: {
    id: 'committer',
    src: 'committer',
    onError: { actions: sendParent(({ event }) => partFailure(event)) },
  },
  on: { 'part.failed': { actions: sendParent(({ event }) => partFailure(event)) } },
  states: {
    recording: { on: { 'commit.failed': 'stalled' } },
    stalled: { on: { 'commit.recovered': 'recording' } },
  },
});
