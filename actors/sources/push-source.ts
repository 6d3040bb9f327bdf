/** The push source: records handed in by the program that embeds the engine. */

import { z } from 'zod';
import { resolveOptions } from '../../src/config/resolve-options.ts';
import { decodeSchema, sourceSchema } from '../../src/config/source-options.ts';
import { HeadgateError } from '../../src/domain/errors.ts';
import { Receipt, type Settlement } from '../../src/domain/receipt.ts';
import type { RecordMeta } from '../../src/domain/record.ts';
import type { SourceIo, SourceSpec } from '../../src/domain/source.ts';
import { payloadDecoder, type PayloadDecoder } from '../../src/pipeline/decode/payload-decoder.ts';
import { sourceSpec } from './define-source.ts';

export const pushSourceSchema = sourceSchema({
  /** How {@link PushSource.pushPayload} makes records of text and bytes. */
  decode: decodeSchema.default('json'),
  pendingMax: z
    .number()
    .int()
    .min(1)
    .default(1_024)
    .describe('Pushes that may wait for room at once; further ones are refused.'),
});

export type PushSourceOptions = z.input<typeof pushSourceSchema>;

/** What became of pushed records, in records. None of them is lost: then the push fails. */
export type PushOutcome = Omit<Settlement, 'lost'>;

export interface PushSource extends SourceSpec {
  /** Hands in one record. Resolves when it is stored, or has come to another end that is told: a stage left
   *  it out, a limit refused it, it is kept as a dead letter. Waits while the outlet is full. Pushes go in in
   *  the order in which they were made, awaited or not; await many together, not one after the other, and a
   *  commit serves them all.
   *  @throws HeadgateError HG_SOURCE_STOPPED if the source is not running: nothing was taken, and it may be
   *  tried again once it runs. HG_PUSH_OVERLOADED if too many pushes wait. HG_RECORD_LOST if it was taken and
   *  could not be stored before the engine stopped. */
  push(data: unknown, meta?: PushMeta): Promise<PushOutcome>;
  /** Hands in many records, all or none of them; one receipt for all. A list is taken as it is at the call.
   *  Otherwise as {@link push}. */
  pushAll(data: readonly unknown[], meta?: PushMeta): Promise<PushOutcome>;
  /** Hands in text or bytes, to be decoded. What cannot be decoded is a dead letter; of lines and tables only
   *  the bad rows are. Otherwise as {@link pushAll}. */
  pushPayload(payload: string | Uint8Array, meta?: PushMeta): Promise<PushOutcome>;
}

/** What may stand beside pushed data. The receipt is the push's own. */
export type PushMeta = Omit<RecordMeta, 'receipt'>;

/** Makes a push source.
 *  @throws HeadgateError HG_OPTION_UNKNOWN, HG_OPTION_INVALID */
export function pushSource(input: PushSourceOptions): PushSource {
  const options = resolveOptions(pushSourceSchema, input, 'pushSource');
  const payloads = payloadDecoder({ format: options.decode });
  const door = new PushQueue(options.id, options.pendingMax);
  const spec = sourceSpec('push', options, payloads.decode, { stream: (io) => door.run(io) });
  return Object.freeze({
    ...spec,
    push: (data: unknown, meta?: PushMeta) =>
      door.submit((io, receipt) => io.emit(data, { ...meta, receipt })),
    async pushAll(data: readonly unknown[], meta?: PushMeta) {
      if (!Array.isArray(data)) throw invalid(options.id, 'pushAll', 'data', 'a list of records’ data');
      const values = [...(data as readonly unknown[])];
      return door.submit((io, receipt) => io.emitAll(values, { ...meta, receipt }));
    },
    async pushPayload(payload: string | Uint8Array, meta?: PushMeta) {
      const bytes = typeof payload === 'string' ? ENCODER.encode(payload) : copyOf(payload);
      if (bytes === null) throw invalid(options.id, 'pushPayload', 'payload', 'text or a Uint8Array');
      return door.submit((io, receipt) => receive(payloads, io, bytes, { ...meta, receipt }));
    },
  });
}

const ENCODER = new TextEncoder();

/** Null for what is no bytes. */
function copyOf(payload: unknown): Uint8Array | null {
  return payload instanceof Uint8Array ? new Uint8Array(payload) : null;
}

function invalid(id: string, method: string, field: string, wanted: string): HeadgateError {
  return new HeadgateError('HG_OPTION_INVALID', `source "${id}": ${method}: "${field}" must be ${wanted}`, {
    details: { field },
  });
}

/** Hands in the good rows of a payload at once, and what is bad of it as dead letters. */
function receive(
  payloads: PayloadDecoder,
  io: SourceIo,
  bytes: Uint8Array,
  meta: RecordMeta | undefined,
): boolean {
  const good: unknown[] = [];
  let hasRoom = true;
  const gathering: Parameters<PayloadDecoder['receive']>[0] = {
    emitAll(values) {
      for (const value of values) good.push(value);
      return true;
    },
    receive: (piece, pieceMeta) => (hasRoom = io.receive(piece, pieceMeta)),
    readSucceeded: () => io.readSucceeded(),
  };
  for (const _ of payloads.receive(gathering, bytes, meta));
  return good.length > 0 ? io.emitAll(good, meta) : hasRoom;
}

/** Gives an io what is pushed; returns whether there is room for more. */
type Give = (io: SourceIo, receipt: Receipt) => boolean;

/** Lets pushes in one after the other: each waits until the one before it left room. None waits for another's
 *  commit: what came together is stored together. */
class PushQueue {
  readonly #id: string;
  readonly #pendingMax: number;
  #io: SourceIo | null = null;
  #hasRoom = false;
  /** Pushes that wait for room. */
  #waiting = 0;
  #tail: Promise<void> = Promise.resolve();

  constructor(id: string, pendingMax: number) {
    this.#id = id;
    this.#pendingMax = pendingMax;
  }

  async run(io: SourceIo): Promise<void> {
    const over = new Promise<void>((resolve) => {
      io.signal.addEventListener('abort', () => resolve(), { once: true });
    });
    this.#io = io;
    // The outlet may still be full from the run before: the first push asks.
    this.#hasRoom = false;
    await over;
    if (this.#io === io) this.#io = null;
  }

  /** Hands in in turn; resolves when everything handed in has come to its end. */
  async submit(give: Give): Promise<PushOutcome> {
    const settled = Promise.withResolvers<Settlement>();
    const receipt = new Receipt(settled.resolve);
    const enter = (io: SourceIo) => {
      this.#hasRoom = give(io, receipt);
      receipt.seal();
    };
    if (this.#waiting === 0 && this.#hasRoom) enter(this.#running());
    else await this.#inTurn(enter);
    const { lost, ...outcome } = await settled.promise;
    if (lost > 0) throw lostError(this.#id, lost);
    return outcome;
  }

  async #inTurn(enter: (io: SourceIo) => void): Promise<void> {
    if (this.#waiting >= this.#pendingMax) {
      throw new HeadgateError(
        'HG_PUSH_OVERLOADED',
        `source "${this.#id}": ${this.#waiting} pushes wait already; await each push before the next`,
        { details: { pendingMax: this.#pendingMax } },
      );
    }
    this.#waiting++;
    const turn = this.#tail.then(async () => {
      if (!this.#hasRoom) await this.#running().room();
      enter(this.#running());
    });
    this.#tail = turn.catch(() => {});
    try {
      await turn;
    } finally {
      this.#waiting--;
    }
  }

  #running(): SourceIo {
    if (this.#io !== null && !this.#io.signal.aborted) return this.#io;
    throw new HeadgateError(
      'HG_SOURCE_STOPPED',
      `source "${this.#id}" is not running; the record was not taken`,
      { remedy: 'retry' },
    );
  }
}

function lostError(id: string, lost: number): HeadgateError {
  return new HeadgateError(
    'HG_RECORD_LOST',
    `source "${id}": ${lost} records could not be stored before the engine stopped; push them again`,
    { details: { lost } },
  );
}
