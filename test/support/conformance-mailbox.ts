/** A far end in memory, for sources that are put through the conformance suite. */

import { HeadgateError } from '../../src/domain/errors.ts';

export class Mailbox {
  readonly #values: unknown[] = [];
  #isUp = true;
  #isSilent = false;
  #waiters: (() => void)[] = [];

  get isUp(): boolean {
    return this.#isUp;
  }

  get isSilent(): boolean {
    return this.#isSilent;
  }

  get size(): number {
    return this.#values.length;
  }

  put(values: readonly unknown[]): void {
    this.#values.push(...values);
    this.#wake();
  }

  take(): unknown {
    return this.#values.shift();
  }

  setUp(isUp: boolean): void {
    this.#isUp = isUp;
    this.#wake();
  }

  setSilent(isSilent: boolean): void {
    this.#isSilent = isSilent;
    this.#wake();
  }

  /** Resolves when anything changes, or `signal` aborts. */
  change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) {
        resolve();
        return;
      }
      const wake = () => {
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#waiters.push(wake);
      signal.addEventListener('abort', wake, { once: true });
    });
  }

  /** Resolves with the next value, or undefined when `signal` aborts. @throws HeadgateError HG_LINK_LOST when
   *  it is down. */
  async next(signal: AbortSignal): Promise<unknown> {
    while (!signal.aborted) {
      if (!this.#isUp) throw new HeadgateError('HG_LINK_LOST', 'the mailbox is shut');
      if (this.#values.length > 0) return this.take();
      await this.change(signal);
    }
    return undefined;
  }

  #wake(): void {
    for (const wake of this.#waiters.splice(0)) wake();
  }
}
