/** A consumer at the end of the stages: an async iterable over a bounded queue. A full queue holds the
 *  pipeline back. */

import type { Clock } from '../domain/clock.ts';
import type { FlowItem } from '../domain/record.ts';
import { BoundedQueue, type QueueWaits } from './bounded-queue.ts';

/** What a consumer reads: a record, or a poison record, and how long it waited for a slot of the consumer's
 *  queue. */
export type Consumed = FlowItem & { readonly queueWaitMs: number };

interface Entry {
  readonly item: FlowItem;
  waitMs: number;
}

export interface ConsumerReport {
  readonly capacityRecords: number;
  readonly size: number;
  readonly highWater: number;
  readonly consumed: number;
  readonly waits: QueueWaits;
}

export class Consumer implements AsyncIterableIterator<Consumed> {
  readonly #queue: BoundedQueue<Entry>;
  readonly #capacityRecords: number;
  readonly #onLeave: (consumer: Consumer) => void;
  #readers: ((result: IteratorResult<Consumed>) => void)[] = [];
  #isEnded = false;
  #consumed = 0;

  constructor(
    capacityRecords: number,
    clock: Clock,
    onRoom: () => void,
    onLeave: (consumer: Consumer) => void,
  ) {
    this.#capacityRecords = capacityRecords;
    this.#onLeave = onLeave;
    this.#queue = new BoundedQueue<Entry>({
      capacity: capacityRecords,
      overflow: 'block',
      waitMsMax: null,
      clock,
      onItems: () => this.#serve(),
      onRoom,
      onWaited: (entry, waitMs) => {
        entry.waitMs = waitMs;
      },
    });
  }

  get budget(): number {
    return this.#queue.budget;
  }

  get isEmpty(): boolean {
    return this.#queue.isEmpty;
  }

  /** How full the queue is and how long records waited for a slot. */
  report(): ConsumerReport {
    return {
      capacityRecords: this.#capacityRecords,
      size: this.#queue.size,
      highWater: this.#queue.highWater,
      consumed: this.#consumed,
      waits: this.#queue.waits,
    };
  }

  /** Takes a batch that reached the end of the stages at `sinceMs`, monotonic time. */
  push(batch: readonly FlowItem[], sinceMs: number): void {
    this.#queue.offer(
      batch.map((item) => ({ item, waitMs: 0 })),
      sinceMs,
    );
  }

  /** Nothing more will come; what is in the queue can still be read. */
  end(): void {
    this.#isEnded = true;
    this.#serve();
  }

  /** Throws away what was not read; returns how much that was. */
  clear(): number {
    return this.#queue.clear();
  }

  next(): Promise<IteratorResult<Consumed>> {
    return new Promise((resolve) => {
      this.#readers.push(resolve);
      this.#serve();
    });
  }

  return(): Promise<IteratorResult<Consumed>> {
    this.#isEnded = true;
    this.clear();
    this.#onLeave(this);
    this.#serve();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #serve(): void {
    while (this.#readers.length > 0) {
      const [entry] = this.#queue.take(1);
      if (entry === undefined) break;
      this.#consumed++;
      this.#readers.shift()?.({ done: false, value: { ...entry.item, queueWaitMs: entry.waitMs } });
    }
    if (!this.#isEnded || !this.#queue.isEmpty) return;
    for (const resolve of this.#readers.splice(0)) resolve({ done: true, value: undefined });
  }
}
