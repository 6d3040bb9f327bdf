/** A stage whose function returns a promise: a bounded number of calls in flight, results in the order of
 *  arrival. */

import { errorFacts, HeadgateError } from '../domain/errors.ts';
import {
  dataOf,
  isPoison,
  poison,
  RECEIPT,
  withData,
  type Batch,
  type FlowItem,
  type IngestRecord,
} from '../domain/record.ts';
import type { Downstream, Upstream } from './pump.ts';
import { RingBuffer } from './ring-buffer.ts';
import { isSameRecord, recordChanged, type AsyncStage, type StagePorts } from './stage.ts';

interface Slot {
  readonly input: FlowItem;
  /** The result, once there is one. */
  item: FlowItem | undefined;
}

export class AsyncNode implements Upstream, Downstream {
  readonly #stage: AsyncStage;
  readonly #ports: StagePorts;
  readonly #slots: RingBuffer<Slot>;
  readonly #onItems: () => void;
  readonly #onRoom: () => void;
  #inFlight = 0;
  #inFlightMax = 0;

  constructor(stage: AsyncStage, ports: StagePorts, onItems: () => void, onRoom: () => void) {
    this.#stage = stage;
    this.#ports = ports;
    this.#slots = new RingBuffer(stage.concurrency);
    this.#onItems = onItems;
    this.#onRoom = onRoom;
  }

  get budget(): number {
    return this.#slots.room;
  }

  get size(): number {
    return this.#slots.size;
  }

  /** The most calls that were ever in flight at once. */
  get inFlightMax(): number {
    return this.#inFlightMax;
  }

  push(batch: Batch): void {
    for (const item of batch) {
      this.#ports.counts.in++;
      const slot: Slot = { input: item, item: isPoison(item) ? item : undefined };
      this.#slots.push(slot);
      if (!isPoison(item)) void this.#run(item, slot);
    }
    if (this.#slots.peek()?.item !== undefined) this.#onItems();
  }

  take(max: number): FlowItem[] {
    const items: FlowItem[] = [];
    while (items.length < max) {
      const item = this.#slots.peek()?.item;
      if (item === undefined) break;
      items.push(item);
      this.#slots.shift();
    }
    this.#ports.counts.out += items.length;
    if (items.length > 0) this.#onRoom();
    return items;
  }

  /** Gives up what is in it: it is lost, whatever comes of the calls in flight. */
  discard(): void {
    for (const { input } of this.#slots.take(this.#slots.size)) input[RECEIPT]?.settle('lost');
  }

  async #run(record: IngestRecord, slot: Slot): Promise<void> {
    this.#inFlight++;
    this.#inFlightMax = Math.max(this.#inFlightMax, this.#inFlight);
    // The function may keep the record and change it at any time.
    const lent = withData(record, record.data);
    try {
      slot.item = withData(record, dataOf(await this.#stage.run(lent)));
      if (!isSameRecord(lent, record))
        throw new HeadgateError('HG_RECORD_CHANGED', recordChanged(lent, record).message);
    } catch (error) {
      const poisoned = poison(errorFacts(error, 'HG_STAGE_THREW'), record);
      this.#ports.counts.failed++;
      this.#ports.onPoison(poisoned, this.#ports.stageName);
      slot.item = poisoned;
    }
    this.#inFlight--;
    if (this.#slots.peek() === slot) this.#onItems();
  }
}
