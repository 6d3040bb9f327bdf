/** Brings each message of a link to the sources it is for, and holds the link back while one of them has no
 *  room, or while too much is owed to the broker.
 *
 *  What holds: a message is acknowledged after every record of it, at every source it is for, has come to its
 *  end: stored, left out, or kept as a dead letter (mqtt-acks.ts). None is handed to a source without room;
 *  nothing is read from the link meanwhile, so that nothing piles up in memory. A hold for want of room lasts
 *  `holdMsMax` at most, then the link is given up: a broker with a kept session sends again what was not
 *  acknowledged. A hold for what is owed lasts as long as the storing takes: to begin anew would bring the
 *  same messages again. */

import type { Clock } from '../../../src/domain/clock.ts';
import type { Receipt } from '../../../src/domain/receipt.ts';
import { comesInTime } from '../runtime/in-time.ts';
import { createAckQueue, type AckQueue } from './acks.ts';
import type { AwaitedSubscriber, Route, ActiveSubscriber, SubscriberTable } from './subscribers.ts';
import type { MqttLink, MqttMessage, MqttSessionMemory } from '../../protocols/mqtt/transport.ts';

export interface InboundDispatcherOptions {
  readonly subscribers: SubscriberTable;
  readonly clock: Clock;
  readonly session: MqttSessionMemory;
  readonly holdMsMax: number;
  /** The link whose messages these are; asked for only after one came. */
  readonly link: () => Pick<MqttLink, 'acknowledge' | 'resume'>;
  /** The hold lasted too long: the link must be closed. */
  readonly heldTooLong: () => void;
  /** A message was lost before it was stored: the link must be closed. */
  readonly notStored: () => void;
  /** Sources that were waited for did not come. */
  readonly gaveUpOn: (missing: readonly AwaitedSubscriber[]) => void;
  /** A message for nobody: a filter that the broker’s session has and no source. */
  readonly nobodys: (message: MqttMessage) => void;
  /** The code of a source threw. */
  readonly failed: (error: unknown) => void;
}

/** One source’s part in the handing in of a message. */
interface Portion {
  readonly seat: ActiveSubscriber;
  readonly pieces: Iterator<boolean>;
}

/** A message on its way to its sources, some of which have no room for the rest of it. */
interface PartialDispatch {
  readonly portions: readonly Portion[];
  readonly receipt: Receipt | undefined;
}

/** Nobody runs any more: the link is about to close, and what is not acknowledged now comes again. */
const LEFT = 'left';

/** The delivery of one link. */
export class InboundDispatcher {
  readonly #options: InboundDispatcherOptions;
  readonly #acks: AckQueue;
  #isWaiting = false;
  #isStopped = false;

  constructor(options: InboundDispatcherOptions) {
    this.#options = options;
    this.#acks = createAckQueue({
      session: options.session,
      send: (acks) => options.link().acknowledge(acks),
      refused: () => options.notStored(),
      onRoom: () => this.#goOn(),
    });
  }

  /** Takes one message; gives whether the next may come. */
  receive(message: MqttMessage, packetId: number): boolean {
    if (this.#isStopped) return false;
    if (message.qos === 2 && message.dup && this.#acks.isKnown(packetId)) {
      this.#acks.oweAtOnce({ packetId, qos: 2 });
      return !this.#acks.isFull;
    }
    try {
      const { seats, missing } = this.#routeOf(message);
      // A message came: the link stands. The broker's answer to the subscription may be behind it, and a
      // source that is only full must not be taken for one that cannot connect.
      for (const seat of seats) if (!seat.isOpen) open(seat);
      // The usual case runs without a promise: at hundreds of thousands of messages a second they would be
      // felt.
      if (missing.length > 0 || isBlocked(seats)) return this.#wait(message, packetId, null);
      const begun = this.#handIn(message, packetId, seats);
      if (begun === LEFT) return false;
      return begun === null ? !this.#acks.isFull : this.#wait(message, packetId, begun);
    } catch (error) {
      this.#options.failed(error);
      return false;
    }
  }

  /** Takes nothing more. What was taken is still acknowledged when it is stored. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Messages that were taken and are not acknowledged. */
  get unacknowledged(): number {
    return this.#acks.owed;
  }

  /** Resolves when nothing is owed any more, or nothing more can be acknowledged. */
  settled(): Promise<void> {
    return this.#acks.settled();
  }

  /** The link is gone. */
  end(): void {
    this.stop();
    this.#acks.end();
  }

  /** A message whose topic cannot be read goes to any source that runs: it must not come again for ever. */
  #routeOf(message: MqttMessage): Route {
    const { subscribers } = this.#options;
    const route = subscribers.routeOf(message.topic);
    if (message.topic !== '' || route.seats.length > 0) return route;
    return { seats: [...subscribers.seats].slice(0, 1), missing: [] };
  }

  #goOn(): void {
    if (!this.#isStopped && !this.#isWaiting && !this.#acks.isFull) this.#options.link().resume();
  }

  #wait(message: MqttMessage, packetId: number, begun: PartialDispatch | null): false {
    this.#isWaiting = true;
    void this.#deliverHolding(message, packetId, begun).then((inTime) => {
      this.#isWaiting = false;
      if (inTime) this.#goOn();
      else this.#options.heldTooLong();
    }, this.#options.failed);
    return false;
  }

  /** Hands a message in as room comes; gives whether it came in time. */
  async #deliverHolding(
    message: MqttMessage,
    packetId: number,
    begun: PartialDispatch | null,
  ): Promise<boolean> {
    if (begun === null) {
      await this.#awaitMissing(message.topic);
      const { seats } = this.#routeOf(message);
      if (!(await this.#roomInTime(seats))) return false;
      // What came over a link that is gone, or going, comes again over the next.
      if (this.#isStopped) return true;
      const outcome = this.#handIn(message, packetId, seats);
      if (outcome === LEFT || outcome === null) return true;
      begun = outcome;
    }
    let open = begun.portions;
    while (open.length > 0) {
      if (!(await this.#roomInTime(open.map(({ seat }) => seat)))) {
        // What is begun is finished, whatever the room: it may still be stored and acknowledged in time.
        for (const { pieces } of open) while (pieces.next().done !== true);
        begun.receipt?.seal();
        return false;
      }
      open = goOnWith(open, begun.receipt);
    }
    begun.receipt?.seal();
    return true;
  }

  /** Hands a message to seats that have room. Gives null when all of it is handed in. */
  #handIn(
    message: MqttMessage,
    packetId: number,
    seats: readonly ActiveSubscriber[],
  ): PartialDispatch | null | typeof LEFT {
    const { qos } = message;
    if (seats.length === 0) {
      if (this.#options.subscribers.seats.size === 0) return LEFT;
      this.#options.nobodys(message);
      if (qos !== 0) this.#acks.oweAtOnce({ packetId, qos });
      return null;
    }
    const receipt = qos === 0 ? undefined : this.#acks.owe({ packetId, qos }, message.payload.length);
    let portions: Portion[] | null = null;
    for (const seat of seats) {
      const taken = seat.member.take(seat.io, message, receipt);
      if (typeof taken === 'boolean') {
        if (!taken) blockUnlessOver(seat);
        continue;
      }
      portions ??= [];
      portions.push({ seat, pieces: taken[Symbol.iterator]() });
    }
    if (portions !== null) {
      const open = goOnWith(portions, receipt);
      if (open.length > 0) return { portions: open, receipt };
    }
    receipt?.seal();
    return null;
  }

  /** Waits for the sources that own `topic` and do not run yet. */
  async #awaitMissing(topic: string): Promise<void> {
    const { clock, holdMsMax, subscribers, gaveUpOn } = this.#options;
    const { missing } = subscribers.routeOf(topic);
    if (missing.length === 0) return;
    const arrivals = Promise.all(missing.map(({ arrival }) => arrival));
    if (!(await comesInTime(clock, holdMsMax, arrivals)) && !this.#isStopped) gaveUpOn(missing);
  }

  async #roomInTime(seats: readonly ActiveSubscriber[]): Promise<boolean> {
    const { clock, holdMsMax } = this.#options;
    const blocked = seats.flatMap((seat) => seat.blocked ?? []);
    return blocked.length === 0 || (await comesInTime(clock, holdMsMax, Promise.all(blocked)));
  }
}

/** Hands in piece after piece until there is no room. Gives the portions that must wait. */
function goOnWith(portions: readonly Portion[], receipt: Receipt | undefined): Portion[] {
  const waiting: Portion[] = [];
  for (const portion of portions) {
    const { io } = portion.seat;
    for (;;) {
      const overBefore = io.signal.aborted;
      const piece = portion.pieces.next();
      if (piece.done === true) break;
      if (overBefore) lose(receipt);
      if (!piece.value && !io.signal.aborted) {
        block(portion.seat);
        waiting.push(portion);
        break;
      }
    }
  }
  return waiting;
}

/** A run that ended in the middle of a message takes no more of it. */
function lose(receipt: Receipt | undefined): void {
  receipt?.add(1);
  receipt?.settle('lost');
}

function open(seat: ActiveSubscriber): void {
  seat.isOpen = true;
  seat.io.opened();
}

function isBlocked(seats: readonly ActiveSubscriber[]): boolean {
  for (const seat of seats) if (seat.blocked !== null) return true;
  return false;
}

function blockUnlessOver(seat: ActiveSubscriber): void {
  if (!seat.io.signal.aborted) block(seat);
}

/** Notes that a seat has no room, or may have none, until its outlet says otherwise. */
export function block(seat: ActiveSubscriber): void {
  const blocked = seat.io.room().then(() => {
    if (seat.blocked === blocked) seat.blocked = null;
  });
  seat.blocked = blocked;
}
