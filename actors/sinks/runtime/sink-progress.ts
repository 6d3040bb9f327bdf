/** Writes down what became of records: the cursor moves in the same transaction in which the dead letters of
 *  its records are kept. What is written after the sink has ended changes nothing. */

import type { Clock } from '../../../src/domain/clock.ts';
import type { ErrorFacts } from '../../../src/domain/errors.ts';
import { LIMITS } from '../../../src/domain/limits.ts';
import type { OutboundRecord } from '../../../src/domain/sink.ts';
import type { StoredLetter } from '../../../storage/event-store.ts';
import type { GroupCommitter } from '../../persistence/group-committer.ts';
import type { OutboundItem } from './outbound-batch.ts';
import type { SinkRuntime } from './sink-runtime.ts';

export interface SinkProgressOptions {
  readonly clock: Clock;
  readonly committer: Pick<
    GroupCommitter,
    'setSinkCursor' | 'touchSink' | 'addOriginRemoval' | 'addLetterFailure' | 'flush'
  >;
  /** Keeps a record that cannot be delivered. */
  readonly bury: (runtime: SinkRuntime, record: OutboundRecord, error: ErrorFacts) => void;
  /** These rows of the log do not fit their checksum. */
  readonly damaged: (runtime: SinkRuntime, seqs: readonly number[]) => void;
  /** The far end takes no record at all, for this reason. */
  readonly refusesAll: (runtime: SinkRuntime, reason: ErrorFacts) => void;
}

export class SinkProgress {
  readonly #options: SinkProgressOptions;

  constructor(options: SinkProgressOptions) {
    this.#options = options;
  }

  /** This piece is done with: `refusal` says why it was not delivered, if it was to be. */
  settle(
    runtime: SinkRuntime,
    { record, letter, outbound, error }: OutboundItem,
    refusal: ErrorFacts | null,
  ): void {
    if (runtime.isReleased) return;
    const failure = error ?? refusal;
    if (failure === null && outbound === null) runtime.filtered++;
    if (failure === null) {
      if (letter !== null) this.#options.committer.addOriginRemoval({ kind: 'letter', id: letter.id });
    } else if (letter === null) {
      runtime.deadLettered++;
      runtime.unsavedAfter ??= runtime.cursor;
      this.#options.bury(runtime, record, failure);
    } else {
      this.#failAgain(letter, failure);
    }
  }

  /** Everything up to `seq` is done with. */
  moveCursor(runtime: SinkRuntime, seq: number): void {
    if (runtime.isReleased || seq <= runtime.cursor) return;
    runtime.cursor = seq;
    const { tenant, id: sinkId, reads } = runtime.spec;
    this.#options.committer.setSinkCursor({ tenant, sinkId, reads, seq });
    // Its row goes with the cursor, so that the two do not contradict each other.
    this.#options.committer.touchSink(runtime);
  }

  countDamaged(runtime: SinkRuntime, seqs: readonly number[]): void {
    if (runtime.isReleased || seqs.length === 0) return;
    runtime.damaged += seqs.length;
    this.#options.damaged(runtime, seqs);
  }

  /** Says so once, until a record is taken again. */
  refusesAll(runtime: SinkRuntime, reason: ErrorFacts): void {
    if (runtime.isReleased || runtime.deliveredAtRefusal === runtime.delivered) return;
    runtime.deliveredAtRefusal = runtime.delivered;
    this.#options.refusesAll(runtime, reason);
  }

  /** Resolves when what was written down of this sink is stored. */
  async flush(runtime: SinkRuntime): Promise<void> {
    await this.#options.committer.flush();
    runtime.unsavedAfter = null;
  }

  #failAgain({ id, attempts, isTruncated, origin }: StoredLetter, { code, message }: ErrorFacts): void {
    const isHopeless = isTruncated || origin?.recordSeq === undefined;
    const isSpent = attempts + 1 >= LIMITS.deadLetterAttemptsMax;
    this.#options.committer.addLetterFailure({
      id,
      code,
      message: message.slice(0, LIMITS.errorMessageCharsMax),
      atMs: this.#options.clock.wallMs(),
      status: isHopeless || isSpent ? 'parked' : 'new',
    });
  }
}
