/** Knows what was answered to an Idempotency-Key, so that the same request again gets the same answer and
 *  stores nothing again.
 *
 *  Two things work together. Every record of a request with a key gets a dedup key, made of that key, its
 *  line and a checksum of its text: what is in the log already is passed over there, also after a restart and
 *  after a crash in the middle, as long as the log keeps the records. The answers themselves are kept in
 *  memory, bounded in number, characters and age. A request whose answer is no longer known is carried out
 *  again, and stores only what is not there. A line that a rate limit refused the first time has another
 *  chance then: to refuse it again, its refusal would have to be stored with the records, by their commit. */

import { createHash } from 'node:crypto';
import type { Clock } from '../../domain/clock.ts';
import { HeadgateError } from '../../domain/errors.ts';
import { LIMITS } from '../../domain/limits.ts';
import type { KeyOf } from './upload-pusher.ts';
import type { IngestAnswer } from './upload-result.ts';

export interface CachedAnswer {
  readonly fingerprint: string;
  readonly answer: IngestAnswer;
}

/** The right to carry out a request; it ends with one of its calls. */
export interface Claim {
  readonly keyOf: KeyOf;
  keep(first: CachedAnswer): void;
  /** There is no answer to be kept: the request may be carried out again. */
  drop(): void;
}

interface Kept {
  readonly first: CachedAnswer;
  readonly chars: number;
  readonly keptAtMs: number;
}

export class IdempotencyCache {
  readonly #clock: Clock;
  readonly #running = new Set<string>();
  /** The oldest first. */
  readonly #kept = new Map<string, Kept>();
  #chars = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The answer that was given, or the claim to find one.
   *  @throws HeadgateError HG_IDEMPOTENCY_BUSY while another request does. */
  claim(sourceId: string, key: string): CachedAnswer | Claim {
    this.#forgetOld();
    const name = `${sourceId}\n${key}`;
    const kept = this.#kept.get(name);
    if (kept !== undefined) return kept.first;
    if (this.#running.has(name)) {
      throw new HeadgateError('HG_IDEMPOTENCY_BUSY', 'a request with this Idempotency-Key is under way');
    }
    this.#running.add(name);
    return {
      keyOf: recordKeys('idempotency', key),
      keep: (first) => {
        this.#running.delete(name);
        this.#keep(name, first);
      },
      drop: () => void this.#running.delete(name),
    };
  }

  #keep(name: string, first: CachedAnswer): void {
    const chars = name.length + JSON.stringify(first).length;
    this.#kept.set(name, { first, chars, keptAtMs: this.#clock.monotonicMs() });
    this.#chars += chars;
    this.#forgetOld();
  }

  #forgetOld(): void {
    const oldestMs = this.#clock.monotonicMs() - LIMITS.idempotencyAnswerMsMax;
    for (const [name, { chars, keptAtMs }] of this.#kept) {
      const fits =
        this.#kept.size <= LIMITS.idempotencyAnswersMax && this.#chars <= LIMITS.idempotencyAnswersCharsMax;
      if (fits && keptAtMs > oldestMs) return;
      this.#kept.delete(name);
      this.#chars -= chars;
    }
  }
}

export function isClaim(claimed: CachedAnswer | Claim): claimed is Claim {
  return 'drop' in claimed;
}

const DIGEST_CHARS = 22;

/** Dedup keys of records that came under one name. The name is hashed, so that its length and its characters
 *  do not matter to the log. */
export function recordKeys(kind: string, name: string): KeyOf {
  const digest = createHash('sha256').update(name).digest('base64url').slice(0, DIGEST_CHARS);
  return (line, mark) => `${kind}:${digest}:${line}:${mark.toString(36)}`;
}

const KEY = /^[\x21-\x7e]+$/;

/** The header's value, null where there is none.
 *  @throws HeadgateError HG_OPTION_INVALID */
export function idempotencyKeyOf(header: string | readonly string[] | undefined): string | null {
  if (header === undefined) return null;
  const key = typeof header === 'string' ? header : header.join();
  if (key.length <= LIMITS.idempotencyKeyCharsMax && KEY.test(key)) return key;
  throw new HeadgateError(
    'HG_OPTION_INVALID',
    `Idempotency-Key must be 1 to ${LIMITS.idempotencyKeyCharsMax} visible characters`,
    { details: { field: 'Idempotency-Key' } },
  );
}
