/** The order in which lanes are served: start-time fair queueing (Goyal, Vin and Cheng, 1996). Each lane has
 *  a tag, the records it was served with; the lane with the least tag is next. Over any interval in which two
 *  lanes both have records, they are served with the same number of records up to the size of two batches,
 *  whatever the sizes of the batches and whoever arrives when. */

/** The place of one lane in the order. */
export interface Turn<Lane> {
  readonly lane: Lane;
  /** Records served, in virtual time: the start tag of the lane's next batch. */
  served: number;
  /** Breaks ties: the lane that came first is served first. */
  order: number;
  /** In the order, or being served: a lane that has records again need not join. */
  takesPart: boolean;
}

/** A binary heap of turns, least tag first. */
export class FairQueue<Lane> {
  readonly #heap: Turn<Lane>[] = [];
  /** The start tag of the batch that was served last: a lane that was idle begins there, so that it neither
   *  makes up for its rest nor pays for it. */
  #virtualTime = 0;
  #orders = 0;

  /** The lanes in the order, in no particular one. */
  *lanes(): Iterable<Lane> {
    for (const { lane } of this.#heap) yield lane;
  }

  /** Lets a lane take part. `turn`: its place from before, or null. */
  join(lane: Lane, turn: Turn<Lane> | null): Turn<Lane> {
    const joined = turn ?? { lane, served: 0, order: 0, takesPart: false };
    joined.served = Math.max(joined.served, this.#virtualTime);
    joined.order = ++this.#orders;
    this.restore(joined);
    return joined;
  }

  /** Puts a turn back where it was. */
  restore(turn: Turn<Lane>): void {
    turn.takesPart = true;
    this.#heap.push(turn);
    this.#rise(this.#heap.length - 1);
  }

  /** The turn was served with so many records and wants more. */
  requeue(turn: Turn<Lane>): void {
    turn.order = ++this.#orders;
    this.restore(turn);
  }

  /** Counts records as served to a turn that was taken. */
  serve(turn: Turn<Lane>, records: number): void {
    this.#virtualTime = Math.max(this.#virtualTime, turn.served);
    turn.served += records;
  }

  /** Takes the next turn out of the order. It takes part until {@link Turn.takesPart} says otherwise. */
  take(): Turn<Lane> | undefined {
    const first = this.#heap[0];
    const last = this.#heap.pop();
    if (first === undefined || last === undefined) return undefined;
    if (first !== last) {
      this.#heap[0] = last;
      this.#sink(0);
    }
    return first;
  }

  #rise(from: number): void {
    const heap = this.#heap;
    let index = from;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(heap[index] as Turn<Lane>, heap[parent] as Turn<Lane>)) return;
      swap(heap, index, parent);
      index = parent;
    }
  }

  #sink(from: number): void {
    const heap = this.#heap;
    let index = from;
    for (;;) {
      const left = 2 * index + 1;
      if (left >= heap.length) return;
      const right = left + 1;
      const isRight = right < heap.length && isBefore(heap[right] as Turn<Lane>, heap[left] as Turn<Lane>);
      const least = isRight ? right : left;
      if (!isBefore(heap[least] as Turn<Lane>, heap[index] as Turn<Lane>)) return;
      swap(heap, index, least);
      index = least;
    }
  }
}

function isBefore<Lane>(one: Turn<Lane>, other: Turn<Lane>): boolean {
  return one.served === other.served ? one.order < other.order : one.served < other.served;
}

function swap<Lane>(heap: Turn<Lane>[], one: number, other: number): void {
  const turn = heap[one] as Turn<Lane>;
  heap[one] = heap[other] as Turn<Lane>;
  heap[other] = turn;
}
