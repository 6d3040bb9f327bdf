/** A first-in-first-out buffer that grows up to a fixed capacity and never beyond. An idle one holds no
 *  memory. */
export class RingBuffer<Item> {
  readonly capacity: number;
  #slots: (Item | undefined)[] = [];
  #head = 0;
  #size = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get size(): number {
    return this.#size;
  }

  get room(): number {
    return this.capacity - this.#size;
  }

  /** Appends one item. Returns false, and takes nothing, when full. */
  push(item: Item): boolean {
    if (this.#size === this.capacity) return false;
    if (this.#size === this.#slots.length) this.#grow();
    this.#slots[(this.#head + this.#size) & (this.#slots.length - 1)] = item;
    this.#size++;
    return true;
  }

  peek(): Item | undefined {
    return this.#size === 0 ? undefined : this.#slots[this.#head];
  }

  shift(): Item | undefined {
    if (this.#size === 0) return undefined;
    const item = this.#slots[this.#head];
    this.#slots[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#slots.length - 1);
    this.#size--;
    return item;
  }

  /** Removes and returns up to `max` items, oldest first. */
  take(max: number): Item[] {
    const count = Math.min(max, this.#size);
    const items = new Array<Item>(count);
    const mask = this.#slots.length - 1;
    for (let index = 0; index < count; index++) {
      const slot = (this.#head + index) & mask;
      items[index] = this.#slots[slot] as Item;
      this.#slots[slot] = undefined;
    }
    this.#head = (this.#head + count) & mask;
    this.#size -= count;
    return items;
  }

  /** Doubles the slots (a power of two, so that a mask wraps the index) and straightens the content. */
  #grow(): void {
    const slots = new Array<Item | undefined>(Math.max(8, this.#slots.length * 2));
    for (let index = 0; index < this.#size; index++) {
      slots[index] = this.#slots[(this.#head + index) & (this.#slots.length - 1)];
    }
    this.#slots = slots;
    this.#head = 0;
  }
}
