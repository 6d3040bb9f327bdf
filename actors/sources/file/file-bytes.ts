/** The content of a file by offset, whether the file is plain or compressed. A compressed file is read from
 *  its beginning and forward; reading at an earlier offset begins again. */

import type { FileHandle } from 'node:fs/promises';
// Not by name: an old Node, which has no zstd, is to reach the check of its version.
import zlib from 'node:zlib';
import { HeadgateError, messageOf } from '../../../src/domain/errors.ts';

/** Bytes that are given to a decompressor at a time: what they become waits in memory. */
const COMPRESSED_CHUNK_BYTES = 16 * 1024;

export interface FileFacts {
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  /** Whether the file still has a name. */
  readonly isLinked: boolean;
}

export interface FileBytes {
  /** Whether the file holds the content in a compressed form. */
  readonly isCompressed: boolean;
  /** Reads up to `length` bytes of the content at `offset` into `target` at `at`. Returns how many; 0:
   *  there is no more.
   *  @throws HeadgateError HG_DECODE_FAILED where a compressed file is damaged or cut short. */
  read(target: Buffer, at: number, length: number, offset: number): Promise<number>;
  /** Of the file as it is on the disk. */
  facts(): Promise<FileFacts>;
  close(): Promise<void>;
}

export function plainBytes(handle: FileHandle): FileBytes {
  return {
    isCompressed: false,
    read: async (target, at, length, offset) => (await handle.read(target, at, length, offset)).bytesRead,
    facts: () => factsOf(handle),
    close: () => handle.close(),
  };
}

async function factsOf(handle: FileHandle): Promise<FileFacts> {
  const { size, mtimeNs, nlink } = await handle.stat({ bigint: true });
  return { sizeBytes: Number(size), mtimeMs: timeMs(mtimeNs), isLinked: nlink > 0n };
}

/** A time of the file system in epoch milliseconds, to the microsecond: what a double can hold. */
export function timeMs(ns: bigint): number {
  return Number(ns / 1_000n) / 1_000;
}

type Decompressor = ReturnType<typeof zlib.createGunzip>;

const DECOMPRESSORS: Readonly<Record<string, () => Decompressor>> = {
  '.gz': () => zlib.createGunzip(),
  '.zst': () => zlib.createZstdDecompress(),
  '.zstd': () => zlib.createZstdDecompress(),
  '.br': () => zlib.createBrotliDecompress(),
};

export function isDecompressible(suffix: string): boolean {
  return Object.hasOwn(DECOMPRESSORS, suffix);
}

/** The content of a compressed file, null where the `suffix` is that of a format which cannot be read here.
 *  */
export function compressedBytes(handle: FileHandle, suffix: string): FileBytes | null {
  const decompressor = DECOMPRESSORS[suffix];
  return decompressor === undefined ? null : new CompressedBytes(handle, decompressor);
}

/** The file may be several compressed parts one after the other, as `pzstd` writes it and as `cat` makes it
 *  of several files: gzip goes through them by itself, the others end after each. */
class CompressedBytes implements FileBytes {
  readonly isCompressed = true;
  readonly #handle: FileHandle;
  readonly #create: () => Decompressor;
  #stream: Decompressor | null = null;
  /** Decompressed bytes that were not read yet, and their offset in the content. */
  #waiting: Buffer[] = [];
  #offset = 0;
  /** How far the compressed file was read, and where the part that is being read begins. */
  #readTo = 0;
  #partAt = 0;
  #hasEnded = false;
  #error: unknown = null;
  /** Where the last chunk of the compressed file began, and the one that is read byte by byte. */
  #chunkAt = 0;
  #slowFrom = Number.POSITIVE_INFINITY;

  constructor(handle: FileHandle, create: () => Decompressor) {
    this.#handle = handle;
    this.#create = create;
  }

  async read(target: Buffer, at: number, length: number, offset: number): Promise<number> {
    if (offset < this.#offset) this.#restart();
    for (;;) {
      this.#skipTo(offset);
      const first = this.#waiting[0];
      if (first !== undefined) {
        const copied = first.copy(target, at, 0, Math.min(length, first.length));
        this.#skipTo(offset + copied);
        return copied;
      }
      if (this.#error !== null) {
        if (!this.#beginSlowly()) throw damaged(this.#error);
        continue;
      }
      if (this.#hasEnded && !(await this.#goOnBehindPart())) return 0;
      await this.#decompressMore();
    }
  }

  facts(): Promise<FileFacts> {
    return factsOf(this.#handle);
  }

  async close(): Promise<void> {
    this.#stream?.destroy();
    await this.#handle.close();
  }

  #restart(): void {
    this.#stream?.destroy();
    this.#stream = null;
    this.#waiting = [];
    this.#offset = this.#readTo = this.#partAt = 0;
    this.#hasEnded = false;
    this.#error = null;
  }

  /** A decompressor gives nothing of a chunk in which it finds damage. Begins again, and gives it that chunk
   *  byte by byte, so that what stands before the damage is read. Returns whether that is of use. */
  #beginSlowly(): boolean {
    if (this.#readTo - this.#chunkAt <= 1) return false;
    this.#slowFrom = this.#chunkAt;
    this.#restart();
    return true;
  }

  /** Bytes of the compressed file to be read next. */
  get #stepBytes(): number {
    const left = this.#slowFrom - this.#readTo;
    if (left > 0) return Math.min(left, COMPRESSED_CHUNK_BYTES);
    return left > -COMPRESSED_CHUNK_BYTES ? 1 : COMPRESSED_CHUNK_BYTES;
  }

  #skipTo(offset: number): void {
    while (this.#offset < offset) {
      const first = this.#waiting[0];
      if (first === undefined) return;
      const skipped = Math.min(first.length, offset - this.#offset);
      this.#offset += skipped;
      if (skipped === first.length) this.#waiting.shift();
      else this.#waiting[0] = first.subarray(skipped);
    }
  }

  /** Whether there is more in the file than the part that has ended. */
  async #goOnBehindPart(): Promise<boolean> {
    const endAt = this.#partAt + (this.#stream?.bytesWritten ?? 0);
    if (await this.#isPadding(endAt)) return false;
    if (endAt === this.#partAt) throw damaged(new Error(`there is no compressed data at offset ${endAt}`));
    this.#stream?.destroy();
    this.#stream = null;
    this.#partAt = this.#readTo = endAt;
    this.#hasEnded = false;
    return true;
  }

  /** Whether there are but bytes of zero from `offset` on: archives on tapes and blocks are filled up so. */
  async #isPadding(offset: number): Promise<boolean> {
    const chunk = Buffer.alloc(COMPRESSED_CHUNK_BYTES);
    for (let at = offset; ;) {
      const { bytesRead } = await this.#handle.read(chunk, 0, chunk.length, at);
      if (bytesRead === 0) return true;
      if (chunk.subarray(0, bytesRead).some((byte) => byte !== 0)) return false;
      at += bytesRead;
    }
  }

  async #decompressMore(): Promise<void> {
    const stream = (this.#stream ??= this.#open());
    const chunk = Buffer.alloc(this.#stepBytes);
    const { bytesRead } = await this.#handle.read(chunk, 0, chunk.length, this.#readTo);
    this.#chunkAt = this.#readTo;
    this.#readTo += bytesRead;
    // A file without a byte is no compressed nothing: it was cut short.
    if (this.#readTo === 0) this.#error = new Error('it is empty');
    await new Promise<void>((resolve) => {
      stream.once('close', resolve);
      if (bytesRead === 0) stream.end();
      else stream.write(chunk.subarray(0, bytesRead), () => resolve());
    });
    stream.removeAllListeners('close');
  }

  #open(): Decompressor {
    const stream = this.#create();
    stream.on('data', (bytes: Buffer) => this.#waiting.push(bytes));
    stream.on('error', (error) => {
      this.#error ??= error;
    });
    stream.on('end', () => {
      this.#hasEnded = true;
    });
    return stream;
  }
}

function damaged(error: unknown): HeadgateError {
  return new HeadgateError('HG_DECODE_FAILED', `it cannot be decompressed: ${messageOf(error)}`, {
    cause: error,
  });
}
