/** Closes the database at the end of a run. A disk that hangs must not keep an engine from stopping: after a
 *  while the storage is left behind, and what it had not acknowledged by then stays so. */

import type { EventStore } from '../../storage/event-store.ts';
import type { Clock } from '../domain/clock.ts';
import { messageOf } from '../domain/errors.ts';
import { LIMITS } from '../domain/limits.ts';
import type { Logger } from '../domain/logger.ts';

export interface StoreClosing {
  readonly clock: Clock;
  readonly log: Logger;
  /** When the run ended; null: it did not end well. */
  readonly end: { readonly atMs: number } | null;
  /** It has not answered for so long that it is not asked any more. */
  readonly isHung: boolean;
}

/** Never throws. */
export async function closeStore(
  store: Pick<EventStore, 'close' | 'abandon'>,
  { clock, log, end, isHung }: StoreClosing,
): Promise<void> {
  try {
    if (!isHung && (await settlesInTime(clock, store.close(end)))) return;
    store.abandon();
    log.error(
      {},
      'the disk does not answer; the database was left open and what is not stored is lost. Look at the disk',
    );
  } catch (error) {
    log.error(
      { error: messageOf(error) },
      'the end of the run could not be written; it will look like a crash',
    );
  }
}

/** Whether the promise is fulfilled in time. Rejects as it does. */
async function settlesInTime(clock: Clock, work: Promise<void>): Promise<boolean> {
  const late = Promise.withResolvers<boolean>();
  const timer = clock.setTimeout(() => late.resolve(false), LIMITS.storageAnswerMsMax);
  try {
    return await Promise.race([work.then(() => true), late.promise]);
  } finally {
    clock.clearTimeout(timer);
  }
}
