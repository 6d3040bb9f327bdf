/** Where the chance of a run comes from: with a seed, every run draws the same. */

import type { EngineOptions } from '../config/engine-options.ts';
import { seededRandom, type Random } from '../domain/random.ts';

/** Identifiers come from the seed only where time is simulated too: two gateways must not share one.
 *  `freshUuid` gives one that nobody has. */
export function randomnessOf(
  { clock, seed }: Pick<EngineOptions, 'clock' | 'seed'>,
  freshUuid: () => string,
): { readonly random: Random; readonly uuid: () => string } {
  const random = seededRandom(seed ?? freshUuid());
  const identity = random.fork('identity');
  const isSimulated = clock !== undefined && seed !== undefined;
  return { random, uuid: isSimulated ? () => identity.uuid() : freshUuid };
}
