/** Hands batches of the log to one link and writes down what became of each record.
 *
 *  Guarantees. The cursor passes a record when it is decided: taken, left out, or kept as a dead letter; also
 *  when a later record of its batch fails. A record that was taken is not handed over again while the process
 *  lives. A record is given up only as {@link Undecided} says; the records behind it are tried meanwhile. */

import { errorFacts, HeadgateError, remedyOf, type ErrorFacts } from '../../../src/domain/errors.ts';
import { LIMITS } from '../../../src/domain/limits.ts';
import type { OutboundRecord, SinkLink } from '../../../src/domain/sink.ts';
import type { OutboundBatch, OutboundItem } from './outbound-batch.ts';
import { NO_REJECTIONS, rejectionsOf, type Rejections } from './rejections.ts';
import type { SinkProgress } from './sink-progress.ts';
import type { SinkRuntime } from './sink-runtime.ts';
import { deliveryUndone, type TimedCalls } from './timed-call.ts';
import { mayBeARecords, type Undecided } from './undecided.ts';

export interface HandOverPorts {
  readonly books: SinkProgress;
  readonly calls: TimedCalls;
  /** The last row that is stored. */
  readonly lastSeq: () => number;
  /** Nothing more is to be handed over. */
  readonly isOver: () => boolean;
  /** A delivery went well after others had failed. */
  readonly recovered: () => void;
}

export const RUN_IS_OVER = new HeadgateError('HG_LINK_LOST', 'the run of this sink is over');

/** A part of a outbound: from this piece up to that one, which is not in it. */
type Part = readonly [from: number, to: number];

export class HandOver {
  readonly #ports: HandOverPorts;
  readonly #runtime: SinkRuntime;
  readonly #link: SinkLink;
  /** Deliveries that were refused since the last that was not. */
  #refusedCalls = 0;
  #outbound: OutboundBatch = NOTHING;
  /** Pieces of it that are written down. */
  #booked = 0;
  /** Whether all before it is written down. */
  #isNext = false;
  #isBooked = false;
  /** Whether some of it went out. */
  #hasSent = false;
  /** Whether the far end has taken some of it. */
  #tookSome = false;

  constructor(ports: HandOverPorts, runtime: SinkRuntime, link: SinkLink) {
    this.#ports = ports;
    this.#runtime = runtime;
    this.#link = link;
  }

  /** Delivers what goes. Returns whether reading goes on behind it; false: records before it are to be tried
   *  again. @throws what a delivery throws; HeadgateError where the far end refuses everything. */
  async handOver(outbound: OutboundBatch): Promise<boolean> {
    this.#outbound = outbound;
    this.#booked = 0;
    this.#isBooked = false;
    this.#hasSent = false;
    this.#tookSome = false;
    this.#isNext = outbound.after === this.#runtime.cursor;
    const { pieces } = outbound;
    for (let at = 0; at < pieces.length;) {
      if (at > 0 && this.#ports.isOver()) throw RUN_IS_OVER;
      const end = this.#endOfPart(at);
      await this.#deliver([at, end]);
      at = end;
      if (this.#hasSent && this.#undecided.isAnotherTryDue((pieces[end - 1] as OutboundItem).record.seq))
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
    return this.#runtime.undecided;
  }

  /** As many pieces as one delivery may have. One at which the link broke goes alone. */
  #endOfPart(from: number): number {
    const { pieces } = this.#outbound;
    const { rowsMax } = this.#undecided;
    if (rowsMax >= pieces.length && this.#undecided.isEmpty) return pieces.length;
    let going = 0;
    for (let at = from; at < pieces.length; at++) {
      const piece = pieces[at] as OutboundItem;
      if (!this.#isToGo(piece)) continue;
      const isAlone = this.#undecided.isSuspect(piece.record.seq);
      if (going >= rowsMax || (isAlone && going > 0)) return at;
      if (isAlone) return at + 1;
      going++;
    }
    return pieces.length;
  }

  #isToGo({ outbound, record }: OutboundItem): boolean {
    return outbound !== null && (this.#undecided.isEmpty || this.#undecided.isToGo(record.seq, this.#link));
  }

  /** Delivers a part, in halves if the far end refuses it as such. */
  async #deliver([from, to]: Part): Promise<void> {
    const { pieces } = this.#outbound;
    const going = pieces.slice(from, to).filter((piece) => this.#isToGo(piece));
    if (going.length > 0) {
      this.#hasSent = true;
      const refusals = await this.#call(going);
      if (refusals === 'split') {
        const half = pieces.indexOf(going[going.length >> 1] as OutboundItem);
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
  async #call(going: readonly OutboundItem[]): Promise<Rejections | 'split'> {
    const batch = going.map(({ outbound }) => outbound as OutboundRecord);
    const { deliverTimeoutMs } = this.#runtime.spec;
    const taken = new Uint8Array(going.length);
    let isOpen = true;
    const progress = {
      taken: (index: number) => {
        if (isOpen && index >= 0 && index < taken.length) taken[index] = 1;
      },
    };
    try {
      const undone = () => deliveryUndone(this.#runtime.spec);
      const outcome = await this.#ports.calls.run(undone, deliverTimeoutMs, () =>
        this.#link.deliver(batch, progress),
      );
      return rejectionsOf(outcome, going);
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
  #note(going: readonly OutboundItem[], refusals: Rejections): void {
    const undecided = this.#undecided;
    if (refusals === NO_REJECTIONS && undecided.isEmpty && this.#isNext) {
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
  #failed(error: unknown, going: readonly OutboundItem[], taken: readonly OutboundItem[]): void {
    if (this.#runtime.isReleased) return;
    const undecided = this.#undecided;
    for (const { record } of taken) undecided.take(record.seq);
    this.#countTaken(taken.length);
    if (!this.#ports.isOver() && taken.length === 0 && mayBeARecords(error)) this.#suspect(error, going);
    this.#book(this.#outbound.pieces.length, false);
  }

  #suspect(error: unknown, [first, ...others]: readonly OutboundItem[]): void {
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
    if (this.#runtime.countDelivery(records) && !this.#ports.isOver()) this.#ports.recovered();
  }

  /** After a link broke, deliveries grow again. */
  #grow(): void {
    const undecided = this.#undecided;
    if (undecided.rowsMax === Number.POSITIVE_INFINITY) return;
    undecided.rowsMax *= 2;
    if (undecided.rowsMax > this.#runtime.spec.batch.rowsMax) undecided.rowsMax = Number.POSITIVE_INFINITY;
  }

  #countRefused(facts: ErrorFacts): void {
    this.#refusedCalls++;
    const { refusedCallsMax, heldCount } = this.#undecided;
    if (this.#refusedCalls < refusedCallsMax && heldCount < LIMITS.sinkHeldRecordsMax) return;
    throw this.#refusesAll(facts);
  }

  #refusesAll({ code, message }: ErrorFacts): HeadgateError {
    this.#undecided.endRefusedRound();
    this.#ports.books.refusesAll(this.#runtime, { code, message });
    return new HeadgateError('HG_SINK_REFUSES_ALL', `the far end takes no record: ${message}`, {
      details: { code },
    });
  }

  /** Writes down what is decided of the pieces before `to`, as far as it has no gap. Without doubts all that
   *  was handed over was taken. */
  #book(to: number, isCertain = this.#undecided.isEmpty): void {
    if (!this.#isNext || this.#isBooked) return;
    const { pieces, cursor, damaged } = this.#outbound;
    const { books } = this.#ports;
    const runtime = this.#runtime;
    const undecided = this.#undecided;
    const from = this.#booked;
    for (; this.#booked < to; this.#booked++) {
      const piece = pieces[this.#booked] as OutboundItem;
      const { seq } = piece.record;
      const verdict = isCertain ? null : undecided.verdictOn(seq);
      if (!isCertain && piece.outbound !== null && verdict === null && !undecided.isTaken(seq)) break;
      books.settle(runtime, piece, verdict);
      undecided.forget(seq);
    }
    if (this.#booked === pieces.length) {
      this.#isBooked = true;
      books.countDamaged(runtime, damaged);
      const seq = cursor ?? runtime.cursor;
      books.moveCursor(runtime, seq);
      undecided.forgetUpTo(seq);
    } else if (this.#booked > from) {
      books.moveCursor(runtime, (pieces[this.#booked - 1] as OutboundItem).record.seq);
    }
  }

  *#seqsSince(at: number): IterableIterator<number> {
    const { pieces } = this.#outbound;
    for (let index = at; index < pieces.length; index++) yield (pieces[index] as OutboundItem).record.seq;
  }
}

const UNPROVEN_MAX = LIMITS.sinkUnprovenRefusalsMax;

const NOTHING: OutboundBatch = { pieces: [], after: 0, cursor: null, damaged: [] };
