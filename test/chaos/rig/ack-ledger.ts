/** What passes between the broker and the engine, as the proxy between them sees it: which ids were
 *  delivered, and which of them the engine acknowledged. A PUBACK belongs to the message that came under its
 *  packet id on the same connection; one that belongs to none is counted, since it acknowledges a message
 *  nobody has read. */

import mqttPacket, { type Packet } from 'mqtt-packet';
import type { TapConnection } from '../../support/tcp-proxy.ts';
import { idOf } from './message.ts';

export interface AckLedger {
  readonly delivered: ReadonlySet<number>;
  /** Ids the engine sent a PUBACK for. */
  readonly acknowledged: ReadonlySet<number>;
  /** Deliveries of ids that had been delivered before. */
  readonly redeliveries: number;
  /** PUBACKs for packet ids that had no message on their connection. */
  readonly strayAcks: number;
  /** PUBACKs so far, repeated ids included. */
  readonly pubacks: number;
  /** Connections on which the broker welcomed the engine. */
  readonly sessions: number;
  /** How many of those found no session kept by the broker, the first one left out. */
  readonly sessionsLost: number;
  /** Watches one connection of the proxy. */
  tap(): TapConnection;
}

export function createAckLedger(): AckLedger {
  const delivered = new Set<number>();
  const acknowledged = new Set<number>();
  const counts = { redeliveries: 0, strayAcks: 0, pubacks: 0, sessions: 0, sessionsLost: 0 };

  const tap = (): TapConnection => {
    const open = new Map<number, number>();
    const fromBroker = (packet: Packet) => {
      if (packet.cmd === 'connack') {
        counts.sessions++;
        if (counts.sessions > 1 && !packet.sessionPresent) counts.sessionsLost++;
      }
      if (packet.cmd !== 'publish' || packet.messageId === undefined) return;
      const id = idOf(packet.payload.toString());
      if (id === null) return;
      open.set(packet.messageId, id);
      if (delivered.has(id)) counts.redeliveries++;
      delivered.add(id);
    };
    const fromEngine = (packet: Packet) => {
      if (packet.cmd !== 'puback') return;
      counts.pubacks++;
      const id = open.get(packet.messageId as number);
      open.delete(packet.messageId as number);
      if (id === undefined) counts.strayAcks++;
      else acknowledged.add(id);
    };
    const towardsClient = frames(fromBroker);
    const towardsServer = frames(fromEngine);
    return { towardsClient, towardsServer };
  };
  return {
    delivered,
    acknowledged,
    get redeliveries() {
      return counts.redeliveries;
    },
    get strayAcks() {
      return counts.strayAcks;
    },
    get pubacks() {
      return counts.pubacks;
    },
    get sessions() {
      return counts.sessions;
    },
    get sessionsLost() {
      return counts.sessionsLost;
    },
    tap,
  };
}

/** Calls back with each packet of a byte stream. */
function frames(take: (packet: Packet) => void): (bytes: Buffer) => void {
  const reading = mqttPacket.parser({ protocolVersion: 4 });
  reading.on('packet', take);
  return (bytes) => void reading.parse(bytes);
}
