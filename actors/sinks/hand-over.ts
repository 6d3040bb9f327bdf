/** Hands batches of the log to one link and writes down what became of each record.
 *
 *  Guarantees. The cursor passes a record when it is decided: taken, left out, or kept as a dead letter; also
 *  when a later record of its batch fails. A record that was taken is not handed over again while the process
 *  lives. A record is given up only as {@link Undecided} says; the records behind it are tried meanwhile. */

import { errorFacts, HeadgateError, remedyOf, type ErrorFacts } from '../../src/domain/errors.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import type { OutboundRecord, SinkLink } from '../../src/domain/sink.ts';
import type { Consignment, Piece } from './consignment.ts';
import { NO_REFUSALS, refusalsOf, type Refusals } from './refusals.ts';
import type { SinkBooks } from './sink-books.ts';
import type { SinkRig } from './sink-rig.ts';
import { deliveryUndone, type TimedCalls } from './timed-call.ts';
import { mayBeARecords, type Undecided } from './undecided.ts';

export interface HandOverPorts {
  readonly books: SinkBooks;
  readonly calls: TimedCalls;
  /** The last row that is stored. */
  readonly lastSeq: () => number;
  /** Nothing more is to be handed over. */
  readonly isOver: () => boolean;
  /** A delivery went well after others had failed. */
  readonly recovered: () => void;
}

export const RUN_IS_OVER = new HeadgateError('HG_LINK_LOST', 'the run of this sink is over');

/** A part of a consignment: from this piece up to that one, which is not in it. */
type Part = readonly [from: number, to: number];

export class HandOver {
  readonly #ports: HandOverPorts;
  readonly #rig: SinkRig;
  readonly #link: SinkLink;
  /** Deliveries that were refused since the last that was not. */
  #refusedCalls = 0;
  #consignment: Consignment = NOTHING;
  /** Pieces of it that are written down. */
  #booked = 0;
  /** Whether all before it is written down. */
  #isNext = false;
  #isBooked = false;
  /** Whether some of it went out. */
  #hasSent = false;
  /** Whether the far end has taken some of it. */
  #tookSome = false;

  constructor(ports: HandOverPorts, rig: SinkRig, link: SinkLink) {
    this.#ports = ports;
    this.#rig = rig;
    this.#link = link;
  }

  /** Delivers what goes. Returns whether reading goes on behind it; false: records before it are to be tried
   *  again. @throws what a delivery throws; HeadgateError where the far end refuses everything. */
  async handOver(consignment: Consignment): Promise<boolean> {
    this.#consignment = consignment;
    this.#booked = 0;
    this.#isBooked = false;
    this.#hasSent = false;
    this.#tookSome = false;
    this.#isNext = consignment.after === this.#rig.cursor;
    const { pieces } = consignment;
    for (let at = 0; at < pieces.length;) {
      if (at > 0 && this.#ports.isOver()) throw RUN_IS_OVER;
      const end = this.#endOfPart(at);
      await this.#deliver([at, end]);
      at = end;
      if (this.#hasSent && this.#undecided.isAnotherTryDue((pieces[end - 1] as Piece).record.seq))
        return false;
    }
    this.#book(pieces.length);
    return true;
  }

  /** The log holds nothing more that could be tried. @throws HeadgateError if the far end takes nothing */
  settleInSilence(): void {
    const facts = this.#undecided.settleInSilence(this.#link.greeted === true);
    if (facts !== null) throw this.#refusesAll(facts);
  }

  get #undecided(): Undecided {
    return this.#rig.undecided;
  }

  /** As many pieces as one delivery may have. One at which the link broke goes alone. */
  #endOfPart(from: number): number {
    const { pieces } = this.#consignment;
    const { rowsMax } = this.#undecided;
    if (rowsMax >= pieces.length && this.#undecided.isEmpty) return pieces.length;
    let going = 0;
    for (let at = from; at < pieces.length; at++) {
      const piece = pieces[at] as Piece;
      if (!this.#isToGo(piece)) continue;
      const isAlone = this.#undecided.isSuspect(piece.record.seq);
      if (going >= rowsMax || (isAlone && going > 0)) return at;
      if (isAlone) return at + 1;
      going++;
    }
    return pieces.length;
  }

  #isToGo({ outbound, record }: Piece): boolean {
    return outbound !== null && (this.#undecided.isEmpty || this.#undecided.isToGo(record.seq, this.#link));
  }

  /** Delivers a part, in halves if the far end refuses it as such. */
  async #deliver([from, to]: Part): Promise<void> {
    const { pieces } = this.#consignment;
    const going = pieces.slice(from, to).filter((piece) => this.#isToGo(piece));
    if (going.length > 0) {
      this.#hasSent = true;
      const refusals = await this.#call(going);
      if (refusals === 'split') {
        const half = pieces.indexOf(going[going.length >> 1] as Piece);
        await this.#deliver([from, half]);
        if (this.#ports.isOver()) throw RUN_IS_OVER;
        await this.#deliver([half, to]);
        return;
      }
      this.#note(going, refusals);
    }
    this.#book(to);
  }

  /** Calls the sink's code. `split`: the far end refuses the batch as such, and it is more than one. */
  async #call(going: readonly Piece[]): Promise<Refusals | 'split'> {
    const batch = going.map(({ outbound }) => outbound as OutboundRecord);
    const { deliverTimeoutMs } = this.#rig.spec;
    const taken = new Uint8Array(going.length);
    let isOpen = true;
    const progress = {
      taken: (index: number) => {
        if (isOpen && index >= 0 && index < taken.length) taken[index] = 1;
      },
    };
    try {
      const undone = () => deliveryUndone(this.#rig.spec);
      const outcome = await this.#ports.calls.run(undone, deliverTimeoutMs, () =>
        this.#link.deliver(batch, progress),
      );
      return refusalsOf(outcome, going);
    } catch (error) {
      if (remedyOf(error) !== 'drop') {
        this.#failed(
          error,
          going,
          going.filter((_, index) => taken[index] === 1),
        );
        throw error;
      }
      const [only] = going;
      if (only !== undefined && going.length === 1) {
        return new Map([[only, { facts: errorFacts(error, 'HG_SINK_REFUSED'), by: 'farEnd' }]]);
      }
      this.#countRefused(errorFacts(error, 'HG_SINK_REFUSED'));
      return 'split';
    } finally {
      isOpen = false;
    }
  }

  /** A delivery went well, but for these refusals. */
  #note(going: readonly Piece[], refusals: Refusals): void {
    const undecided = this.#undecided;
    if (refusals === NO_REFUSALS && undecided.isEmpty && this.#isNext) {
      this.#countTaken(going.length);
      this.#grow();
      return;
    }
    const takenBefore = undecided.takenCount;
    const taken = going.filter((piece) => !refusals.has(piece));
    for (const { record } of taken) undecided.take(record.seq);
    this.#countTaken(taken.length);
    if (taken.length > 0) this.#grow();
    const hasWitness = this.#tookSome && this.#isNext;
    // A far end may begin to refuse everything in the middle of a batch.
    const isNear = hasWitness && Math.max(this.#refusedCalls + 1, refusals.size) <= UNPROVEN_MAX;
    const lastTakenSeq = taken.at(-1)?.record.seq ?? 0;
    let refused: ErrorFacts | null = null;
    for (const [{ record }, { facts, by }] of refusals) {
      const { seq } = record;
      const since = seq < lastTakenSeq ? takenBefore : undecided.takenCount;
      const isDecided = undecided.refuse(seq, facts, this.#link, by === 'sink' || isNear, since);
      if (by === 'farEnd' && (!isDecided || isNear)) refused = facts;
    }
    // Those that were refused before the others of their batch were taken. Where they are many, the far end
    // may have begun to take records just now: they are tried again.
    if (hasWitness && taken.length > 0) undecided.believe(this.#seqsSince(this.#booked), UNPROVEN_MAX);
    if (refused !== null && taken.length === 0) this.#countRefused(refused);
  }

  /** The delivery failed: what was taken of it is not sent again, and what may be at fault is remembered. */
  #failed(error: unknown, going: readonly Piece[], taken: readonly Piece[]): void {
    if (this.#rig.isReleased) return;
    const undecided = this.#undecided;
    for (const { record } of taken) undecided.take(record.seq);
    this.#countTaken(taken.length);
    if (!this.#ports.isOver() && taken.length === 0 && mayBeARecords(error)) this.#suspect(error, going);
    this.#book(this.#consignment.pieces.length, false);
  }

  #suspect(error: unknown, [first, ...others]: readonly Piece[]): void {
    if (first === undefined) return;
    const { seq } = first.record;
    const link = this.#link;
    const greeted = link.greeted === true;
    this.#undecided.narrow(greeted);
    if (others.length > 0) return;
    const isLast = this.#ports.lastSeq() <= seq;
    const facts = errorFacts(error, 'HG_SINK_FAILED');
    // The next records have not failed: they do not wait for the failures of this one.
    if (this.#undecided.breakAt(seq, facts, { link, greeted, isLast })) this.#ports.recovered();
  }

  #countTaken(records: number): void {
    if (records === 0) return;
    this.#tookSome = true;
    this.#refusedCalls = 0;
    this.#undecided.countTaken(records);
    if (this.#rig.countDelivery(records) && !this.#ports.isOver()) this.#ports.recovered();
  }

  /** After a link broke, deliveries grow again. */
  #grow(): void {
    const undecided = this.#undecided;
    if (undecided.rowsMax === Number.POSITIVE_INFINITY) return;
    undecided.rowsMax *= 2;
    if (undecided.rowsMax > this.#rig.spec.batch.rowsMax) undecided.rowsMax = Number.POSITIVE_INFINITY;
  }

  #countRefused(facts: ErrorFacts): void {
    this.#refusedCalls++;
    const { refusedCallsMax, heldCount } = this.#undecided;
    if (this.#refusedCalls < refusedCallsMax && heldCount < LIMITS.sinkHeldRecordsMax) return;
    throw this.#refusesAll(facts);
  }

  #refusesAll({ code, message }: ErrorFacts): HeadgateError {
    this.#undecided.endRefusedRound();
    this.#ports.books.refusesAll(this.#rig, { code, message });
    return new HeadgateError('HG_SINK_REFUSES_ALL', `the far end takes no record: ${message}`, {
      details: { code },
    });
  }

  /** Writes down what is decided of the pieces before `to`, as far as it has no gap. Without doubts all that
   *  was handed over was taken. */
  #book(to: number, isCertain = this.#undecided.isEmpty): void {
    if (!this.#isNext || this.#isBooked) return;
    const { pieces, cursor, damaged } = this.#consignment;
    const { books } = this.#ports;
    const rig = this.#rig;
    const undecided = this.#undecided;
    const from = this.#booked;
    for (; this.#booked < to; this.#booked++) {
      const piece = pieces[this.#booked] as Piece;
      const { seq } = piece.record;
      const verdict = isCertain ? null : undecided.verdictOn(seq);
      if (!isCertain && piece.outbound !== null && verdict === null && !undecided.isTaken(seq)) break;
      books.settle(rig, piece, verdict);
      undecided.forget(seq);
    }
    if (this.#booked === pieces.length) {
      this.#isBooked = true;
      books.countDamaged(rig, damaged);
      const seq = cursor ?? rig.cursor;
      books.moveCursor(rig, seq);
      undecided.forgetUpTo(seq);
    } else if (this.#booked > from) {
      books.moveCursor(rig, (pieces[this.#booked - 1] as Piece).record.seq);
    }
  }

  *#seqsSince(at: number): IterableIterator<number> {
    const { pieces } = this.#consignment;
    for (let index = at; index < pieces.length; index++) yield (pieces[index] as Piece).record.seq;
  }
}

const UNPROVEN_MAX = LIMITS.sinkUnprovenRefusalsMax;

const NOTHING: Consignment = { pieces: [], after: 0, cursor: null, damaged: [] };
