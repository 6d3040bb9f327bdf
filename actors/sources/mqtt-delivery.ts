/** Brings each message of a link to the sources it is for, one message at a time, and holds the link back
 *  while one of them has no room.
 *
 *  What holds: a message is acknowledged after every source it is for has taken it; none is handed to a
 *  source without room; nothing is read from the link meanwhile, so that nothing piles up in memory. A hold
 *  lasts `holdMsMax` at most, then the link is given up: a broker with a kept session sends again what was
 *  not acknowledged. */

import type { Clock } from '../../src/domain/clock.ts';
import type { Absence, Seat, Seating } from './mqtt-seating.ts';
import type { MessageOutcome, MqttMessage } from './mqtt-transport.ts';

export interface DeliveryOptions {
  readonly seating: Seating;
  readonly clock: Clock;
  readonly holdMsMax: number;
  /** Whether the link still stands: what came over one that is gone comes again over the next. */
  readonly live: () => boolean;
  /** The hold lasted too long: the link must be closed. */
  readonly heldTooLong: () => void;
  /** Sources that were waited for did not come. */
  readonly gaveUpOn: (missing: readonly Absence[]) => void;
  /** A message for nobody: a filter that the broker’s session has and no source. */
  readonly nobodys: (message: MqttMessage) => void;
  /** The code of a source threw. */
  readonly failed: (error: unknown) => void;
}

type Deliver = (message: MqttMessage, done: (outcome: MessageOutcome) => void) => void;

export function createDelivery(options: DeliveryOptions): Deliver {
  const { seating } = options;
  return (message, done) => {
    const route = seating.routeOf(message.topic);
    // A message came: the link stands. The broker's answer to the subscription may be behind it, and a source
    // that is only full must not be taken for one that cannot connect.
    for (const { io } of route.seats) io.opened();
    const mustWait = route.missing.length > 0 || route.seats.some((seat) => seat.blocked !== null);
    try {
      // The usual case runs without a promise: at tens of thousands of messages a second they would be felt.
      const outcome = mustWait ? null : handIn(options, message, route.seats);
      if (typeof outcome === 'string') done(outcome);
      else
        void deliverHolding(options, message, outcome).then((held) => {
          // First the acknowledgement, then the good-bye.
          done(held.outcome);
          if (held.tooLong) options.heldTooLong();
        }, options.failed);
    } catch (error) {
      options.failed(error);
    }
  };
}

/** One source’s part in the handing in of a message. */
interface Portion {
  readonly seat: Seat;
  readonly pieces: Iterator<boolean>;
}

interface Held {
  readonly outcome: MessageOutcome;
  /** There was no room for so long that the link must go. */
  readonly tooLong: boolean;
}

async function deliverHolding(
  options: DeliveryOptions,
  message: MqttMessage,
  begun: readonly Portion[] | null,
): Promise<Held> {
  const { seating } = options;
  let open = begun;
  if (open === null) {
    await awaitMissing(options, message.topic);
    const { seats } = seating.routeOf(message.topic);
    const inTime = await roomInTime(options, seats);
    if (!inTime || !options.live()) return { outcome: 'left', tooLong: !inTime };
    const outcome = handIn(options, message, seats);
    if (typeof outcome === 'string') return { outcome, tooLong: false };
    open = outcome;
  }
  while (open.length > 0) {
    const inTime = await roomInTime(
      options,
      open.map(({ seat }) => seat),
    );
    if (!inTime) {
      // What is begun is finished, whatever the room: sent again, its first pieces would come twice.
      for (const { pieces } of open) while (pieces.next().done !== true);
      return { outcome: 'taken', tooLong: true };
    }
    const outcome = goOn(open);
    if (outcome === 'left') return { outcome, tooLong: false };
    open = outcome;
  }
  return { outcome: 'taken', tooLong: false };
}

/** Hands a message to seats that have room. Gives its outcome, or the portions after which there was no
 *  room. */
function handIn(
  options: DeliveryOptions,
  message: MqttMessage,
  seats: readonly Seat[],
): MessageOutcome | Portion[] {
  if (seats.length === 0) {
    // Nobody runs any more: the link is about to close, and what is not acknowledged now comes again.
    if (options.seating.seats.size === 0) return 'left';
    options.nobodys(message);
    return 'taken';
  }
  const outcome = goOn(
    seats.map((seat) => ({ seat, pieces: seat.member.take(seat.io, message)[Symbol.iterator]() })),
  );
  return outcome === 'left' || outcome.length > 0 ? outcome : 'taken';
}

/** Hands in piece after piece until there is no room. Gives the portions that must wait; `left` where a run
 *  ended in the middle of a message, since its source takes no more of it. */
function goOn(portions: readonly Portion[]): 'left' | Portion[] {
  const waiting: Portion[] = [];
  for (const portion of portions) {
    const { io } = portion.seat;
    for (;;) {
      const overBefore = io.signal.aborted;
      const piece = portion.pieces.next();
      if (piece.done === true) break;
      if (overBefore) return 'left';
      if (!piece.value && !io.signal.aborted) {
        block(portion.seat);
        waiting.push(portion);
        break;
      }
    }
  }
  return waiting;
}

/** Waits for the sources that own `topic` and do not run yet. */
async function awaitMissing(options: DeliveryOptions, topic: string): Promise<void> {
  const { missing } = options.seating.routeOf(topic);
  if (missing.length === 0) return;
  const came = await comesInTime(options, Promise.all(missing.map(({ arrival }) => arrival)));
  if (!came) options.gaveUpOn(missing);
}

async function roomInTime(options: DeliveryOptions, seats: readonly Seat[]): Promise<boolean> {
  const blocked = seats.flatMap((seat) => seat.blocked ?? []);
  return blocked.length === 0 || (await comesInTime(options, Promise.all(blocked)));
}

/** Whether `event` comes before the hold must end. */
async function comesInTime(options: DeliveryOptions, event: Promise<unknown>): Promise<boolean> {
  const over = new AbortController();
  const { clock, holdMsMax } = options;
  try {
    return await Promise.race([
      event.then(() => true),
      clock.sleep(holdMsMax, over.signal).then(() => false),
    ]);
  } finally {
    over.abort();
  }
}

/** Notes that a seat has no room, or may have none, until its outlet says otherwise. */
export function block(seat: Seat): void {
  const blocked = seat.io.room().then(() => {
    if (seat.blocked === blocked) seat.blocked = null;
  });
  seat.blocked = blocked;
}
