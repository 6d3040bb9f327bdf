/** A part of the gateway beside the engine that a new version can change while it runs. */

import { isDeepStrictEqual } from 'node:util';
import type { ChangeStep } from './change-steps.ts';

export class LivePart<Options> {
  readonly #path: string;
  readonly #put: (options: Options) => void | Promise<void>;
  #options: Options;

  /** `options` is what the part works with now. `put` makes it work with others; where it throws, nothing has
   *  changed. */
  constructor(path: string, options: Options, put: (options: Options) => void | Promise<void>) {
    this.#path = path;
    this.#options = options;
    this.#put = put;
  }

  /** The step to these options, with its way back; none where the part works with them already. */
  stepsTo(next: Options): ChangeStep[] {
    const before = this.#options;
    if (isDeepStrictEqual(before, next)) return [];
    return [{ path: this.#path, apply: () => this.#change(next), revert: () => this.#change(before) }];
  }

  async #change(options: Options): Promise<void> {
    await this.#put(options);
    this.#options = options;
  }
}
