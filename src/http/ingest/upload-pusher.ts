/** Hands the pieces of one upload to its source, a push each, and knows when the next may be read: as much as
 *  a window allows waits for its commit at a time. */

import { HeadgateError, messageOf } from '../../domain/errors.ts';
import { LIMITS } from '../../domain/limits.ts';
import type { Redact } from '../../domain/redact.ts';
import type { PushMeta, PushSource } from '../../../actors/sources/push-source.ts';
import type { Budget } from './budget.ts';
import { UploadResult } from './upload-result.ts';
import type { ParsedChunk } from './parsed-chunk.ts';

/** Gives a record its key by its line and its mark. */
export type KeyOf = (line: number, mark: number) => string;

export interface UploadPusherOptions {
  readonly source: PushSource;
  readonly budget: Budget;
  readonly keyOf: KeyOf | null;
  readonly contentType: string | undefined;
  readonly redact: Redact | undefined;
}

export class UploadPusher {
  readonly tally: UploadResult;
  readonly #options: UploadPusherOptions;
  #pushes = 0;
  #bytes = 0;
  #heldBytes = 0;
  #wake: (() => void) | null = null;

  constructor(options: UploadPusherOptions) {
    this.#options = options;
    this.tally = new UploadResult(options.redact);
  }

  /** Records that were handed in and have not come to their end. */
  unsettled = 0;

  get isFull(): boolean {
    return (
      this.#pushes >= LIMITS.ingestRequestPushesMax ||
      this.#bytes >= LIMITS.ingestRequestPendingBytesMax ||
      this.#options.budget.isFull
    );
  }

  /** Bytes of the body that its reader keeps count as pending. */
  hold(bytes: number): void {
    this.#options.budget.take(bytes - this.#heldBytes);
    this.#heldBytes = bytes;
  }

  release(): void {
    this.#options.budget.giveBack(this.#heldBytes);
    this.#heldBytes = 0;
  }

  add(piece: ParsedChunk): void {
    this.tally.reject(piece.rejections);
    const { bytes } = piece;
    if (piece.values.length === 0) return;
    const { source, budget } = this.#options;
    this.#pushes++;
    this.#bytes += bytes;
    this.unsettled += piece.values.length;
    budget.take(bytes);
    void source
      .pushAll(piece.values, metaOf(piece, this.#options))
      .then(
        (outcome) => this.tally.settle(piece, outcome),
        (error: unknown) => this.tally.fail(piece, asHeadgateError(error)),
      )
      .then(() => {
        this.#pushes--;
        this.#bytes -= bytes;
        this.unsettled -= piece.values.length;
        budget.giveBack(bytes);
        this.#wake?.();
      });
  }

  /** Resolves when there is room, or a push has failed. */
  async room(): Promise<void> {
    while (this.isFull && this.tally.failure === null) {
      if (this.#pushes > 0) await this.#nextSettled();
      else await new Promise<void>((resolve) => this.#options.budget.onRoom(resolve));
    }
  }

  /** Resolves when everything handed in has come to its end. */
  async settled(): Promise<void> {
    while (this.#pushes > 0) await this.#nextSettled();
  }

  async #nextSettled(): Promise<void> {
    const before = this.#wake;
    await new Promise<void>((resolve) => {
      this.#wake = () => {
        before?.();
        resolve();
      };
    });
  }
}

function metaOf(piece: ParsedChunk, { keyOf, contentType }: UploadPusherOptions): PushMeta | undefined {
  if (keyOf === null && contentType === undefined) return undefined;
  return {
    ...(contentType === undefined ? {} : { contentType }),
    ...(keyOf === null
      ? {}
      : { keys: piece.lines.map((line, at) => keyOf(line, piece.marks[at] as number)) }),
  };
}

function asHeadgateError(error: unknown): HeadgateError {
  if (error instanceof HeadgateError) return error;
  return new HeadgateError('HG_RECORD_LOST', messageOf(error), { cause: error });
}
