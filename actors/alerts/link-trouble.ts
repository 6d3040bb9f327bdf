/** Links that fail and have not been an alert yet. A source or sink whose link fails gets some time to come
 *  back by itself; when that is over and the link does not work, it is an alert: long before so many tries
 *  have failed that its circuit opens, where each try waits for an answer that never comes. */

import { isSinkName } from '../../src/domain/address.ts';
import type { Clock, TimerHandle } from '../../src/domain/clock.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import type { TimelineRow } from '../../src/domain/timeline.ts';
import { isOpenLink, isTrouble, mayWorkAgain } from './derived-alerts.ts';

export interface LinkTroublePorts {
  readonly clock: Clock;
  /** Whether the source or sink has had no error since its last success. */
  readonly isSound: (actorId: string) => boolean;
  /** The time is over, and the link does not work. */
  readonly onDown: (trouble: Trouble) => void;
}

export interface Trouble {
  readonly actor: string;
  readonly actorId: string;
  readonly beganMonoMs: number;
  /** The latest row that tells of a failure. */
  readonly lastFailure: TimelineRow;
  /** The state it is in now. */
  readonly state: string;
}

interface Watched {
  readonly actor: string;
  readonly actorId: string;
  readonly beganMonoMs: number;
  lastFailure: TimelineRow;
  lastFailureMonoMs: number;
  state: string;
  /** It worked when the time was over, but had failed right before. */
  isProbation: boolean;
  timer: TimerHandle;
}

export class LinkTrouble {
  readonly #ports: LinkTroublePorts;
  readonly #watched = new Map<string, Watched>();

  constructor(ports: LinkTroublePorts) {
    this.#ports = ports;
  }

  /** Takes a row of the timeline about an actor without an open alert. */
  onRow(row: TimelineRow, actorId: string): void {
    const watched = this.#watched.get(row.actor);
    if (isTrouble(row)) {
      if (watched === undefined) this.#begin(row, actorId);
      else this.#failedAgain(watched, row);
    } else if (watched !== undefined && row.toState !== null) {
      if (mayWorkAgain(row)) watched.state = row.toState;
      else this.drop(row.actor);
    }
  }

  /** Forgets what failed: it is another alert, or was ended on purpose. */
  drop(actor: string): void {
    const watched = this.#watched.get(actor);
    if (watched === undefined) return;
    this.#ports.clock.clearTimeout(watched.timer);
    this.#watched.delete(actor);
  }

  close(): void {
    for (const { timer } of this.#watched.values()) this.#ports.clock.clearTimeout(timer);
    this.#watched.clear();
  }

  #begin(row: TimelineRow, actorId: string): void {
    if (this.#watched.size >= LIMITS.openAlertsMax) return;
    const nowMonoMs = this.#ports.clock.monotonicMs();
    const watched: Watched = {
      ...{ actor: row.actor, actorId, beganMonoMs: nowMonoMs, lastFailure: row, isProbation: false },
      ...{ lastFailureMonoMs: nowMonoMs, state: row.toState ?? '', timer: undefined },
    };
    this.#watched.set(row.actor, watched);
    // Reads are degraded when several have failed already.
    this.#setTimer(watched, row.toState === 'degraded' ? LIMITS.degradedAlertMs : LIMITS.linkDownAlertMs);
  }

  #failedAgain(watched: Watched, row: TimelineRow): void {
    watched.lastFailure = row;
    watched.lastFailureMonoMs = this.#ports.clock.monotonicMs();
    watched.state = row.toState ?? watched.state;
  }

  #setTimer(watched: Watched, delayMs: number): void {
    watched.timer = this.#ports.clock.setTimeout(() => this.#decide(watched), delayMs);
  }

  #decide(watched: Watched): void {
    const { actor, actorId, state, lastFailure, beganMonoMs } = watched;
    // A source that streams has what it needs; a sink shows it by a delivery.
    const works = isOpenLink(state) && (!isSinkName(actor) || this.#ports.isSound(actorId));
    const sinceMs = this.#ports.clock.monotonicMs() - watched.lastFailureMonoMs;
    if (works && !watched.isProbation && sinceMs < LIMITS.stableLinkMs) {
      watched.isProbation = true;
      this.#setTimer(watched, LIMITS.stableLinkMs);
      return;
    }
    this.#watched.delete(actor);
    const holds = works && sinceMs >= LIMITS.stableLinkMs;
    if (!holds) this.#ports.onDown({ actor, actorId, beganMonoMs, lastFailure, state });
  }
}
