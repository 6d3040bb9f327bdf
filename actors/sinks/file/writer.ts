/** The file of a file sink, and those it leaves behind when it is rotated. Appends whole lines, knows which
 *  records are there already, and leaves them out. */

import { open, stat, type FileHandle } from 'node:fs/promises';
import { HeadgateError } from '../../../src/domain/errors.ts';
import type { SinkIo } from '../../../src/domain/sink.ts';
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

export function createFileWriter(io: SinkIo, options: FileWriterOptions, format: FileFormat): FileWriter {
  const { clock, signal } = io;
  const { path, fsync } = options;
  const { bytesMax, ageMsMax, keepFiles } = options.rotate;
  let handle: FileHandle | null = null;
  let sizeBytes = 0;
  let begunAtMs = 0;
  /** Keys of the records that were written last, before this run. */
  let written: ReadonlySet<string> = new Set();

  const openFile = async (): Promise<FileHandle> => {
    await requireFile(path);
    handle = await open(path, 'a+');
    if (fsync !== 'never') await syncFolder(path);
    return handle;
  };
  const closeFile = async () => {
    const closing = handle;
    handle = null;
    try {
      if (fsync !== 'never') await closing?.datasync();
    } finally {
      await closing?.close();
    }
  };
  const turn = async () => {
    await closeFile();
    await rotate(path, clock.wallMs(), keepFiles);
    await openFile();
    sizeBytes = 0;
  };
  const append = async (text: string) => {
    if (text === '') return;
    if (signal.aborted) throw stopped(path);
    const bytes = Buffer.from(sizeBytes === 0 ? format.header + text : text);
    const file = handle;
    if (file === null) throw stopped(path);
    // A write may take less than it was given, as on a disk that is nearly full.
    for (let at = 0; at < bytes.length;) at += (await file.write(bytes, at)).bytesWritten;
    sizeBytes += bytes.length;
  };
  const isFull = (heldBytes: number, moreBytes: number) =>
    heldBytes > 0 &&
    ((bytesMax !== null && heldBytes + moreBytes > bytesMax) ||
      (ageMsMax !== null && clock.wallMs() - begunAtMs >= ageMsMax));

  return {
    async open() {
      const file = await openFile();
      const { size, birthtimeMs } = await file.stat();
      await requireOwn(file, size, path, format);
      const keysMax = Math.max(KEYS_MAX, options.batch.rowsMax);
      const tail = await readTail(file, format.isQuoted, keysMax);
      written = new Set(await lastKeys(tail, path, format, keysMax));
      if (tail.end < size) {
        await file.truncate(tail.end);
        if (fsync !== 'never') await file.sync();
      }
      sizeBytes = tail.end;
      begunAtMs = Math.min(birthtimeMs, clock.wallMs());
      // The columns were changed: rows of both kinds in one file could not be read.
      if (tail.first !== null && format.header !== '' && tail.first !== format.header) await turn();
    },
    async write(lines) {
      let text = '';
      let bytes = 0;
      for (const line of lines) {
        if (written.has(line.key)) continue;
        const lineBytes = Buffer.byteLength(line.text);
        if (isFull(sizeBytes + bytes, lineBytes)) {
          await append(text);
          [text, bytes] = ['', 0];
          await turn();
        }
        if (sizeBytes + bytes === 0) begunAtMs = clock.wallMs();
        text += line.text;
        bytes += lineBytes;
      }
      await append(text);
      // Also where nothing was left to write: what an earlier run wrote may be in memory only.
      if (fsync === 'batch') await handle?.datasync();
    },
    close: closeFile,
  };
}

/** A pipe or a device would block, or swallow what is written. */
async function requireFile(path: string): Promise<void> {
  const found = await stat(path).catch((error: unknown) => {
    if ((error as { code?: unknown }).code === 'ENOENT') return null;
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

function stopped(path: string): HeadgateError {
  return new HeadgateError('HG_LINK_LOST', `the sink was stopped before "${path}" was written`);
}
