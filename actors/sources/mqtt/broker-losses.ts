/** What a broker says it has thrown away: Mosquitto counts the messages it dropped because a client’s queue
 *  was full, and publishes the number under `$SYS`. They are lost before any source has seen them, so they
 *  are told apart from what the engine itself does with records: each rise in the log, and an alert at most
 *  once a minute, with their sum. */

import type { TimerHandle } from '../../../src/domain/clock.ts';
import type { SourceIo } from '../../../src/domain/source.ts';
import type { MqttSubscription } from '../../protocols/mqtt/transport.ts';

export const LOSSES: MqttSubscription = { filter: '$SYS/broker/publish/messages/dropped', qos: 0 };

const ALERT_INTERVAL_MS = 60_000;

export interface LossWatch {
  /** Takes what the broker published of its counter. */
  read(payload: Uint8Array): void;
  /** The link is gone: nothing waits for the rest of the minute. What was not told yet is told over the next
   *  link. */
  rest(): void;
}

/** Makes the reader of the broker’s counter. It counts for the whole broker, since its start: the first
 *  number is what was lost before, a smaller one means that the broker has started anew. `speaker` gives a
 *  run that may speak for the connection. */
export function watchLosses(url: string, speaker: () => SourceIo | undefined): LossWatch {
  let total: number | null = null;
  let untold = 0;
  let toldMonoMs = Number.NEGATIVE_INFINITY;
  let stopWaiting: (() => void) | null = null;

  const tell = (): void => {
    const io = speaker();
    if (untold === 0 || io === undefined || stopWaiting !== null) return;
    const { clock } = io;
    const waitMs = toldMonoMs + ALERT_INTERVAL_MS - clock.monotonicMs();
    if (waitMs > 0) {
      const timer: TimerHandle = clock.setTimeout(() => {
        stopWaiting = null;
        tell();
      }, waitMs);
      stopWaiting = () => clock.clearTimeout(timer);
      return;
    }
    const details = { url, dropped: untold, total };
    untold = 0;
    toldMonoMs = clock.monotonicMs();
    io.alert('BROKER_LOST_MESSAGES', `the broker has ${LOST}`, details);
  };

  return {
    read(payload) {
      const told = Number(new TextDecoder().decode(payload));
      if (!Number.isSafeInteger(told) || told < 0) return;
      const lost = total === null ? 0 : told >= total ? told - total : told;
      total = told;
      untold += lost;
      if (lost > 0) speaker()?.log.warn({ url, lost, total }, `the broker has ${LOST}`);
      tell();
    },
    rest() {
      stopWaiting?.();
      stopWaiting = null;
    },
  };
}

const LOST = 'thrown messages away because a client’s queue was full; raise its max_queued_messages';
