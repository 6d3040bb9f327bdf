/** What is said of a value that is none of those it may be. */

import { nearestNames } from '../domain/nearest-names.ts';

export const MISSING = 'is missing';

/** With the right one, where one was misspelled. */
export function oneOf(options: readonly string[], found: unknown): { message: string; suggestion?: string } {
  const list = `${options.length === 1 ? '' : 'one of '}${options.join(', ')}`;
  if (found === undefined) return { message: `${MISSING}; it must be ${list}` };
  if (typeof found !== 'string') return { message: `must be ${list}` };
  const [near] = nearestNames(found, options);
  if (near === undefined) return { message: `must be ${list}` };
  return { message: `must be ${list}; did you mean "${near}"?`, suggestion: near };
}
