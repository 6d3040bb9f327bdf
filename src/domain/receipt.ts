/** The receipt: how whoever handed records in learns what became of them. It travels with the records, is
 *  settled record by record wherever one's way ends, and tells once, when the last one has come to its end.
 *
 *  That is what an acknowledgement waits for: a source that can be acknowledged hands its records in with a
 *  receipt, and acknowledges when it is told that none of them was lost. */

/** What became of the records handed in with one receipt, in records. */
export interface Settlement {
  /** Stored durably; where no records are kept: came out of the stages. */
  readonly stored: number;
  /** A stage left them out. */
  readonly filtered: number;
  /** A rate limit or an overflow policy refused them. */
  readonly dropped: number;
  /** Could not be used; kept as dead letters, durably. */
  readonly deadLettered: number;
  /** Given up before they were stored: a stop's deadline came, or storage failed for good. Never to be
   *  acknowledged. */
  readonly lost: number;
}

export type Outcome = keyof Settlement;

/** A note that goes into the same transaction as the record that bears it: where the record came from is
 *  crossed out at the moment it is stored, so that it is stored once. */
export type OriginRemoval =
  /** The record waited on disk (`spill`); that row is deleted. */
  | { readonly kind: 'spill'; readonly seq: number }
  /** The record was a dead letter; it has left. */
  | { readonly kind: 'letter'; readonly id: number };

export class Receipt {
  /** What is crossed out when the records are stored. */
  readonly mark: OriginRemoval | undefined;
  readonly #onSettled: (settlement: Settlement) => void;
  /** Numbers of its own, not an object of them: a receipt comes with every message. */
  #stored = 0;
  #filtered = 0;
  #dropped = 0;
  #deadLettered = 0;
  #lost = 0;
  #outstanding = 0;
  #isSealed = false;
  #onThrown: (error: unknown) => void = rethrow;

  /** `onSettled` is called once: after {@link seal}, when every record has come to its end. What it throws is
   *  a failure of the source that handed the records in. */
  constructor(onSettled: (settlement: Settlement) => void, mark?: OriginRemoval) {
    this.#onSettled = onSettled;
    this.mark = mark;
  }

  /** Records that have not come to their end. */
  get outstanding(): number {
    return this.#outstanding;
  }

  /** Counts records in. The intake calls it, before they go on their way; it says who is told when
   *  `onSettled` throws, where that is no business of whoever settles the last record. */
  add(records: number, onThrown?: (error: unknown) => void): void {
    this.#outstanding += records;
    if (onThrown !== undefined) this.#onThrown = onThrown;
  }

  /** Counts records out. */
  settle(outcome: Outcome, records = 1): void {
    this.#count(outcome, records);
    this.#outstanding -= records;
    if (this.#outstanding === 0 && this.#isSealed) this.#tell();
  }

  /** Nothing more will be handed in with it. Whoever made the receipt calls it, once. */
  seal(): void {
    this.#isSealed = true;
    if (this.#outstanding === 0) this.#tell();
  }

  #count(outcome: Outcome, records: number): void {
    switch (outcome) {
      case 'stored':
        this.#stored += records;
        break;
      case 'filtered':
        this.#filtered += records;
        break;
      case 'dropped':
        this.#dropped += records;
        break;
      case 'deadLettered':
        this.#deadLettered += records;
        break;
      case 'lost':
        this.#lost += records;
    }
  }

  #tell(): void {
    try {
      this.#onSettled({
        stored: this.#stored,
        filtered: this.#filtered,
        dropped: this.#dropped,
        deadLettered: this.#deadLettered,
        lost: this.#lost,
      });
    } catch (error) {
      this.#onThrown(error);
    }
  }
}

function rethrow(error: unknown): never {
  throw error;
}
