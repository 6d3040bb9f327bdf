/** What a broker says it has thrown away: Mosquitto counts the messages it dropped because a client’s queue
 *  was full, and publishes the number under `$SYS`. They are lost before any source has seen them, so they
 *  are told apart from what the engine itself does with records. */

import type { Logger } from '../../src/domain/logger.ts';
import type { MqttSubscription } from './mqtt-transport.ts';

export const LOSSES: MqttSubscription = { filter: '$SYS/broker/publish/messages/dropped', qos: 0 };

/** Makes the reader of the broker’s counter. It counts for the whole broker, since its start: the first
 *  number is what was lost before, a smaller one means that the broker has started anew. */
export function watchLosses(url: string): (payload: Uint8Array, log: Logger) => void {
  let before: number | null = null;
  return (payload, log) => {
    const total = Number(new TextDecoder().decode(payload));
    if (!Number.isSafeInteger(total) || total < 0) return;
    const lost = before === null ? 0 : total >= before ? total - before : total;
    before = total;
    if (lost === 0) return;
    log.warn(
      { url, lost, total },
      'the broker has thrown messages away because a client’s queue was full; raise its max_queued_messages',
    );
  };
}
