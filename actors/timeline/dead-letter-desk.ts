/** The dead-letter desk: keeps every record that could not be used, and tells the timeline about it once at
 *  the first and then once a second, however many there are. */

import { Subject } from 'rxjs';
import type { Clock, TimerHandle } from '../../src/domain/clock.ts';
import { errorFacts, type ErrorCode } from '../../src/domain/errors.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import type { DeadLetter, LetterOrigin } from '../../src/domain/timeline.ts';
import { payloadAsText } from '../../src/pipeline/record-json.ts';

export interface DeadLetterOrigin {
  readonly tenant: string;
  readonly sourceId: string;
  /** The actor of the source, for the timeline. */
  readonly actorId: string;
  /** The record it was, if it was one. */
  readonly record: LetterOrigin | null;
}

export interface DeadLetterDeskOptions {
  readonly clock: Clock;
  readonly keep: (letter: DeadLetter) => void;
  readonly note: (actorId: string, data: Readonly<Record<string, unknown>>) => void;
}

const SUMMARY_MS = 1_000;

interface Tally {
  count: number;
  timer: TimerHandle;
}

export class DeadLetterDesk {
  readonly letters$ = new Subject<DeadLetter>();
  readonly #options: DeadLetterDeskOptions;
  readonly #tallies = new Map<string, Tally>();

  constructor(options: DeadLetterDeskOptions) {
    this.#options = options;
  }

  /** Keeps `payload`, which `stage` could not use. `fallback` is the code of an error that has none. */
  bury(origin: DeadLetterOrigin, stage: string, payload: unknown, error: unknown, fallback: ErrorCode): void {
    const { code, message } = isFacts(error) ? error : errorFacts(error, fallback);
    const nowMs = this.#options.clock.wallMs();
    const text = payloadAsText(payload);
    const isTruncated = text.length > LIMITS.deadLetterPayloadCharsMax;
    const letter: DeadLetter = {
      tenant: origin.tenant,
      sourceId: origin.sourceId,
      stage,
      code,
      message: message.slice(0, LIMITS.errorMessageCharsMax),
      payload: isTruncated ? text.slice(0, LIMITS.deadLetterPayloadCharsMax) : text,
      attempts: 1,
      firstAtMs: nowMs,
      lastAtMs: nowMs,
      origin: origin.record,
      isTruncated,
    };
    this.#options.keep(letter);
    this.#tally(origin.actorId, stage, code);
    this.letters$.next(letter);
  }

  /** Writes what has been counted and not yet told. */
  close(): void {
    for (const [key, tally] of this.#tallies) {
      this.#options.clock.clearTimeout(tally.timer);
      this.#tell(key, tally);
    }
    this.#tallies.clear();
  }

  #tally(actorId: string, stage: string, code: string): void {
    const key = JSON.stringify([actorId, stage, code]);
    const known = this.#tallies.get(key);
    if (known !== undefined) {
      known.count++;
      return;
    }
    const tally: Tally = { count: 1, timer: undefined };
    this.#tell(key, tally);
    this.#tallies.set(key, tally);
    this.#watch(key, tally);
  }

  #watch(key: string, tally: Tally): void {
    tally.timer = this.#options.clock.setTimeout(() => {
      if (tally.count === 0) {
        this.#tallies.delete(key);
        return;
      }
      this.#tell(key, tally);
      this.#watch(key, tally);
    }, SUMMARY_MS);
  }

  #tell(key: string, tally: Tally): void {
    if (tally.count === 0) return;
    const [actorId, stage, code] = JSON.parse(key) as [string, string, string];
    this.#options.note(actorId, { stage, code, count: tally.count });
    tally.count = 0;
  }
}

function isFacts(error: unknown): error is { code: string; message: string } {
  return typeof error === 'object' && error !== null && !(error instanceof Error) && 'code' in error;
}
