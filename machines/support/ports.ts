/** What all machines share: how a machine names the work it does not do itself, and the settings of every
 *  machine. */

import { fromCallback, type AnyEventObject, type CallbackActorLogic } from 'xstate';
import { LIMITS } from '../../src/domain/limits.ts';
import type { ErrorFacts } from '../../src/domain/errors.ts';

/** Settings of every machine. XState lets an `always` loop run for ever unless told otherwise. */
export const MACHINE_OPTIONS = { maxIterations: LIMITS.machineIterationsMax } as const;

/** A child a machine starts but does not define. Fails loudly until the composition root provides it. */
export function unprovidedPort<Input>(name: string): CallbackActorLogic<AnyEventObject, Input> {
  return fromCallback<AnyEventObject, Input>(() => {
    throw new Error(`port "${name}" is not provided`);
  });
}

/** A defect in the work of one of the engine's own parts, told by its port. */
export type PartFact = { type: 'part.failed'; error: ErrorFacts };

/** What a part tells the engine when its port has failed. The engine ends as failed: a part of its own that
 *  is broken is no source's fault, and whoever runs the engine must hear of it. */
export function partFailure({ error }: { type: string; error?: unknown }): PartFact {
  const facts = isErrorFacts(error) ? error : { code: 'HG_ENGINE_ESCALATED', message: String(error) };
  return { type: 'part.failed', error: facts };
}

function isErrorFacts(value: unknown): value is ErrorFacts {
  return typeof value === 'object' && value !== null && 'code' in value && 'message' in value;
}
