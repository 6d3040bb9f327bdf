/** One open file being read: chunk by chunk into lines, line by line into records that know where the next
 *  one begins. */

import type { FileHandle } from 'node:fs/promises';
import { HeadgateError } from '../../../src/domain/errors.ts';
import type { SourceIo } from '../../../src/domain/source.ts';
import {
  lineSplitter,
  type Line,
  type LineSplitter,
  type LineSplitterOptions,
} from '../../../src/pipeline/decode/line-splitter.ts';
import type { Rejecter } from '../../../src/pipeline/decode/payload-intake.ts';
import { rowDecoder, type RowDecoder, type RowFormat } from '../../../src/pipeline/decode/rows.ts';
import { asDecodeError } from '../../../src/pipeline/decode/text.ts';
import { headCrc, readHead, type FilePlace, type OpenFile } from './place.ts';

const CHUNK_BYTES = 64 * 1024;
const LINE_FEED = 0x0a;

export interface ReadingPlan {
  readonly path: string;
  readonly format: RowFormat;
  readonly lineBytesMax: number;
  readonly rejections: Rejecter;
}

/** `end`: there is no more, for now. `rewritten`: the file no longer holds what was read of it: it was
 *  emptied, and perhaps filled again. Nothing was handed in then. */
type ChunkOutcome = 'more' | 'end' | 'rewritten';

export interface FileReading {
  readonly inode: string;
  /** Hands in what the next chunk brings, waiting for room where there is none. */
  readChunk(io: SourceIo): Promise<ChunkOutcome>;
  /** Hands in a last line without a line end. */
  finish(io: SourceIo): Promise<void>;
  close(): Promise<void>;
}

type Start = FilePlace | { readonly from: 'beginning' | 'end' };

/** Takes over `file`: closes it if it cannot be read, else `close` does.
 *  @throws HeadgateError HG_DECODE_FAILED (retry) where the names of the columns cannot be read. */
export async function fileReading(file: OpenFile, plan: ReadingPlan, start: Start): Promise<FileReading> {
  try {
    const rows = rowDecoder(plan.format);
    let position = await startPosition(file, start);
    if (position.startOffset > 0 && !rows.ready && !(await learnColumns(file.handle, rows, plan))) {
      position = { startOffset: 0 };
    }
    const splitter = lineSplitter({
      lineBytesMax: plan.lineBytesMax,
      csv: plan.format === 'csv',
      ...position,
    });
    return new Reading(file, plan, rows, splitter, position.startOffset, await readHead(file.handle));
  } catch (error) {
    await file.handle.close();
    throw error;
  }
}

type StartPosition = Pick<LineSplitterOptions, 'startNumber' | 'skipFirst'> & {
  readonly startOffset: number;
};

async function startPosition(file: OpenFile, start: Start): Promise<StartPosition> {
  if ('offset' in start) return { startOffset: start.offset, startNumber: start.line };
  if (start.from === 'beginning' || file.sizeBytes === 0) return { startOffset: 0 };
  const last = Buffer.alloc(1);
  await file.handle.read(last, 0, 1, file.sizeBytes - 1);
  return { startOffset: file.sizeBytes, skipFirst: last[0] !== LINE_FEED };
}

/** Reads the row that names the columns, which stands at the beginning wherever the reading goes on. */
async function learnColumns(handle: FileHandle, rows: RowDecoder, plan: ReadingPlan): Promise<boolean> {
  const splitter = lineSplitter({ lineBytesMax: plan.lineBytesMax, csv: true });
  const chunk = Buffer.alloc(CHUNK_BYTES);
  for (let offset = 0; !rows.ready;) {
    const { bytesRead } = await handle.read(chunk, 0, CHUNK_BYTES, offset);
    if (bytesRead === 0) return false;
    offset += bytesRead;
    for (const line of splitter.push(chunk.subarray(0, bytesRead))) {
      if (!rows.ready) decodeColumns(line, rows, plan);
    }
  }
  return true;
}

/** Without its columns a table has no meaning: the run ends, to be tried again when somebody has mended the
 *  file. */
function decodeColumns(line: Line, rows: RowDecoder, plan: ReadingPlan): void {
  try {
    if (line.overlong) throw tooLong(line, plan);
    rows.decode(line);
  } catch (error) {
    const { message, details } = asDecodeError(error, line.number);
    throw new HeadgateError('HG_DECODE_FAILED', `the header of "${plan.path}" is bad: ${message}`, {
      remedy: 'retry',
      details,
      cause: error,
    });
  }
}

function tooLong(line: Line, plan: ReadingPlan): HeadgateError {
  const { path, lineBytesMax } = plan;
  const problem = `is longer than ${lineBytesMax} bytes and is left out; raise lineBytesMax`;
  return new HeadgateError('HG_READ_TOO_LARGE', `line ${line.number} of "${path}" ${problem}`, {
    details: { line: line.number, lineBytesMax },
  });
}

class Reading implements FileReading {
  readonly inode: string;
  readonly #handle: FileHandle;
  readonly #plan: ReadingPlan;
  readonly #rows: RowDecoder;
  readonly #splitter: LineSplitter;
  readonly #chunk = Buffer.alloc(CHUNK_BYTES);
  /** How far the file was read, and its first bytes as they were then. */
  #offset: number;
  #head: Buffer;
  /** At first nobody knows: the outlet may still be full from the run before. */
  #hasRoom = false;

  constructor(
    file: OpenFile,
    plan: ReadingPlan,
    rows: RowDecoder,
    splitter: LineSplitter,
    offset: number,
    head: Buffer,
  ) {
    this.inode = file.inode;
    this.#handle = file.handle;
    this.#plan = plan;
    this.#rows = rows;
    this.#splitter = splitter;
    this.#offset = offset;
    this.#head = head.subarray(0, offset);
  }

  async readChunk(io: SourceIo): Promise<ChunkOutcome> {
    const { bytesRead } = await this.#handle.read(this.#chunk, 0, CHUNK_BYTES, this.#offset);
    // Compared after the reading: what was read before a rewriting would otherwise pass for a part of what
    // came after.
    const head = (await readHead(this.#handle)).subarray(0, this.#offset + bytesRead);
    if (!head.subarray(0, this.#head.length).equals(this.#head)) return 'rewritten';
    if (bytesRead === 0) return (await this.#handle.stat()).size < this.#offset ? 'rewritten' : 'end';
    this.#head = head;
    this.#offset += bytesRead;
    await this.#handIn(io, this.#splitter.push(this.#chunk.subarray(0, bytesRead)));
    return 'more';
  }

  async finish(io: SourceIo): Promise<void> {
    await this.#handIn(io, this.#splitter.end());
  }

  close(): Promise<void> {
    return this.#handle.close();
  }

  async #handIn(io: SourceIo, lines: readonly Line[]): Promise<void> {
    for (const line of lines) {
      if (!this.#hasRoom) await io.room();
      if (io.signal.aborted) return;
      this.#hasRoom = this.#handInLine(io, line);
    }
  }

  #handInLine(io: SourceIo, line: Line): boolean {
    if (!this.#rows.ready) {
      decodeColumns(line, this.#rows, this.#plan);
      return true;
    }
    if (line.overlong) {
      io.readFailed(tooLong(line, this.#plan));
      return true;
    }
    const meta = { cursor: this.#cursorAfter(line) };
    try {
      const values = this.#rows.decode(line);
      return values.length === 0 || io.emitAll(values, meta);
    } catch (error) {
      return this.#plan.rejections.reject(io, line.bytes, asDecodeError(error, line.number), meta);
    }
  }

  #cursorAfter(line: Line): string {
    const place: FilePlace = {
      inode: this.inode,
      offset: line.endOffset,
      line: line.nextNumber,
      headCrc: headCrc(this.#head, line.endOffset),
    };
    return JSON.stringify(place);
  }
}
