/** Claims to the room of a shared limit: lanes that lost a record to it since they were last served. A
 *  source whose records always come just after another's would otherwise never find room, since under `drop`
 *  nothing of it waits. */

import { LIMITS } from '../domain/limits.ts';
import type { Turn } from './fair-queue.ts';

interface Claim<Lane> {
  readonly turn: Turn<Lane>;
  readonly untilMs: number;
}

export class Claims<Lane> {
  readonly #claims = new Map<Lane, Claim<Lane>>();

  /** When the claim that ends first ends, monotonic milliseconds; infinite where there is none. */
  get expireAtMs(): number {
    let first = Number.POSITIVE_INFINITY;
    for (const { untilMs } of this.#claims.values()) first = Math.min(first, untilMs);
    return first;
  }

  add(lane: Lane, turn: Turn<Lane>, untilMs: number): void {
    if (this.#claims.size < LIMITS.rateLimitClaimsMax || this.#claims.has(lane)) {
      this.#claims.set(lane, { turn, untilMs });
    }
  }

  delete(lane: Lane): void {
    this.#claims.delete(lane);
  }

  clear(): void {
    this.#claims.clear();
  }

  /** How many lanes have a better claim than this one: they were served less. */
  before({ lane, served }: Turn<Lane>, nowMs: number): number {
    let count = 0;
    for (const [other, claim] of this.#claims) {
      if (claim.untilMs <= nowMs) this.#claims.delete(other);
      else if (other !== lane && claim.turn.served < served) count++;
    }
    return count;
  }
}
