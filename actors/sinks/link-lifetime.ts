/** The end of a sink's link, however it comes: the far end is lost, the run is stopped, the link is closed.
 *  A delivery under way then settles at once, whatever the library beneath still waits for. */

import { HeadgateError } from '../../src/domain/errors.ts';
import type { SinkIo } from '../../src/domain/sink.ts';

export interface LinkLifetime {
  /** Why the link has ended; null while it stands. */
  readonly ended: Error | null;
  /** Ends it. Only the first reason counts. */
  end(reason: Error): void;
  /** As `work`, but rejects with the reason as soon as the link ends. */
  during<Result>(work: Promise<Result>): Promise<Result>;
  /** Ends it without telling anybody but a delivery under way. */
  close(): void;
}

/** `far` names the far end in messages. `onEnd` is called once, at the end, before anybody is told. */
export function linkLifetime(io: SinkIo, far: string, onEnd: () => void = () => {}): LinkLifetime {
  let ended: Error | null = null;
  let giveUp: ((reason: Error) => void) | null = null;
  const stop = (reason: Error): boolean => {
    if (ended !== null) return false;
    ended = reason;
    io.signal.removeEventListener('abort', aborted);
    onEnd();
    giveUp?.(reason);
    return true;
  };
  const aborted = () => stop(lost(`the sink was stopped before ${far} had taken the batch`));
  const life: LinkLifetime = {
    get ended() {
      return ended;
    },
    end(reason) {
      const idle = giveUp === null;
      if (stop(reason) && idle) io.failed(reason);
    },
    async during(work) {
      // What the library says later is of no interest; unheard it would end the process.
      work.catch(() => {});
      if (ended !== null) throw ended;
      const end = Promise.withResolvers<never>();
      giveUp = end.reject;
      try {
        return await Promise.race([work, end.promise]);
      } finally {
        giveUp = null;
      }
    },
    close() {
      stop(lost(`the link to ${far} was closed`));
    },
  };
  if (io.signal.aborted) aborted();
  else io.signal.addEventListener('abort', aborted, { once: true });
  return life;
}

function lost(message: string): HeadgateError {
  return new HeadgateError('HG_LINK_LOST', message);
}
