/** The dead-letter dispatcher: keeps every record that could not be used, and tells the timeline about it
 *  once at the first and then once a second, however many there are. */

import { Subject } from 'rxjs';
import { formatAddress } from '../../src/domain/address.ts';
import type { Clock, TimerHandle } from '../../src/domain/clock.ts';
import { errorFacts, HeadgateError, type ErrorCode, type ErrorFacts } from '../../src/domain/errors.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import { NOTHING_SECRET, type Redact } from '../../src/domain/redact.ts';
import { RECEIPT, type IngestRecord } from '../../src/domain/record.ts';
import type { DeadLetter, LetterOrigin } from '../../src/domain/timeline.ts';
import { dataPayload, wirePayload } from './dead-letter-payload.ts';

export interface DeadLetterOrigin {
  readonly tenant: string;
  readonly sourceId: string;
  /** The actor of the source, for the timeline. */
  readonly actorId: string;
  /** The record it was, if it was one. */
  readonly record: LetterOrigin | null;
  /** Somebody acts on the letter once it is stored. */
  readonly isAwaited: boolean;
  /** The letter it came from: it was a dead letter before, and is tried again. */
  readonly letterId?: number | undefined;
}

export interface DeadLetterWriterOptions {
  readonly clock: Clock;
  readonly keep: (letter: DeadLetter, origin: DeadLetterOrigin) => void;
  /** A letter that was tried again has failed again. No second letter comes of it. */
  readonly onFailedAgain: (id: number, error: ErrorFacts) => void;
  readonly note: (actorId: string, data: Readonly<Record<string, unknown>>) => void;
  /** Takes secrets out of the reasons of letters. Default: there are none. */
  readonly redact?: Redact;
}

const SUMMARY_MS = 1_000;

interface Tally {
  count: number;
  timer: TimerHandle;
}

export class DeadLetterWriter {
  readonly letters$ = new Subject<DeadLetter>();
  readonly #options: DeadLetterWriterOptions;
  readonly #tallies = new Map<string, Tally>();
  #count = 0;

  constructor(options: DeadLetterWriterOptions) {
    this.#options = options;
  }

  /** Letters that were kept. */
  get count(): number {
    return this.#count;
  }

  /** Keeps `payload`, which `stage` could not use. `fallback` is the code of an error that has none. */
  add(origin: DeadLetterOrigin, stage: string, payload: unknown, error: unknown, fallback: ErrorCode): void {
    const facts = isFacts(error) ? error : errorFacts(error, fallback);
    const { code } = facts;
    const { redact = NOTHING_SECRET } = this.#options;
    const message = redact(facts.message).slice(0, LIMITS.errorMessageCharsMax);
    if (origin.letterId !== undefined) {
      this.#options.onFailedAgain(origin.letterId, { code, message });
      return;
    }
    const nowMs = this.#options.clock.wallMs();
    const { form, ...kept } = isOfTheWire(stage, payload) ? wirePayload(payload) : dataPayload(payload);
    const record = origin.record;
    const letter: DeadLetter = {
      tenant: origin.tenant,
      sourceId: origin.sourceId,
      stage,
      code,
      message,
      attempts: 1,
      firstAtMs: nowMs,
      lastAtMs: nowMs,
      origin: record === null || form === undefined ? record : { ...record, form },
      ...kept,
      isTruncated: kept.isTruncated || isCut(error),
    };
    this.#count++;
    this.#options.keep(letter, origin);
    this.#tally(origin.actorId, stage, code);
    this.letters$.next(letter);
  }

  /** Keeps a record that a stage or the recorder could not use. */
  addRecord(record: IngestRecord, stage: string, error: unknown): void {
    const { tenant, sourceId, incarnation, seq: sourceSeq, atMs } = record;
    const identity: LetterOrigin = {
      incarnation,
      sourceSeq,
      atMs,
      dedupKey: record.key ?? null,
      contentType: record.contentType ?? null,
    };
    const actorId = `${formatAddress(record)}#${incarnation}`;
    const receipt = record[RECEIPT];
    const letterId = receipt?.mark?.kind === 'letter' ? receipt.mark.id : undefined;
    const isAwaited = receipt !== undefined;
    const origin = { tenant, sourceId, actorId, record: identity, isAwaited, letterId };
    this.add(origin, stage, record.data, error, 'HG_STAGE_THREW');
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

/** Whether it is as the wire had it, not decoded yet. */
function isOfTheWire(stage: string, payload: unknown): payload is string | Uint8Array {
  return stage === 'decode' && (typeof payload === 'string' || payload instanceof Uint8Array);
}

/** Whether the error says that only the first bytes of the payload were kept. */
function isCut(error: unknown): boolean {
  if (!(error instanceof HeadgateError)) return false;
  const { bytes, keptBytes } = error.details;
  return typeof bytes === 'number' && typeof keptBytes === 'number' && keptBytes < bytes;
}

function isFacts(error: unknown): error is { code: string; message: string } {
  return typeof error === 'object' && error !== null && !(error instanceof Error) && 'code' in error;
}
