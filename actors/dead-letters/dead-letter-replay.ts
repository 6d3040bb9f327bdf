/** The return of dead letters: takes letters that are queued for another try, and hands them in again at
 *  the gate, before the stages, as the records they were.
 *
 *  Guarantee: a letter leaves once. Its record bears a receipt whose mark crosses the letter out in the
 *  very transaction that stores the record; before that it stays queued, whatever happens to the process.
 *  No letter is handed in a second time until what became of the first is in the database. A payload that
 *  decodes to several records could be cut in two by a crash: it is first replaced by a letter for each,
 *  in one transaction. */

import { formatAddress } from '../../src/domain/address.ts';
import type { Clock } from '../../src/domain/clock.ts';
import { errorFacts, type ErrorFacts } from '../../src/domain/errors.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import type { Logger } from '../../src/domain/logger.ts';
import { Receipt, type Settlement } from '../../src/domain/receipt.ts';
import { RECEIPT, type IngestRecord } from '../../src/domain/record.ts';
import type { LetterOrigin } from '../../src/domain/timeline.ts';
import { BoundedQueue } from '../../src/pipeline/bounded-queue.ts';
import type { Lane } from '../../src/pipeline/gate.ts';
import { dataOfPayload, dataPayload, wireOfPayload } from './dead-letter-payload.ts';
import type { EventStore, StoredLetter } from '../../storage/event-store.ts';
import type { SourceRuntime } from '../sources/runtime/source-runtime.ts';
import type { GroupCommitter } from '../persistence/group-committer.ts';

export interface DeadLetterReplayOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly store: Pick<EventStore, 'readLetters'>;
  readonly committer: Pick<
    GroupCommitter,
    'addOriginRemoval' | 'addLetterFailure' | 'addDeadLetter' | 'flush'
  >;
  /** The source of this name, if it is registered. */
  readonly findRuntime: (name: {
    readonly tenant: string;
    readonly sourceId: string;
  }) => SourceRuntime | undefined;
  readonly arrive: (lane: Lane) => void;
  /** Whether records are stored: the exit then crosses letters out. */
  readonly recordsAreKept: boolean;
  /** A record of a letter goes to the stages again. */
  readonly onReturned: () => void;
  /** A limit refused such a record: its letter stays. */
  readonly onRefused: () => void;
  /** A letter has failed as often as it may. */
  readonly onParked: (letter: StoredLetter, error: ErrorFacts) => void;
}

/** Of a source's record that is its choice; a letter was kept so that nothing is lost. */
const DROPPED: ErrorFacts = {
  code: 'HG_RECORD_DROPPED',
  message: 'a limit or an overflow policy refused the record; retry it when less comes in',
};

/** Letters of sinks are the sinks' own business. */
const SINK_STAGE = 'sink:';

export class DeadLetterReplay {
  readonly #options: DeadLetterReplayOptions;
  readonly #lane: Lane;
  readonly #abort = new AbortController();
  /** Handed in, and what became of them is not in the database yet. */
  readonly #underWay = new Map<number, StoredLetter>();
  /** Sources without which letters could not be handed in. */
  readonly #missing = new Set<string>();
  #feeding: Promise<void> | null = null;
  #isAskedAgain = false;

  constructor(options: DeadLetterReplayOptions) {
    this.#options = options;
    const queue: BoundedQueue<IngestRecord> = new BoundedQueue({
      capacity: LIMITS.mergeQuantumRecords,
      overflow: 'block',
      waitMsMax: null,
      clock: options.clock,
      onItems: () => options.arrive(this.#lane),
    });
    this.#lane = {
      name: 'dead letters',
      queue,
      limit: null,
      // The database keeps a letter until its record is stored.
      canWait: true,
      turn: null,
      onRefused: (record) => {
        options.onRefused();
        record[RECEIPT]?.settle('dropped');
      },
    };
  }

  /** Records of letters that wait for the gate. */
  get waitingRecords(): number {
    return this.#lane.queue.size + this.#lane.queue.blocked;
  }

  /** Looks for queued letters and hands them in. */
  scan(): void {
    if (this.#abort.signal.aborted) return;
    if (this.#feeding !== null) {
      this.#isAskedAgain = true;
      return;
    }
    this.#isAskedAgain = false;
    this.#feeding = this.#feed()
      .catch((error: unknown) => {
        const facts = errorFacts(error, 'HG_STORAGE_FAILED');
        this.#options.log.warn(facts, 'dead letters could not be read; they stay queued');
      })
      .finally(() => {
        this.#feeding = null;
        if (this.#isAskedAgain) this.scan();
      });
  }

  /** A source is registered now: letters may have waited for it. */
  registered(name: string): void {
    if (this.#missing.delete(name)) this.scan();
  }

  /** The record of a letter failed again. */
  failed(id: number, { code, message }: ErrorFacts): void {
    const letter = this.#underWay.get(id);
    if (letter === undefined) return;
    const isLast = letter.attempts + 1 >= LIMITS.deadLetterAttemptsMax;
    const atMs = this.#options.clock.wallMs();
    this.#options.committer.addLetterFailure({ id, code, message, atMs, status: isLast ? 'parked' : 'new' });
    if (isLast) this.#options.onParked(letter, { code, message });
  }

  /** The run is over. What is under way stays queued. */
  close(): void {
    this.#abort.abort();
  }

  async #feed(): Promise<void> {
    const { store } = this.#options;
    const rowsMax = LIMITS.mergeQuantumRecords;
    for (let afterId = 0; ;) {
      const letters = await store.readLetters({ status: 'queued', afterId, rowsMax });
      for (const letter of letters) {
        afterId = letter.id;
        if (letter.stage.startsWith(SINK_STAGE) || this.#underWay.has(letter.id)) continue;
        await this.#lane.queue.whenWritable(this.#abort.signal);
        if (this.#abort.signal.aborted) return;
        this.#return(letter);
      }
      if (letters.length < rowsMax) return;
    }
  }

  #return(letter: StoredLetter): void {
    const { origin } = letter;
    // Where no record came of it, it takes its source to make one.
    const runtime = origin === null ? this.#options.findRuntime(letter) : undefined;
    if (
      origin === null &&
      (runtime === undefined || (letter.stage === 'decode' && runtime.spec.decode === null))
    ) {
      this.#missing.add(formatAddress(letter));
      return;
    }
    this.#underWay.set(letter.id, letter);
    try {
      if (origin !== null) this.#enter(letter, origin, dataOfPayload(letter.payload, origin.form));
      else if (runtime !== undefined) this.#makeRecords(letter, runtime);
    } catch (error) {
      this.failed(letter.id, errorFacts(error, 'HG_DECODE_FAILED'));
      this.#forgetOnceStored(letter.id);
    }
  }

  /** Throws what the source's own code throws. */
  #makeRecords(letter: StoredLetter, runtime: SourceRuntime): void {
    const { clock, committer } = this.#options;
    const { decode, dedupKey } = runtime.spec;
    const values =
      letter.stage === 'decode' && decode !== null
        ? decode(wireOfPayload(letter.payload), undefined)
        : [dataOfPayload(letter.payload, undefined)];
    const keys = values.map((value) => dedupKey?.(value, {}));
    const first = runtime.recordsProduced + 1;
    runtime.countRecords(values.length, clock.monotonicMs());
    const originOf = (index: number): LetterOrigin => ({
      incarnation: runtime.incarnation,
      sourceSeq: first + index,
      atMs: letter.firstAtMs,
      dedupKey: keys[index] ?? null,
      contentType: null,
    });
    if (values.length === 1) {
      this.#enter(letter, originOf(0), values[0]);
      return;
    }
    committer.addOriginRemoval({ kind: 'letter', id: letter.id });
    for (const [index, value] of values.entries()) {
      const { form, ...kept } = dataPayload(value);
      const { id: _, ...rest } = letter;
      const origin = { ...originOf(index), ...(form === undefined ? {} : { form }) };
      const status = kept.isTruncated ? 'new' : 'queued';
      committer.addDeadLetter({ ...rest, stage: 'decoded', ...kept, origin, status }, { isAwaited: true });
    }
    this.#forgetOnceStored(letter.id, () => this.scan());
  }

  /** Hands the record in that the letter was. */
  #enter(letter: StoredLetter, origin: LetterOrigin, data: unknown): void {
    const { id, tenant, sourceId } = letter;
    const receipt = new Receipt((settlement) => this.#settled(id, settlement), { kind: 'letter', id });
    const record: IngestRecord = {
      sourceId,
      tenant,
      incarnation: origin.incarnation,
      seq: origin.sourceSeq,
      atMs: origin.atMs,
      receivedMonoMs: this.#options.clock.monotonicMs(),
      data,
      contentType: origin.contentType ?? undefined,
      key: origin.dedupKey ?? undefined,
      cursor: undefined,
      [RECEIPT]: receipt,
    };
    this.#options.onReturned();
    receipt.add(1);
    receipt.seal();
    this.#lane.queue.offer([record]);
  }

  #settled(id: number, { lost, dropped, deadLettered, stored }: Settlement): void {
    // The engine gave up before it was stored; the next start finds it queued.
    if (lost > 0) return;
    if (dropped > 0) this.failed(id, DROPPED);
    const isMarked = stored > 0 && this.#options.recordsAreKept;
    if (deadLettered + dropped === 0 && !isMarked)
      this.#options.committer.addOriginRemoval({ kind: 'letter', id });
    this.#forgetOnceStored(id);
  }

  #forgetOnceStored(id: number, then?: () => void): void {
    void this.#options.committer.flush().then(() => {
      this.#underWay.delete(id);
      then?.();
    });
  }
}
