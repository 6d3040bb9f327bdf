/** The last health of what has ended, for a while: so many of them, the latest. */

import { LIMITS } from '../../src/domain/limits.ts';

export class EndedHealths<Health> {
  /** By name, the latest last. */
  readonly #ended = new Map<string, Health>();

  keep(name: string, health: Health): void {
    this.#ended.delete(name);
    this.#ended.set(name, health);
    for (const oldest of this.#ended.keys()) {
      if (this.#ended.size <= LIMITS.endedSourcesKept) break;
      this.#ended.delete(oldest);
    }
  }

  /** What has ended and is not there again. */
  except(present: { has(name: string): boolean }): Health[] {
    return [...this.#ended].filter(([name]) => !present.has(name)).map(([, health]) => health);
  }
}
