/** The file of a file sink, and those it leaves behind when it is rotated. Appends whole lines, knows which
 *  records are there already, and leaves them out. */

import { open, stat, type FileHandle } from 'node:fs/promises';
import { HeadgateError } from '../../src/domain/errors.ts';
import type { SinkIo } from '../../src/domain/sink.ts';
import { notOfThisSink } from './file-errors.ts';
import type { FileFormat } from './file-formats.ts';
import { rotate, rotatedFiles, syncFolder } from './file-rotation.ts';
import { readTail, type FileTail } from './file-tail.ts';

export interface FileWriterOptions {
  readonly path: string;
  readonly rotate: {
    readonly bytesMax: number | null;
    readonly ageMsMax: number | null;
    readonly keepFiles: number | null;
  };
  readonly fsync: 'batch' | 'rotate' | 'never';
}

export interface Line {
  readonly key: string;
  /** With its line break. */
  readonly text: string;
}

export interface FileWriter {
  /** Opens the file, mends its end, and finds the last record that was written. */
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
  /** The place of the last record that the files hold. */
  let written: KeyPlace | null = null;

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
      const tail = await readTail(file, format);
      written = await lastWritten(tail, path, format);
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
        const place = placeOf(line.key);
        if (isWritten(place, written)) continue;
        const lineBytes = Buffer.byteLength(line.text);
        if (isFull(sizeBytes + bytes, lineBytes)) {
          await append(text);
          [text, bytes] = ['', 0];
          await turn();
        }
        if (sizeBytes + bytes === 0) begunAtMs = clock.wallMs();
        text += line.text;
        bytes += lineBytes;
        written = place;
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

async function lastWritten(tail: FileTail, path: string, format: FileFormat): Promise<KeyPlace | null> {
  if (!isBare(tail, format)) return keyPlace(tail, path, format);
  const newest = (await rotatedFiles(path)).at(-1);
  if (newest === undefined) return null;
  const file = await open(newest.path, 'r');
  try {
    const rotated = await readTail(file, format);
    return isBare(rotated, format) ? null : keyPlace(rotated, newest.path, format);
  } finally {
    await file.close();
  }
}

/** Whether the file has no record: it is empty, or there is its header only. */
function isBare({ last, first, end }: FileTail, { header }: FileFormat): boolean {
  return last === null || (header !== '' && Buffer.byteLength(first ?? '') === end);
}

function keyPlace({ last }: FileTail, path: string, format: FileFormat): KeyPlace | null {
  const key = format.keyOf(last ?? '');
  if (key === null) throw notOfThisSink(path, 'ends with a line that bears no key');
  return placeOf(key);
}

/** A key `gatewayId:dbUuid:seq`, taken apart. */
interface KeyPlace {
  readonly log: string;
  readonly seq: number;
}

function placeOf(key: string): KeyPlace | null {
  const colon = key.lastIndexOf(':');
  const digits = key.slice(colon + 1);
  return colon > 0 && /^\d{1,16}$/.test(digits) ? { log: key.slice(0, colon), seq: Number(digits) } : null;
}

function isWritten(place: KeyPlace | null, written: KeyPlace | null): boolean {
  return place !== null && place.log === written?.log && place.seq <= written.seq;
}

function stopped(path: string): HeadgateError {
  return new HeadgateError('HG_LINK_LOST', `the sink was stopped before "${path}" was written`);
}
