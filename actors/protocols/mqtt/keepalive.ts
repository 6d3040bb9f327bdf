/** Keeps a link alive and notices when it is dead.
 *
 *  mqtt.js does both, but from the packets it has handled: while a message is held back the PINGRESP waits
 *  behind it on the wire, and a slow source would lose its link for ever again. Here bytes count as life,
 *  pings go out whether or not anything is held, and silence is judged by ticks, so that a stalled event loop
 *  is not taken for a silent broker. */

import type { Clock, TimerHandle } from '../../../src/domain/clock.ts';

export interface Keepalive {
  /** Something came over the link. */
  alive(): void;
  stop(): void;
}

const TICKS_PER_KEEPALIVE = 4;
/** A broker gives a client one and a half keepalives [MQTT-3.1.2-24]; so does the client. */
const SILENT_TICKS_MAX = 6;

/** `isHeld`: the link is held back, so that nothing can come and silence means nothing. */
export function startKeepalive(
  clock: Clock,
  keepaliveMs: number,
  isHeld: () => boolean,
  on: { ping: () => void; dead: () => void },
): Keepalive {
  const tickMs = keepaliveMs / TICKS_PER_KEEPALIVE;
  let ticks = 0;
  let silentTicks = 0;
  let timer: TimerHandle;

  const tick = () => {
    ticks++;
    silentTicks = isHeld() ? 0 : silentTicks + 1;
    if (silentTicks > SILENT_TICKS_MAX) {
      on.dead();
      return;
    }
    timer = clock.setTimeout(tick, tickMs);
    if (ticks % 2 === 0) on.ping();
  };
  timer = clock.setTimeout(tick, tickMs);

  return {
    alive() {
      silentTicks = 0;
    },
    stop: () => clock.clearTimeout(timer),
  };
}
