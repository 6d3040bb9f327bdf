/** The file of a file sink, and those it leaves behind when it is rotated. Appends whole lines, knows which
 *  records are there already, and leaves them out.
 *
 *  Other programs may remove, rename, replace or cut the file. Before and after each batch the file that
 *  has the name is compared with the one that is open: a batch counts as written only if it is in the
 *  former. */

import { open, stat, type FileHandle } from 'node:fs/promises';
import { HeadgateError } from '../../../src/domain/errors.ts';
import type { SinkIo } from '../../../src/domain/sink.ts';
import { FileAge } from './file-age.ts';
import { notOfThisSink } from './errors.ts';
import type { FileFormat } from './formats.ts';
import { rotate, rotatedFiles, syncFolder } from './rotation.ts';
import { readTail, type FileTail } from './tail.ts';

/** Records at the end of the files that are known again, at least: more than any batch has by default. */
const KEYS_MAX = 10_000;

export interface FileWriterOptions {
  readonly path: string;
  readonly rotate: {
    readonly bytesMax: number | null;
    readonly ageMsMax: number | null;
    readonly keepFiles: number | null;
  };
  readonly fsync: 'batch' | 'rotate' | 'never';
  readonly batch: { readonly rowsMax: number };
}

export interface Line {
  readonly key: string;
  /** With its line break. */
  readonly text: string;
}

export interface FileWriter {
  /** Opens the file, mends its end, and finds the records that were written last. */
  open(): Promise<void>;
  /** Appends the lines that are not there yet; with `fsync: 'batch'` they are on the disk then. */
  write(lines: readonly Line[]): Promise<void>;
  close(): Promise<void>;
}

/** Permissions of a file that a sink makes: data of the gateway is not for everybody. */
const FILE_MODE = 0o640;
/** How often a batch is written again because its file was removed in the meantime. */
const REWRITES_MAX = 3;

export function createFileWriter(io: SinkIo, options: FileWriterOptions, format: FileFormat): FileWriter {
  return new Writer(io, options, format);
}

class Writer implements FileWriter {
  readonly #io: SinkIo;
  readonly #options: FileWriterOptions;
  readonly #format: FileFormat;
  #handle: FileHandle | null = null;
  /** Which file is open, and how long it is by what was written. */
  #identity = { dev: 0, ino: 0 };
  #sizeBytes = 0;
  readonly #age: FileAge;
  #isShared = false;
  /** Keys of the records that were written last, before this run. */
  #written: ReadonlySet<string> = new Set();

  constructor(io: SinkIo, options: FileWriterOptions, format: FileFormat) {
    this.#io = io;
    this.#age = new FileAge(io.clock);
    this.#options = options;
    this.#format = format;
  }

  async open(): Promise<void> {
    const { path, fsync, batch } = this.#options;
    const format = this.#format;
    const file = await this.#openFile();
    const { size, birthtimeMs } = await file.stat();
    await requireOwn(file, size, path, format);
    const keysMax = Math.max(KEYS_MAX, batch.rowsMax);
    const tail = await readTail(file, format.isQuoted, keysMax);
    this.#written = new Set(await lastKeys(tail, path, format, keysMax));
    if (tail.end < size) {
      await file.truncate(tail.end);
      if (fsync !== 'never') await file.sync();
    }
    this.#sizeBytes = tail.end;
    this.#age.found(birthtimeMs);
    // The columns were changed: rows of both kinds in one file could not be read.
    if (tail.first !== null && format.header !== '' && tail.first !== format.header) await this.#turn();
  }

  async write(lines: readonly Line[]): Promise<void> {
    const before = await this.#change();
    if (before !== null) await this.#reopen(before);
    await this.#writeOnce(lines);
    // A write counts only where it is in the file that has the name.
    for (let rewrites = 0; ; rewrites++) {
      const meanwhile = await this.#change();
      if (meanwhile === null) return;
      if (rewrites === REWRITES_MAX) throw takenAway(this.#options.path, meanwhile);
      await this.#reopen(meanwhile);
      await this.#writeOnce(lines);
    }
  }

  async close(): Promise<void> {
    const closing = this.#handle;
    this.#handle = null;
    try {
      if (this.#options.fsync !== 'never') await closing?.datasync();
    } finally {
      await closing?.close();
    }
  }

  async #openFile(): Promise<FileHandle> {
    const { path, fsync } = this.#options;
    await requireFile(path);
    const file = await open(path, 'a+', FILE_MODE);
    this.#handle = file;
    const { dev, ino } = await file.stat();
    this.#identity = { dev, ino };
    this.#isShared = false;
    if (fsync !== 'never') await syncFolder(path);
    return file;
  }

  /** The change another program made to the file since the last write; null: none. */
  async #change(): Promise<string | null> {
    const { path } = this.#options;
    const found = await stat(path).catch((error: unknown) => {
      if (isMissing(error)) return null;
      throw error;
    });
    if (found === null) return 'was removed or renamed';
    if (found.dev !== this.#identity.dev || found.ino !== this.#identity.ino) return 'was replaced';
    if (found.size < this.#sizeBytes) return 'was cut short';
    if ((found.mode & 0o222) === 0) throw readOnly(path);
    if (found.size > this.#sizeBytes) this.#noteForeign(found.size);
    return null;
  }

  /** Another program appends to it, too. */
  #noteForeign(size: number): void {
    this.#sizeBytes = size;
    if (this.#isShared) return;
    this.#isShared = true;
    const { path } = this.#options;
    this.#io.alert('SINK_FILE_SHARED', `another program writes to "${path}", which belongs to a sink`, {
      path,
    });
  }

  /** Goes on in the file that has the name now, or makes one. */
  async #reopen(change: string): Promise<void> {
    const { path } = this.#options;
    this.#io.alert(
      'SINK_FILE_CHANGED',
      `the file "${path}" ${change} by another program; writing goes on in the file of that name`,
      { path, writtenBytes: this.#sizeBytes },
    );
    // The old file is closed whatever its disk says: nothing that counts is only there.
    await this.close().catch(() => {});
    await this.open();
  }

  async #turn(): Promise<void> {
    const { path, rotate: rules } = this.#options;
    await this.close();
    await rotate(path, this.#io.clock.wallMs(), rules.keepFiles);
    await this.#openFile();
    this.#sizeBytes = 0;
  }

  async #writeOnce(lines: readonly Line[]): Promise<void> {
    let text = '';
    let bytes = 0;
    for (const line of lines) {
      if (this.#written.has(line.key)) continue;
      const lineBytes = Buffer.byteLength(line.text);
      if (this.#isFull(this.#sizeBytes + bytes, lineBytes)) {
        await this.#append(text);
        [text, bytes] = ['', 0];
        await this.#turn();
      }
      if (this.#sizeBytes + bytes === 0) this.#age.began();
      text += line.text;
      bytes += lineBytes;
    }
    await this.#append(text);
    // Also where nothing was left to write: what an earlier run wrote may be in memory only.
    if (this.#options.fsync === 'batch') await this.#handle?.datasync();
  }

  async #append(text: string): Promise<void> {
    if (text === '') return;
    const { path } = this.#options;
    if (this.#io.signal.aborted) throw stopped(path);
    const bytes = Buffer.from(this.#sizeBytes === 0 ? this.#format.header + text : text);
    const file = this.#handle;
    if (file === null) throw stopped(path);
    // A write may take less than it was given, as on a disk that is nearly full.
    for (let at = 0; at < bytes.length;) at += (await file.write(bytes, at)).bytesWritten;
    this.#sizeBytes += bytes.length;
  }

  #isFull(heldBytes: number, moreBytes: number): boolean {
    const { bytesMax, ageMsMax } = this.#options.rotate;
    if (heldBytes === 0) return false;
    if (bytesMax !== null && heldBytes + moreBytes > bytesMax) return true;
    return ageMsMax !== null && this.#age.ms() >= ageMsMax;
  }
}

function isMissing(error: unknown): boolean {
  return (error as { code?: unknown }).code === 'ENOENT';
}

/** A pipe or a device would block, or swallow what is written. */
async function requireFile(path: string): Promise<void> {
  const found = await stat(path).catch((error: unknown) => {
    if (isMissing(error)) return null;
    throw error;
  });
  if (found !== null && !found.isFile() && !found.isDirectory()) {
    throw notOfThisSink(path, 'is not a regular file');
  }
}

/** A file that somebody else wrote must not be cut. */
async function requireOwn(file: FileHandle, size: number, path: string, format: FileFormat): Promise<void> {
  const head = Buffer.alloc(Math.min(size, format.start.length));
  await file.read(head, 0, head.length, 0);
  const zero = head.indexOf(0);
  const text = head.toString('latin1', 0, zero < 0 ? head.length : zero);
  if (!format.start.startsWith(text)) throw notOfThisSink(path, 'was not written by a sink of this format');
}

/** Of the records that the files ended with, at least the last batch of a run that was cut short. */
async function lastKeys(
  tail: FileTail,
  path: string,
  format: FileFormat,
  keysMax: number,
): Promise<string[]> {
  const keys = keysIn(tail, path, format);
  const rotated = await rotatedFiles(path);
  for (let next = rotated.pop(); next !== undefined && keys.length < keysMax; next = rotated.pop()) {
    const file = await open(next.path, 'r');
    try {
      keys.push(...keysIn(await readTail(file, format.isQuoted, keysMax), next.path, format));
    } finally {
      await file.close();
    }
  }
  return keys;
}

function keysIn({ heads }: FileTail, path: string, format: FileFormat): string[] {
  return heads.map((head) => {
    const key = format.keyOf(head);
    if (key === null) throw notOfThisSink(path, 'has lines that bear no key');
    return key;
  });
}

function takenAway(path: string, change: string): HeadgateError {
  const advice = 'let one program at a time change it';
  return new HeadgateError('HG_LINK_LOST', `the file "${path}" ${change} while it was written; ${advice}`);
}

function readOnly(path: string): HeadgateError {
  const advice = 'let it be written, or move it away';
  return new HeadgateError('HG_LINK_REFUSED', `the file "${path}" was made read-only; ${advice}`, {
    details: { path },
  });
}

function stopped(path: string): HeadgateError {
  return new HeadgateError('HG_LINK_LOST', `the sink was stopped before "${path}" was written`);
}
