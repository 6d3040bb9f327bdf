/** The push source: records handed in by the program that embeds the engine. */

import { z } from 'zod';
import { resolveOptions } from '../../src/config/resolve-options.ts';
import { decodeSchema, sourceSchema } from '../../src/config/source-options.ts';
import { HeadgateError } from '../../src/domain/errors.ts';
import type { RecordMeta } from '../../src/domain/record.ts';
import type { SourceIo, SourceSpec } from '../../src/domain/source.ts';
import { decoderFor } from '../../src/pipeline/decode/decoder.ts';
import { sourceSpec } from './define-source.ts';

const schema = sourceSchema({
  /** How {@link PushSource.pushPayload} makes records of text and bytes. */
  decode: decodeSchema.default('json'),
  /** Pushes that may wait for room at once; further ones are refused. */
  pendingMax: z.number().int().min(1).default(1_024),
});

export type PushSourceOptions = z.input<typeof schema>;

export interface PushSource extends SourceSpec {
  /** Hands in one record. Resolves when it is in the outlet; waits while that is full.
   *  @throws HeadgateError HG_SOURCE_STOPPED if the source is not running, HG_PUSH_OVERLOADED if too many
   *  pushes wait. */
  push(data: unknown, meta?: RecordMeta): Promise<void>;
  /** Hands in many records; resolves when the last one is in. Otherwise as {@link push}. */
  pushAll(data: readonly unknown[], meta?: RecordMeta): Promise<void>;
  /** Hands in text or bytes, to be decoded. What cannot be decoded is a dead letter. Otherwise as {@link
   *  push}. */
  pushPayload(payload: string | Uint8Array, meta?: RecordMeta): Promise<void>;
}

/** Makes a push source.
 *  @throws HeadgateError HG_OPTION_UNKNOWN, HG_OPTION_INVALID */
export function pushSource(input: PushSourceOptions): PushSource {
  const options = resolveOptions(schema, input, 'pushSource');
  const intake = new PushIntake(options.id, options.pendingMax);
  const spec = sourceSpec('push', options, decoderFor(options.decode), { stream: (io) => intake.run(io) });
  return Object.freeze({
    ...spec,
    push: (data: unknown, meta?: RecordMeta) => intake.hand((io) => io.emit(data, meta)),
    pushAll: (data: readonly unknown[], meta?: RecordMeta) => intake.hand((io) => io.emitAll(data, meta)),
    pushPayload: (payload: string | Uint8Array, meta?: RecordMeta) =>
      intake.hand((io) => io.receive(payload, meta)),
  });
}

/** Lets pushes in one after the other: each waits until the one before it left room. */
class PushIntake {
  readonly #id: string;
  readonly #pendingMax: number;
  #io: SourceIo | null = null;
  #hasRoom = true;
  #pending = 0;
  #tail: Promise<void> = Promise.resolve();

  constructor(id: string, pendingMax: number) {
    this.#id = id;
    this.#pendingMax = pendingMax;
  }

  run(io: SourceIo): Promise<void> {
    this.#io = io;
    this.#hasRoom = true;
    return new Promise((resolve) => {
      io.signal.addEventListener('abort', () => {
        if (this.#io === io) this.#io = null;
        resolve();
      });
    });
  }

  async hand(give: (io: SourceIo) => boolean): Promise<void> {
    if (this.#pending === 0 && this.#hasRoom) {
      this.#hasRoom = give(this.#running());
      return;
    }
    if (this.#pending >= this.#pendingMax) {
      throw new HeadgateError(
        'HG_PUSH_OVERLOADED',
        `source "${this.#id}": ${this.#pending} pushes wait already; await each push before the next`,
        { details: { pendingMax: this.#pendingMax } },
      );
    }
    this.#pending++;
    const turn = this.#tail.then(() => this.#wait(give));
    this.#tail = turn.catch(() => {});
    try {
      await turn;
    } finally {
      this.#pending--;
    }
  }

  async #wait(give: (io: SourceIo) => boolean): Promise<void> {
    if (!this.#hasRoom) await this.#running().room();
    this.#hasRoom = give(this.#running());
  }

  #running(): SourceIo {
    if (this.#io !== null) return this.#io;
    throw new HeadgateError(
      'HG_SOURCE_STOPPED',
      `source "${this.#id}" is not running; the record was not taken`,
      {
        remedy: 'retry',
      },
    );
  }
}
