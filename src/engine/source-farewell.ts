/** The good-bye of a source that does not come back: what its far end keeps for it is ended. */

import type { SourceRuntime } from '../../actors/sources/runtime/source-runtime.ts';
import type { Clock } from '../domain/clock.ts';
import { messageOf } from '../domain/errors.ts';
import type { Logger } from '../domain/logger.ts';
import type { SourceSpec } from '../domain/source.ts';
import type { RunPersistence } from './run-persistence.ts';

/** The cursor of a source that said good-bye: nothing is kept for it. */
export const NO_PLACE = '{}';

interface Parts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly books: RunPersistence;
}

/** Does nothing where the source only stops with the engine, or where its successor keeps the same. Returns
 *  whether the source's cursor counts no more. */
export function sayFarewell(
  runtime: SourceRuntime,
  successor: SourceSpec | null,
  { clock, log, books }: Parts,
): boolean {
  const { keeps, farewell } = runtime.spec.logic;
  const isGone = runtime.deregisteredAtMs !== null || (successor !== null && successor.logic.keeps !== keeps);
  if (farewell === undefined || !isGone) return false;
  const { cursor } = runtime;
  // The successor begins without it: what it stands for is on its way out.
  const forgotten = books.keepCursor(runtime, NO_PLACE);
  const io = {
    ...{ clock, log, cursor },
    alert: (event: string, message: string, details: Readonly<Record<string, unknown>> = {}) =>
      books.raise(
        { event, severity: 'warning', sourceId: runtime.name, timestamp: clock.wallMs(), message, details },
        runtime,
      ),
    keepCursor: () => forgotten,
  };
  farewell(io).catch((error: unknown) => {
    log.warn({ source: runtime.name, error: messageOf(error) }, 'the good-bye of a source failed');
  });
  return true;
}
