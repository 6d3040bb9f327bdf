/** A number of bytes that may be under way at a time. It may be exceeded by what one taker holds in its hand;
 *  nobody takes more before there is room. */

export class Budget {
  readonly #bytesMax: number;
  #bytes = 0;
  #waiting: (() => void)[] = [];

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get isFull(): boolean {
    return this.#bytes >= this.#bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  take(bytes: number): void {
    this.#bytes += bytes;
  }

  giveBack(bytes: number): void {
    this.#bytes -= bytes;
    if (this.isFull) return;
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Calls back once, when there is room. */
  onRoom(wake: () => void): void {
    if (this.isFull) this.#waiting.push(wake);
    else wake();
  }
}
