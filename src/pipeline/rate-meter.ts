/** How many records came in the last second, to a tenth of a second. An idle meter holds no memory. */

const SLOTS = 10;
const SLOT_MS = 100;

export class RateMeter {
  #counts: number[] | null = null;
  #lastSlot = 0;

  count(records: number, monoMs: number): void {
    const slot = Math.floor(monoMs / SLOT_MS);
    this.#counts ??= new Array<number>(SLOTS).fill(0);
    this.#forget(slot, this.#counts);
    this.#counts[slot % SLOTS] = (this.#counts[slot % SLOTS] as number) + records;
  }

  perSecond(monoMs: number): number {
    if (this.#counts === null) return 0;
    this.#forget(Math.floor(monoMs / SLOT_MS), this.#counts);
    return this.#counts.reduce((sum, count) => sum + count, 0);
  }

  #forget(slot: number, counts: number[]): void {
    const stale = Math.min(SLOTS, slot - this.#lastSlot);
    for (let step = 1; step <= stale; step++) counts[(this.#lastSlot + step) % SLOTS] = 0;
    this.#lastSlot = Math.max(this.#lastSlot, slot);
  }
}
