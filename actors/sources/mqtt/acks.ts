/** What one link still owes its broker: acknowledgements of messages that were taken and are not stored yet.
 *
 *  What holds: they leave in the order in which the messages came [MQTT-4.6.0-2], those that become free in
 *  one turn together. A message of which something was lost is never acknowledged, and so none after it is:
 *  the link must end, and the broker sends them again over the next. The queue belongs to one link: what is
 *  settled after its end reaches no other, where the same packet ids stand for other messages. */

import { LIMITS } from '../../../src/domain/limits.ts';
import { Receipt } from '../../../src/domain/receipt.ts';
import type { MqttSessionMemory, OwedAck } from '../../protocols/mqtt/transport.ts';

export interface AckQueueOptions {
  readonly session: MqttSessionMemory;
  /** Sends acknowledgements, in this order. */
  readonly send: (acks: readonly OwedAck[]) => void;
  /** A message was lost before it was stored. Called once. */
  readonly refused: () => void;
  /** {@link AckQueue.isFull} no longer holds. */
  readonly onRoom: () => void;
}

export interface AckQueue {
  /** Notes a message; it is acknowledged when its receipt is settled with nothing lost. */
  owe(ack: OwedAck, bytes: number): Receipt;
  /** Notes a message that needs no storing: one nobody wants, or one that is stored already. */
  oweAtOnce(ack: OwedAck): void;
  /** Whether this QoS 2 message, sent again, was taken before (MQTT 5.0, 4.3.3, method B). */
  isKnown(packetId: number): boolean;
  /** So much is owed that nothing more should be read. Holds until half of it is settled. */
  readonly isFull: boolean;
  /** Messages that were taken and are not acknowledged. */
  readonly owed: number;
  /** Resolves when nothing is owed, or nothing more can be acknowledged. */
  settled(): Promise<void>;
  /** Nothing more can be acknowledged. */
  end(): void;
}

/** One message's acknowledgement. An instance, for the reason that a record is one (src/domain/record.ts). */
class PendingAck implements OwedAck {
  readonly packetId: number;
  readonly qos: OwedAck['qos'];
  readonly bytes: number;
  state: 'owed' | 'free' | 'refused' = 'owed';

  constructor({ packetId, qos }: OwedAck, bytes: number) {
    this.packetId = packetId;
    this.qos = qos;
    this.bytes = bytes;
  }
}

/** Settled debts are cut off the front of the list when they are so many. */
const SETTLED_KEPT_MAX = 1_024;

export function createAckQueue(options: AckQueueOptions): AckQueue {
  const { takenIds } = options.session;
  /** In the order of arrival; those before `first` are settled. */
  let debts: PendingAck[] = [];
  let first = 0;
  let owedBytes = 0;
  /** Of those that were owed when nothing more could be acknowledged. */
  let leftOwed = 0;
  let isFull = false;
  let isOver = false;
  let isFlushing = false;
  /** QoS 2 messages taken over this link and not acknowledged yet. */
  const pendingIds = new Set<number>();
  const waiters: (() => void)[] = [];

  const owed = () => debts.length - first;
  const wakeWaiters = () => {
    for (const wake of waiters.splice(0)) wake();
  };
  const end = () => {
    leftOwed += owed();
    isOver = true;
    debts = [];
    first = 0;
    wakeWaiters();
  };

  const takeFree = (): PendingAck[] => {
    const start = first;
    while (debts[first]?.state === 'free') first++;
    const free = debts.slice(start, first);
    for (const { packetId, qos, bytes } of free) {
      owedBytes -= bytes;
      if (qos === 1) continue;
      pendingIds.delete(packetId);
      takenIds.add(packetId);
    }
    if (first >= SETTLED_KEPT_MAX) {
      debts = debts.slice(first);
      first = 0;
    }
    return free;
  };

  const flush = () => {
    isFlushing = false;
    if (isOver) return;
    const free = takeFree();
    if (free.length > 0) options.send(free);
    if (debts[first]?.state === 'refused') {
      end();
      options.refused();
      return;
    }
    if (owed() === 0) wakeWaiters();
    const { mqttPendingAcksMax, mqttPendingBytesMax } = LIMITS;
    if (isFull && owed() <= mqttPendingAcksMax / 2 && owedBytes <= mqttPendingBytesMax / 2) {
      isFull = false;
      options.onRoom();
    }
  };
  const settle = (debt: PendingAck, state: 'free' | 'refused') => {
    debt.state = state;
    // What a later one waits for is not there yet; what this turn settles besides goes with it.
    if (isFlushing || isOver || debts[first]?.state === 'owed') return;
    isFlushing = true;
    queueMicrotask(flush);
  };
  const note = (ack: OwedAck, bytes: number): PendingAck => {
    const debt = new PendingAck(ack, bytes);
    debts.push(debt);
    owedBytes += bytes;
    if (ack.qos === 2) pendingIds.add(ack.packetId);
    isFull ||= owed() >= LIMITS.mqttPendingAcksMax || owedBytes >= LIMITS.mqttPendingBytesMax;
    return debt;
  };

  return {
    owe(ack, bytes) {
      const debt = note(ack, bytes);
      return new Receipt(({ lost }) => settle(debt, lost === 0 ? 'free' : 'refused'));
    },
    oweAtOnce: (ack) => settle(note(ack, 0), 'free'),
    isKnown: (packetId) => takenIds.has(packetId) || pendingIds.has(packetId),
    get isFull() {
      return isFull;
    },
    get owed() {
      return owed() + leftOwed;
    },
    settled: () =>
      isOver || owed() === 0 ? Promise.resolve() : new Promise((resolve) => waiters.push(resolve)),
    end,
  };
}
