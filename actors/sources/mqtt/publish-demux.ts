/** The stream between mqtt.js and the wire. It takes the messages out of what comes in and lets mqtt.js see
 *  everything else, so that neither a held message nor a burst of messages keeps mqtt.js from its work.
 *
 *  What holds: while a message is held nothing more is read from the wire; nor while the peer takes nothing
 *  of what is written to it. What is written goes out packet by packet, whoever wrote it. */

import { Duplex } from 'node:stream';
import { frameReader, type FrameReaderOptions } from './frames.ts';

export interface PublishDemuxOptions extends Omit<FrameReaderOptions, 'other'> {
  /** A packet that is for mqtt.js; called before mqtt.js gets it, in the order of the wire. */
  readonly seen: FrameReaderOptions['other'];
  /** Bytes came. */
  readonly alive: () => void;
  /** While it is held back nothing can come. */
  readonly held: (held: boolean) => void;
  /** The wire failed, or what came over it is no MQTT. */
  readonly failed: (error: Error) => void;
}

/** Bytes written and not yet taken by the peer, before reading stops. */
const UNSENT_BYTES_MAX = 64 * 1024;

export class PublishDemux extends Duplex {
  readonly #wire: Duplex;
  readonly #options: PublishDemuxOptions;
  readonly #reader;
  /** mqtt.js has enough for now. */
  #isFull = false;

  constructor(wire: Duplex, options: PublishDemuxOptions) {
    // Ended by the peer, ended for both, as mqtt.js expects of a socket.
    super({ allowHalfOpen: false, writableHighWaterMark: UNSENT_BYTES_MAX });
    this.#wire = wire;
    this.#options = options;
    this.#reader = frameReader({
      ...options,
      other: (type, frame, bodyAt) => {
        options.seen(type, frame, bodyAt);
        if (!this.destroyed && !this.push(frame)) this.#isFull = true;
      },
    });
    wire.on('data', (bytes: Buffer) => this.#take(bytes));
    wire.on('end', () => this.push(null));
    wire.on('close', () => this.destroy());
    wire.on('error', (error: Error) => options.failed(error));
    this.on('drain', () => this.#flow());
  }

  /** Goes on after a message that was held. */
  goOn(): void {
    if (!this.#reader.isHeld || this.destroyed) return;
    this.#guard(() => this.#reader.resume());
    if (!this.#reader.isHeld) this.#options.held(false);
    this.#flow();
  }

  override _read(): void {
    this.#isFull = false;
    this.#flow();
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#wire.write(bytes, done);
  }

  override _writev(
    chunks: readonly { readonly chunk: Buffer }[],
    done: (error?: Error | null) => void,
  ): void {
    this.#wire.write(Buffer.concat(chunks.map(({ chunk }) => chunk)), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#wire.end(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#wire.destroy();
    done(error);
  }

  #take(bytes: Buffer): void {
    this.#options.alive();
    this.#guard(() => this.#reader.push(bytes));
    if (this.#reader.isHeld) this.#options.held(true);
    this.#flow();
  }

  #guard(read: () => void): void {
    try {
      read();
    } catch (error) {
      this.#options.failed(error as Error);
    }
  }

  #flow(): void {
    if (this.#reader.isHeld || this.#isFull || this.writableNeedDrain) this.#wire.pause();
    else this.#wire.resume();
  }
}
