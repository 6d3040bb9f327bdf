/** One link of a sink, from before its opening until it has closed: opens it, reads what the log holds after
 *  the cursor, delivers it, and writes down how far it came.
 *
 *  Guarantees. Records go out in the order of the log, but for those that the far end did not take: they may
 *  be tried again behind others ({@link HandOver}). The cursor never passes a record that is not done
 *  with: delivered, filtered, or kept as a dead letter. One batch is under way at a time and one more is read
 *  ahead: memory does not grow with the lag. A batch comes again only after a failure, a stop whose deadline
 *  came, or a crash; its records then bear the same keys. */

import type { OperatorAlert } from '../../../src/domain/alert.ts';
import type { Clock } from '../../../src/domain/clock.ts';
import { HeadgateError, messageOf } from '../../../src/domain/errors.ts';
import { LIMITS } from '../../../src/domain/limits.ts';
import type { Logger } from '../../../src/domain/logger.ts';
import type { SinkLink } from '../../../src/domain/sink.ts';
import { runAlerts } from '../../alerts/run-alerts.ts';
import { WakeSignal } from './wake-signal.ts';
import { outboundItem, outboundDeadLetter, type OutboundBatch } from './outbound-batch.ts';
import { HandOver, RUN_IS_OVER } from './hand-over.ts';
import { LetterHandOver } from './dead-letter-hand-over.ts';
import type { LogTail, LogName, Reader } from './log-tail.ts';
import { fromStorage, LogPageReader } from './log-page-reader.ts';
import type { SinkProgress } from './sink-progress.ts';
import type { SinkRuntime } from './sink-runtime.ts';
import { linkUnopened, TimedCalls } from './timed-call.ts';

export interface DeliveryPorts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly feed: LogTail;
  readonly books: SinkProgress;
  readonly raise: (alert: OperatorAlert, runtime: SinkRuntime) => void;
}

/** Whom a delivery tells. Nobody, once it has been left. */
export interface DeliveryListener {
  opened(): void;
  recovered(): void;
  /** What the log held when it was told to drain has been delivered. */
  drained(): void;
  /** `isDelivering`: while a batch was under way, which was not taken. */
  failed(error: unknown, isDelivering: boolean): void;
}

/** Hands batches to one link. */
interface Hands {
  readonly log: HandOver;
  readonly letters: LetterHandOver;
}

/** How often a reader with nothing to do looks after all. Nothing should ever come of it. */
const SAFETY_LOOK_MS = 60_000;

export class LogDelivery implements Reader {
  readonly log: LogName;
  readonly #ports: DeliveryPorts;
  readonly #runtime: SinkRuntime;
  readonly #listener: DeliveryListener;
  readonly #abort = new AbortController();
  readonly #bell: WakeSignal;
  readonly #calls: TimedCalls;
  readonly #pages: LogPageReader;
  /** The run is over: no new batch begins. */
  #isLeft = false;
  #linkError: { readonly error: unknown } | null = null;
  #areLettersDue = true;
  #looksAfterAll = false;
  /** Records after the cursor, up to this `seq`, were handed over or are held back. */
  #position: number;
  /** The log is known to hold nothing between that and this `seq`. */
  #emptyUntil = 0;
  /** Where a drain ends; null: there is none. */
  #drainTo: number | null = null;

  constructor(ports: DeliveryPorts, runtime: SinkRuntime, listener: DeliveryListener) {
    this.log = runtime.spec.reads;
    this.#ports = ports;
    this.#runtime = runtime;
    this.#position = runtime.cursor;
    this.#listener = listener;
    this.#bell = new WakeSignal(ports.clock);
    this.#calls = new TimedCalls(ports.clock);
    this.#pages = new LogPageReader(ports.feed, runtime.spec);
  }

  /** Begins. The last link of this sink must have closed. */
  begin(): void {
    const runtime = this.#runtime;
    const closing = this.#work();
    runtime.abort = () => this.#giveUp(RUN_IS_OVER);
    runtime.closing = closing;
    void closing.then(() => {
      if (runtime.closing === closing) runtime.closing = null;
    });
  }

  /** Ends after the batch under way, which is still written down. */
  leave(): void {
    this.#isLeft = true;
    // What is being opened is no use to anybody any more; what is being delivered is.
    if (!this.#isOpen) this.#giveUp(RUN_IS_OVER);
    this.#bell.notify();
  }

  /** From now on the log's end as it is now is the end. */
  drain(): void {
    this.#drainTo ??= this.#ports.feed.lastSeq(this.log);
    this.#bell.notify();
  }

  grown(): void {
    this.#bell.notify();
  }

  lettersQueued(): void {
    this.#areLettersDue = true;
    this.#bell.notify();
  }

  #isOpen = false;
  /** A batch is under way; stays so where its delivery fails. */
  #isDelivering = false;

  #handsFor(link: SinkLink): Hands {
    const { books, feed } = this.#ports;
    const ports = {
      ...{ books, calls: this.#calls },
      lastSeq: () => feed.lastSeq(this.log),
      isOver: () => this.#isLeft,
      recovered: () => this.#listener.recovered(),
    };
    return {
      log: new HandOver(ports, this.#runtime, link),
      letters: new LetterHandOver(ports, this.#runtime),
    };
  }

  /** Never rejects. */
  async #work(): Promise<void> {
    let link: SinkLink | null = null;
    let isSound = false;
    const unjoin = this.#ports.feed.subscribe(this);
    try {
      link = await this.#open();
      this.#isOpen = true;
      if (!this.#isLeft) this.#listener.opened();
      const hands = this.#handsFor(link);
      while (!this.#isLeft) await this.#turn(link, hands);
      isSound = true;
    } catch (error) {
      if (!this.#isLeft) this.#listener.failed(error, this.#isDelivering);
    } finally {
      unjoin();
      this.#isLeft = true;
      // A link that stands is left in order: there is nothing to give up.
      if (!isSound) this.#abort.abort(RUN_IS_OVER);
      await this.#calls.settled;
      if (link !== null) await this.#close(link);
      this.#abort.abort(RUN_IS_OVER);
    }
  }

  async #open(): Promise<SinkLink> {
    const { spec } = this.#runtime;
    const { signal } = this.#abort;
    let describeStep: (() => string) | null = null;
    const opening = async (): Promise<SinkLink> => {
      const link: unknown = await spec.logic.open({
        sinkId: spec.id,
        tenant: spec.tenant,
        signal,
        clock: this.#ports.clock,
        log: this.#ports.log,
        alert: runAlerts(this.#ports, this.#runtime, signal, null),
        failed: (error) => this.#linkFailed(error),
        awaits: (describe) => {
          describeStep = describe;
        },
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
    const missing = () => describeStep?.() ?? linkUnopened(spec);
    return this.#calls.run(missing, spec.connectTimeoutMs, opening);
  }

  async #close(link: SinkLink): Promise<void> {
    try {
      await link.close();
    } catch (error) {
      this.#ports.log.warn(
        { sink: this.#runtime.name, error: messageOf(error) },
        'a link did not close well',
      );
    }
  }

  #linkFailed(error: unknown): void {
    if (this.#isLeft && !this.#calls.isWaiting) return;
    this.#linkError ??= { error };
    this.#calls.giveUp(error);
    this.#bell.notify();
  }

  #giveUp(error: unknown): void {
    this.#isLeft = true;
    this.#abort.abort(error);
    this.#calls.giveUp(error);
    this.#bell.notify();
  }

  /** Delivers what there is, or waits until there is something. */
  async #turn(link: SinkLink, hands: Hands): Promise<void> {
    if (this.#linkError !== null) throw this.#linkError.error;
    const outbound = this.#isDrained ? null : await this.#next();
    if (outbound !== null) {
      await this.#carry(link, hands, outbound);
      return;
    }
    if (this.#isLeft) return;
    if (this.#runtime.undecided.isOpen && this.#linkError === null) {
      await this.#waitForMore(hands);
      return;
    }
    if (this.#isDrained) this.#listener.drained();
    const { clock } = this.#ports;
    const dueMs = clock.monotonicMs() + SAFETY_LOOK_MS;
    await this.#bell.wait(SAFETY_LOOK_MS);
    if (clock.monotonicMs() < dueMs) return;
    this.#areLettersDue = true;
    this.#looksAfterAll = true;
  }

  /** What comes now is no longer for this sink. */
  get #isDrained(): boolean {
    const isAtEnd = this.#drainTo !== null && this.#reached >= this.#drainTo && !this.#areLettersDue;
    return isAtEnd && this.#runtime.cursor >= this.#position;
  }

  /** Nothing that is stored up to this `seq` is left to be handed over. */
  get #reached(): number {
    return Math.max(this.#position, this.#emptyUntil);
  }

  async #next(): Promise<OutboundBatch | null> {
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
    const { spec } = this.#runtime;
    const after = this.#position;
    const page = await this.#pages.after(after);
    if (page.lastSeq <= after) {
      this.#emptyUntil = seenSeq;
      return null;
    }
    const [first] = page.rows;
    if (first !== undefined) this.#runtime.oldest = { afterSeq: after, atMs: first.atMs };
    this.#pages.readAhead(page.lastSeq);
    const pieces = page.rows.map((record) => outboundItem(spec, record, null));
    return { pieces, after, cursor: page.lastSeq, damaged: page.damaged };
  }

  async #queuedLetters(): Promise<OutboundBatch | null> {
    const { feed } = this.#ports;
    const { spec, stage } = this.#runtime;
    this.#areLettersDue = false;
    const letters = await fromStorage(feed.queuedLetters(stage, spec.batch.rowsMax));
    if (letters.length === 0) return null;
    this.#areLettersDue = true;
    const pieces = letters.map((letter) =>
      outboundDeadLetter(spec, letter, (seq) => feed.keyOf(this.log, seq)),
    );
    return { pieces, after: this.#position, cursor: null, damaged: [] };
  }

  /** An incomplete batch waits for company. */
  async #linger(): Promise<void> {
    const { clock, feed } = this.#ports;
    const { lingerMs, rowsMax } = this.#runtime.spec.batch;
    const dueMs = clock.monotonicMs() + lingerMs;
    while (feed.lastSeq(this.log) - this.#position < rowsMax) {
      const restMs = dueMs - clock.monotonicMs();
      if (restMs <= 0 || this.#isLeft || this.#linkError !== null || this.#drainTo !== null) return;
      await this.#bell.wait(restMs);
    }
  }

  async #carry(link: SinkLink, hands: Hands, outbound: OutboundBatch): Promise<void> {
    const runtime = this.#runtime;
    this.#isDelivering = true;
    if (outbound.cursor === null) {
      await hands.letters.handOver(link, outbound.pieces);
    } else if (await hands.log.handOver(outbound)) this.#position = outbound.cursor;
    else this.#goBack();
    this.#isDelivering = false;
    // Letters are not read again, nor are more of them made, before what became of these is stored.
    if (outbound.cursor === null || runtime.unsavedAfter !== null) await this.#ports.books.flush(runtime);
  }

  /** Records are undecided, and the log has no other that could be tried: it may have soon. */
  async #waitForMore({ log }: Hands): Promise<void> {
    const { clock, feed } = this.#ports;
    const reached = this.#reached;
    const dueMs = clock.monotonicMs() + LIMITS.sinkQuietMs;
    for (let restMs: number = LIMITS.sinkQuietMs; restMs > 0; restMs = dueMs - clock.monotonicMs()) {
      if (this.#drainTo !== null) break;
      await this.#bell.wait(restMs);
      if (this.#isLeft || this.#linkError !== null || this.#areLettersDue) return;
      if (feed.lastSeq(this.log) > reached) return;
    }
    log.settleInSilence();
    this.#goBack();
  }

  /** Records right after the cursor are tried again. */
  #goBack(): void {
    this.#position = this.#runtime.cursor;
    this.#emptyUntil = 0;
  }
}

function isLink(value: unknown): value is SinkLink {
  const { deliver, close } = (value ?? {}) as Partial<SinkLink>;
  return typeof deliver === 'function' && typeof close === 'function';
}
