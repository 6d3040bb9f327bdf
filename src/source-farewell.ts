/** The good-bye of a source that does not come back: what its far end keeps for it is ended. */

import type { SourceRig } from '../actors/sources/source-rig.ts';
import type { Clock } from './domain/clock.ts';
import { messageOf } from './domain/errors.ts';
import type { Logger } from './domain/logger.ts';
import type { SourceSpec } from './domain/source.ts';
import type { RunBooks } from './run-books.ts';

/** The cursor of a source that said good-bye: nothing is kept for it. */
export const NO_PLACE = '{}';

interface Parts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly books: RunBooks;
}

/** Does nothing where the source only stops with the engine, or where its successor keeps the same. Returns
 *  whether the source's cursor counts no more. */
export function sayFarewell(
  rig: SourceRig,
  successor: SourceSpec | null,
  { clock, log, books }: Parts,
): boolean {
  const { keeps, farewell } = rig.spec.logic;
  const isGone = rig.deregisteredAtMs !== null || (successor !== null && successor.logic.keeps !== keeps);
  if (farewell === undefined || !isGone) return false;
  const { cursor } = rig;
  // The successor begins without it: what it stands for is on its way out.
  const forgotten = books.keepCursor(rig, NO_PLACE);
  const io = {
    ...{ clock, log, cursor },
    alert: (event: string, message: string, details: Readonly<Record<string, unknown>> = {}) =>
      books.raise(
        { event, severity: 'warning', sourceId: rig.name, timestamp: clock.wallMs(), message, details },
        rig,
      ),
    keepCursor: () => forgotten,
  };
  farewell(io).catch((error: unknown) => {
    log.warn({ source: rig.name, error: messageOf(error) }, 'the good-bye of a source failed');
  });
  return true;
}
