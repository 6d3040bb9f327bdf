/** One link of a sink, from before its opening until it has closed: opens it, reads what the log holds after
 *  the cursor, delivers it, and writes down how far it came.
 *
 *  Guarantees. Records go out in the order of the log. The cursor never passes a record that is not done
 *  with: delivered, filtered, or kept as a dead letter. One batch is under way at a time and one more is read
 *  ahead: memory does not grow with the lag. A batch comes again only after a failure, a stop whose deadline
 *  came, or a crash; its records then bear the same keys. */

import type { Clock } from '../../src/domain/clock.ts';
import { errorFacts, HeadgateError, messageOf, remedyOf, type ErrorFacts } from '../../src/domain/errors.ts';
import type { Logger } from '../../src/domain/logger.ts';
import type { OutboundRecord, SinkLink } from '../../src/domain/sink.ts';
import { Bell } from './bell.ts';
import { pieceOf, pieceOfLetter, type Consignment, type Piece } from './consignment.ts';
import type { LogFeed, LogName, Reader } from './log-feed.ts';
import { fromStorage, Pages } from './pages.ts';
import { NO_REFUSALS, refusalsOf } from './refusals.ts';
import type { SinkBooks } from './sink-books.ts';
import type { SinkRig } from './sink-rig.ts';
import { TimedCalls } from './timed-call.ts';

export interface DeliveryPorts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly feed: LogFeed;
  readonly books: SinkBooks;
}

/** Whom a delivery tells. Nobody, once it has been left. */
export interface DeliveryListener {
  opened(): void;
  recovered(): void;
  /** What the log held when it was told to drain has been delivered. */
  drained(): void;
  failed(error: unknown): void;
}

/** How often a reader with nothing to do looks after all. Nothing should ever come of it. */
const SAFETY_LOOK_MS = 60_000;

export class Delivery implements Reader {
  readonly log: LogName;
  readonly #ports: DeliveryPorts;
  readonly #rig: SinkRig;
  readonly #listener: DeliveryListener;
  readonly #abort = new AbortController();
  readonly #bell: Bell;
  readonly #calls: TimedCalls;
  readonly #pages: Pages;
  /** No new batch: nobody listens any more. */
  #isLeft = false;
  #linkError: { readonly error: unknown } | null = null;
  #areLettersDue = true;
  #looksAfterAll = false;
  /** The log is known to hold nothing between the cursor and this `seq`. */
  #emptyUntil = 0;
  /** Where a drain ends; null: there is none. */
  #drainTo: number | null = null;

  constructor(ports: DeliveryPorts, rig: SinkRig, listener: DeliveryListener) {
    this.log = rig.spec.reads;
    this.#ports = ports;
    this.#rig = rig;
    this.#listener = listener;
    this.#bell = new Bell(ports.clock);
    this.#calls = new TimedCalls(ports.clock);
    this.#pages = new Pages(ports.feed, rig.spec);
  }

  /** Begins. The last link of this sink must have closed. */
  begin(): void {
    const rig = this.#rig;
    const closing = this.#work();
    rig.abort = () => this.#giveUp(RUN_IS_OVER);
    rig.closing = closing;
    void closing.then(() => {
      if (rig.closing === closing) rig.closing = null;
    });
  }

  /** Ends after the batch under way, which is still written down. */
  leave(): void {
    this.#isLeft = true;
    // What is being opened is no use to anybody any more; what is being delivered is.
    if (!this.#isOpen) this.#giveUp(RUN_IS_OVER);
    this.#bell.ring();
  }

  /** From now on the log's end as it is now is the end. */
  drain(): void {
    this.#drainTo ??= this.#ports.feed.lastSeq(this.log);
    this.#bell.ring();
  }

  grown(): void {
    this.#bell.ring();
  }

  lettersQueued(): void {
    this.#areLettersDue = true;
    this.#bell.ring();
  }

  #isOpen = false;

  /** Never rejects. */
  async #work(): Promise<void> {
    let link: SinkLink | null = null;
    const unjoin = this.#ports.feed.join(this);
    try {
      link = await this.#open();
      this.#isOpen = true;
      if (!this.#isLeft) this.#listener.opened();
      while (!this.#isLeft) await this.#turn(link);
    } catch (error) {
      if (!this.#isLeft) this.#listener.failed(error);
    } finally {
      unjoin();
      this.#isLeft = true;
      this.#abort.abort(RUN_IS_OVER);
      await this.#calls.settled;
      if (link !== null) await this.#close(link);
    }
  }

  async #open(): Promise<SinkLink> {
    const { spec } = this.#rig;
    const { signal } = this.#abort;
    const opening = async (): Promise<SinkLink> => {
      const link: unknown = await spec.logic.open({
        sinkId: spec.id,
        tenant: spec.tenant,
        signal,
        clock: this.#ports.clock,
        log: this.#ports.log,
        failed: (error) => this.#linkFailed(error),
      });
      if (!isLink(link)) {
        throw new HeadgateError('HG_SINK_FAILED', 'open() gave no link with deliver() and close()', {
          remedy: 'stop',
        });
      }
      // It came too late, nobody waits for it.
      if (signal.aborted) await this.#close(link);
      return link;
    };
    return this.#calls.run('to open a link', spec.connectTimeoutMs, opening);
  }

  async #close(link: SinkLink): Promise<void> {
    try {
      await link.close();
    } catch (error) {
      this.#ports.log.warn({ sink: this.#rig.name, error: messageOf(error) }, 'a link did not close well');
    }
  }

  #linkFailed(error: unknown): void {
    if (this.#isLeft && !this.#calls.isWaiting) return;
    this.#linkError ??= { error };
    this.#calls.giveUp(error);
    this.#bell.ring();
  }

  #giveUp(error: unknown): void {
    this.#isLeft = true;
    this.#abort.abort(error);
    this.#calls.giveUp(error);
    this.#bell.ring();
  }

  /** Delivers what there is, or waits until there is something. */
  async #turn(link: SinkLink): Promise<void> {
    if (this.#linkError !== null) throw this.#linkError.error;
    const consignment = this.#isDrained ? null : await this.#next();
    if (consignment !== null) {
      await this.#carry(link, consignment);
      return;
    }
    if (this.#isLeft) return;
    if (this.#isDrained) this.#listener.drained();
    const { clock } = this.#ports;
    const dueMs = clock.monotonicMs() + SAFETY_LOOK_MS;
    await this.#bell.heard(SAFETY_LOOK_MS);
    if (clock.monotonicMs() < dueMs) return;
    this.#areLettersDue = true;
    this.#looksAfterAll = true;
  }

  /** What comes now is no longer for this sink. */
  get #isDrained(): boolean {
    return this.#drainTo !== null && this.#reached >= this.#drainTo && !this.#areLettersDue;
  }

  /** Nothing that is stored up to this `seq` is left to be delivered. */
  get #reached(): number {
    return Math.max(this.#rig.cursor, this.#emptyUntil);
  }

  async #next(): Promise<Consignment | null> {
    const { feed } = this.#ports;
    if (this.#areLettersDue) {
      const letters = await this.#queuedLetters();
      if (letters !== null) return letters;
    }
    if (feed.lastSeq(this.log) <= this.#reached && !this.#looksAfterAll) return null;
    this.#looksAfterAll = false;
    await this.#linger();
    if (this.#isLeft || this.#linkError !== null) return null;
    const seenSeq = feed.lastSeq(this.log);
    const { cursor, spec } = this.#rig;
    const page = await this.#pages.after(cursor);
    if (page.lastSeq <= cursor) {
      this.#emptyUntil = seenSeq;
      return null;
    }
    this.#pages.readAhead(page.lastSeq);
    const pieces = page.rows.map((record) => pieceOf(spec, record, null));
    return { pieces, cursor: page.lastSeq, damaged: page.damaged };
  }

  async #queuedLetters(): Promise<Consignment | null> {
    const { feed } = this.#ports;
    const { spec, stage } = this.#rig;
    this.#areLettersDue = false;
    const letters = await fromStorage(feed.queuedLetters(stage, spec.batch.rowsMax));
    if (letters.length === 0) return null;
    this.#areLettersDue = true;
    const pieces = letters.map((letter) => pieceOfLetter(spec, letter, (seq) => feed.keyOf(this.log, seq)));
    return { pieces, cursor: null, damaged: [] };
  }

  /** An incomplete batch waits for company. */
  async #linger(): Promise<void> {
    const { clock, feed } = this.#ports;
    const { lingerMs, rowsMax } = this.#rig.spec.batch;
    const dueMs = clock.monotonicMs() + lingerMs;
    while (feed.lastSeq(this.log) - this.#rig.cursor < rowsMax) {
      const restMs = dueMs - clock.monotonicMs();
      if (restMs <= 0 || this.#isLeft || this.#linkError !== null || this.#drainTo !== null) return;
      await this.#bell.heard(restMs);
    }
  }

  async #carry(link: SinkLink, { pieces, cursor, damaged }: Consignment): Promise<void> {
    const { books } = this.#ports;
    const rig = this.#rig;
    await this.#hand(link, pieces, cursor !== null);
    books.countDamaged(rig, damaged);
    if (cursor !== null) books.moveCursor(rig, cursor);
    // Letters are not read again, nor are more of them made, before what became of these is stored.
    if (cursor === null || rig.unsavedAfter !== null) await books.flush(rig);
  }

  /** Delivers these pieces, in parts if the far end refuses them as a whole, and writes down what became of
   *  each. */
  async #hand(link: SinkLink, pieces: readonly Piece[], movesCursor: boolean): Promise<void> {
    const going = pieces.filter(({ outbound }) => outbound !== null);
    const refusals = going.length === 0 ? NO_REFUSALS : await this.#deliver(link, going);
    if (refusals === 'split') {
      const half = pieces.indexOf(going[going.length >> 1] as Piece);
      await this.#hand(link, pieces.slice(0, half), movesCursor);
      if (this.#isLeft) throw RUN_IS_OVER;
      await this.#hand(link, pieces.slice(half), movesCursor);
      return;
    }
    const { books } = this.#ports;
    for (const piece of pieces) books.settle(this.#rig, piece, refusals.get(piece) ?? null);
    const last = pieces.at(-1);
    if (movesCursor && last !== undefined) books.moveCursor(this.#rig, last.record.seq);
    if (this.#rig.isReleased || going.length === 0) return;
    if (this.#rig.countDelivery(going.length - refusals.size) && !this.#isLeft) this.#listener.recovered();
  }

  /** Delivers a batch. Gives back which of it were refused and why; `split`: the far end refuses it as such,
   *  and it is more than one. */
  async #deliver(link: SinkLink, going: readonly Piece[]): Promise<ReadonlyMap<Piece, ErrorFacts> | 'split'> {
    const batch = going.map(({ outbound }) => outbound as OutboundRecord);
    const { deliverTimeoutMs } = this.#rig.spec;
    try {
      const outcome = await this.#calls.run('to deliver a batch', deliverTimeoutMs, () =>
        link.deliver(batch),
      );
      return refusalsOf(outcome, going);
    } catch (error) {
      if (remedyOf(error) !== 'drop') throw error;
      const [only] = going;
      if (only === undefined || going.length > 1) return 'split';
      return new Map([[only, errorFacts(error, 'HG_SINK_REFUSED')]]);
    }
  }
}

const RUN_IS_OVER = new HeadgateError('HG_LINK_LOST', 'the run of this sink is over');

function isLink(value: unknown): value is SinkLink {
  const { deliver, close } = (value ?? {}) as Partial<SinkLink>;
  return typeof deliver === 'function' && typeof close === 'function';
}
