/** Counts what became of the records of one upload, or of one message. */

import type { HeadgateError } from '../../domain/errors.ts';
import { LIMITS } from '../../domain/limits.ts';
import { NOTHING_SECRET, type Redact } from '../../domain/redact.ts';
import type { PushOutcome } from '../../../actors/sources/push-source.ts';
import type { ParsedChunk, Rejection } from './parsed-chunk.ts';

/** What is answered, in records. */
export interface IngestAnswer {
  /** Stored, left out by a stage, or kept as a dead letter: need not be sent again. */
  readonly accepted: number;
  /** Not taken; nothing is kept of them. */
  readonly rejected: number;
  /** Why, by line; as many as an answer may tell. */
  readonly errors: readonly Rejection[];
  /** Further ones. */
  readonly errorsOmitted: number;
  readonly stored: number;
  readonly filtered: number;
  readonly deadLettered: number;
  /** Of the rejected: refused by a limit or an overflow policy. */
  readonly dropped: number;
}

export class UploadResult {
  #stored = 0;
  #filtered = 0;
  #deadLettered = 0;
  #dropped = 0;
  #rejected = 0;
  #unreadable = 0;
  #untold = 0;
  readonly #errors: Rejection[] = [];
  #failure: HeadgateError | null = null;
  readonly #redact: Redact;

  /** `redact` takes secrets out of messages: code that decodes may repeat one. */
  constructor(redact: Redact = NOTHING_SECRET) {
    this.#redact = redact;
  }

  /** Why the rest is not handed in: the source or the storage cannot take it now. */
  get failure(): HeadgateError | null {
    return this.#failure;
  }

  /** The same in words, for an answer. */
  get failureMessage(): string {
    return this.#redact(this.#failure?.message ?? '');
  }

  get accepted(): number {
    return this.#stored + this.#filtered + this.#deadLettered;
  }

  /** There was something, and all of it was nothing that can be read. */
  get isUnreadable(): boolean {
    return this.#unreadable > 0 && this.#unreadable === this.#rejected && this.accepted === 0;
  }

  get isAllDropped(): boolean {
    return this.#dropped > 0 && this.accepted === 0 && this.#dropped === this.#rejected;
  }

  reject(rejections: readonly Rejection[]): void {
    for (const rejection of rejections) {
      this.#rejected++;
      if (rejection.code === 'HG_DECODE_FAILED') this.#unreadable++;
      this.#tell(rejection);
    }
  }

  /** These records have come to their end. */
  settle({ lines }: Pick<ParsedChunk, 'lines'>, outcome: PushOutcome): void {
    this.#stored += outcome.stored;
    this.#filtered += outcome.filtered;
    this.#deadLettered += outcome.deadLettered;
    if (outcome.dropped === 0) return;
    this.#dropped += outcome.dropped;
    this.#rejected += outcome.dropped;
    const range = rangeOf(lines);
    const message = `${outcome.dropped} of ${lines.length} records were refused by a limit`;
    this.#tell({ ...range, code: 'HG_RECORD_DROPPED', message });
  }

  /** These records were not taken, or not for good. */
  fail({ lines }: Pick<ParsedChunk, 'lines'>, error: HeadgateError): void {
    this.#failure ??= error;
    this.#rejected += lines.length;
    this.#tell({ ...rangeOf(lines), code: error.code, message: error.message });
  }

  answer(): IngestAnswer {
    return {
      accepted: this.accepted,
      rejected: this.#rejected,
      errors: this.#errors.toSorted((one, other) => one.line - other.line),
      errorsOmitted: this.#untold,
      stored: this.#stored,
      filtered: this.#filtered,
      deadLettered: this.#deadLettered,
      dropped: this.#dropped,
    };
  }

  #tell(rejection: Rejection): void {
    if (this.#errors.length >= LIMITS.ingestErrorsMax) this.#untold++;
    else this.#errors.push({ ...rejection, message: this.#redact(rejection.message) });
  }
}

function rangeOf(lines: readonly number[]): Pick<Rejection, 'line' | 'lastLine'> {
  const line = lines[0] ?? 1;
  const lastLine = lines.at(-1) ?? line;
  return lastLine === line ? { line } : { line, lastLine };
}
