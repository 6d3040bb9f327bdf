/** Writes down what became of records: the cursor moves in the same transaction in which the dead letters of
 *  its records are kept. What is written after the sink has ended changes nothing. */

import type { Clock } from '../../src/domain/clock.ts';
import type { ErrorFacts } from '../../src/domain/errors.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import type { OutboundRecord } from '../../src/domain/sink.ts';
import type { StoredLetter } from '../../storage/event-store.ts';
import type { Ledger } from '../timeline/ledger.ts';
import type { Piece } from './consignment.ts';
import type { SinkRig } from './sink-rig.ts';

export interface SinkBooksOptions {
  readonly clock: Clock;
  readonly ledger: Pick<Ledger, 'setSinkCursor' | 'touchSink' | 'addMark' | 'addLetterFailure' | 'flush'>;
  /** Keeps a record that cannot be delivered. */
  readonly bury: (rig: SinkRig, record: OutboundRecord, error: ErrorFacts) => void;
  /** These rows of the log do not fit their checksum. */
  readonly damaged: (rig: SinkRig, seqs: readonly number[]) => void;
  /** The far end takes no record at all, for this reason. */
  readonly refusesAll: (rig: SinkRig, reason: ErrorFacts) => void;
}

export class SinkBooks {
  readonly #options: SinkBooksOptions;

  constructor(options: SinkBooksOptions) {
    this.#options = options;
  }

  /** This piece is done with: `refusal` says why it was not delivered, if it was to be. */
  settle(rig: SinkRig, { record, letter, outbound, error }: Piece, refusal: ErrorFacts | null): void {
    if (rig.isReleased) return;
    const failure = error ?? refusal;
    if (failure === null && outbound === null) rig.filtered++;
    if (failure === null) {
      if (letter !== null) this.#options.ledger.addMark({ kind: 'letter', id: letter.id });
    } else if (letter === null) {
      rig.deadLettered++;
      rig.unsavedAfter ??= rig.cursor;
      this.#options.bury(rig, record, failure);
    } else {
      this.#failAgain(letter, failure);
    }
  }

  /** Everything up to `seq` is done with. */
  moveCursor(rig: SinkRig, seq: number): void {
    if (rig.isReleased || seq <= rig.cursor) return;
    rig.cursor = seq;
    const { tenant, id: sinkId, reads } = rig.spec;
    this.#options.ledger.setSinkCursor({ tenant, sinkId, reads, seq });
    // Its row goes with the cursor, so that the two do not contradict each other.
    this.#options.ledger.touchSink(rig);
  }

  countDamaged(rig: SinkRig, seqs: readonly number[]): void {
    if (rig.isReleased || seqs.length === 0) return;
    rig.damaged += seqs.length;
    this.#options.damaged(rig, seqs);
  }

  /** Says so once, until a record is taken again. */
  refusesAll(rig: SinkRig, reason: ErrorFacts): void {
    if (rig.isReleased || rig.deliveredAtRefusal === rig.delivered) return;
    rig.deliveredAtRefusal = rig.delivered;
    this.#options.refusesAll(rig, reason);
  }

  /** Resolves when what was written down of this sink is stored. */
  async flush(rig: SinkRig): Promise<void> {
    await this.#options.ledger.flush();
    rig.unsavedAfter = null;
  }

  #failAgain({ id, attempts, isTruncated, origin }: StoredLetter, { code, message }: ErrorFacts): void {
    const isHopeless = isTruncated || origin?.recordSeq === undefined;
    const isSpent = attempts + 1 >= LIMITS.deadLetterAttemptsMax;
    this.#options.ledger.addLetterFailure({
      id,
      code,
      message: message.slice(0, LIMITS.errorMessageCharsMax),
      atMs: this.#options.clock.wallMs(),
      status: isHopeless || isSpent ? 'parked' : 'new',
    });
  }
}
