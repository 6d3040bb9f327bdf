/** One open file being read: chunk by chunk into lines, line by line into records whose cursors say where
 *  the next one begins. Before a chunk is used, the bytes before it are compared with what was read of
 *  them. */

import { HeadgateError } from '../../../src/domain/errors.ts';
import type { RecordMeta } from '../../../src/domain/record.ts';
import type { SourceIo } from '../../../src/domain/source.ts';
import {
  lineSplitter,
  type Line,
  type LineSplitter,
  type LineSplitterOptions,
} from '../../../src/pipeline/decode/line-splitter.ts';
import { rowDecoder, type RowDecoder } from '../../../src/pipeline/decode/rows.ts';
import { asDecodeError } from '../../../src/pipeline/decode/text.ts';
import type { FileBytes, FileFacts } from './file-bytes.ts';
import type { ReadingPlan } from './follow-plan.ts';
import type { OpenFile } from './open-file.ts';
import { decodeColumns, learnColumns, tooLong } from './columns.ts';
import { CHUNK_BYTES, PlaceTracker } from './place-tracker.ts';
import { HEAD_BYTES_MAX, readBytes, TAIL_BYTES_MAX, type FilePosition, type Tail } from './file-position.ts';
import { crc32 } from 'node:zlib';

const LINE_FEED = 0x0a;

/** `end`: there is no more, for now. `rewritten`: the file no longer holds what was read of it: it was
 *  emptied or written over. Nothing was handed in then. */
export type ChunkOutcome = 'more' | 'end' | 'rewritten';

/** Where the reading begins. */
export type Start = FilePosition | { readonly from: 'beginning' | 'end' };

/** Takes over `file`: closes it if it cannot be read, else `close` does.
 *  @throws HeadgateError HG_DECODE_FAILED (retry) where the names of the columns cannot be read. */
export async function fileReading(file: OpenFile, plan: ReadingPlan, start: Start): Promise<FileReading> {
  try {
    const rows = rowDecoder(plan.format, plan.csv);
    let position = await startPosition(file, start);
    if (position.startOffset > 0 && !rows.ready && !(await learnColumns(file, rows, plan))) {
      position = { startOffset: 0 };
    }
    const splitter = lineSplitter({
      ...{ lineBytesMax: plan.lineBytesMax, csv: plan.format === 'csv', ...position },
      ...{ reportEnds: true, skipHoles: true },
    });
    const tracker = await trackerFor(file, position, start);
    const reading = new FileReading(file, plan, rows, splitter, tracker);
    reading.continuesLine = 'offset' in start && (await endsWithinLine(file, position.startOffset));
    return reading;
  } catch (error) {
    await file.bytes.close();
    throw error;
  }
}

type StartPosition = Pick<LineSplitterOptions, 'startNumber' | 'skipFirst'> & {
  readonly startOffset: number;
};

async function startPosition(file: OpenFile, start: Start): Promise<StartPosition> {
  if ('offset' in start) return { startOffset: start.offset, startNumber: start.line };
  if (start.from === 'beginning' || file.sizeBytes === 0) return { startOffset: 0 };
  const last = await readBytes(file.bytes, file.sizeBytes - 1, 1);
  return { startOffset: file.sizeBytes, skipFirst: last[0] !== LINE_FEED };
}

/** Whether the position is behind a line that was given as a record before it had its end. */
async function endsWithinLine({ bytes }: OpenFile, offset: number): Promise<boolean> {
  if (offset === 0) return false;
  const [last] = await readBytes(bytes, offset - 1, 1);
  return last !== undefined && last !== LINE_FEED;
}

async function trackerFor(file: OpenFile, position: StartPosition, start: Start): Promise<PlaceTracker> {
  const { inode, mtimeMs, birthMs, bytes } = file;
  const { startOffset: offset, startNumber: line = 1 } = position;
  const head = await readBytes(bytes, 0, Math.min(offset, HEAD_BYTES_MAX));
  const tailBytes = Math.min(offset, TAIL_BYTES_MAX);
  // A compressed file was put aside and is not rewritten: going back in it would mean to begin again.
  const tail = bytes.isCompressed ? NO_BYTES : await readBytes(bytes, offset - tailBytes, tailBytes);
  return new PlaceTracker({
    ...{ inode, offset, line, head, tail, mtimeMs, birthMs },
    isBlank: 'from' in start || start.isBlank,
    known: 'offset' in start && start.offset === offset ? start.tail : null,
  });
}

const NO_BYTES = Buffer.alloc(0);

export class FileReading {
  readonly file: OpenFile;
  /** Prefix and suffix of a position in a cursor. */
  toCursor: (placeText: string) => string = (placeText) => `${placeText}}`;
  readonly #bytes: FileBytes;
  readonly #plan: ReadingPlan;
  readonly #rows: RowDecoder;
  readonly #splitter: LineSplitter;
  readonly #tracker: PlaceTracker;
  /** Whether what comes next is the rest of a line that was a record already. */
  continuesLine = false;
  /** Bytes of zero that were not reported yet. */
  #holeBytesSeen = 0;
  #sizeBytes: number;
  /** Unknown at first: the outlet may still be full from the run before. */
  #hasRoom = false;

  constructor(
    file: OpenFile,
    plan: ReadingPlan,
    rows: RowDecoder,
    splitter: LineSplitter,
    tracker: PlaceTracker,
  ) {
    this.file = file;
    this.#bytes = file.bytes;
    this.#plan = plan;
    this.#rows = rows;
    this.#splitter = splitter;
    this.#tracker = tracker;
    this.#sizeBytes = file.sizeBytes;
  }

  get inode(): string {
    return this.file.inode;
  }

  /** The place behind the last line. */
  get place(): FilePosition {
    return this.#tracker.place;
  }

  /** The same as JSON, without the brace at its end. */
  get placeText(): string {
    return this.#tracker.text;
  }

  /** Bytes that were there and had not been read when the file was last looked at. */
  get unreadBytes(): number {
    return this.#bytes.isCompressed ? 0 : Math.max(this.#sizeBytes - this.#tracker.lineOffset, 0);
  }

  /** The file was last written at this time or later. */
  get mtimeMs(): number {
    return this.#tracker.mtimeMs;
  }

  /** No record was read of the file yet. */
  get isBlank(): boolean {
    return this.#tracker.isBlank;
  }

  /** Whether anything of the file was read, be it but a part of a line. */
  get hasBegun(): boolean {
    return this.#tracker.offset > 0;
  }

  /** How far the file was read. */
  get readOffset(): number {
    return this.#tracker.offset;
  }

  /** Whether what was read ends within a line that may be a record. How a compressed file ends is known. */
  get hasOpenLine(): boolean {
    const { offset, lineOffset } = this.#tracker;
    return !this.#bytes.isCompressed && offset > lineOffset && !this.#splitter.isSkipping;
  }

  /** Whether what was read ends behind lines that follow a quote that was not closed. */
  get hasOpenQuotes(): boolean {
    return this.#splitter.isWithinQuotes;
  }

  async facts(): Promise<FileFacts> {
    const facts = await this.#bytes.facts();
    this.#sizeBytes = facts.sizeBytes;
    return facts;
  }

  /** Whether the file was written to since it was read, or holds more or less than was read. */
  async hasChanged(): Promise<{ readonly changed: boolean; readonly isLinked: boolean }> {
    const { sizeBytes, mtimeMs, isLinked } = await this.facts();
    const isAsRead = sizeBytes === this.#tracker.offset && mtimeMs === this.#tracker.mtimeMs;
    // How much a compressed file holds shows when it is read.
    return { changed: this.#bytes.isCompressed || !isAsRead, isLinked };
  }

  /** Hands in what the next chunk brings, waiting for room where there is none.
   *  @throws HeadgateError HG_DECODE_FAILED where a compressed file is damaged. */
  async readChunk(io: SourceIo): Promise<ChunkOutcome> {
    const { buffer, at } = this.#tracker.target;
    const bytesRead = await this.#bytes.read(buffer, at, CHUNK_BYTES, this.#tracker.offset);
    // Compared after the reading: what was read before a rewriting would otherwise pass for a part of what
    // came after.
    if (!(await this.#isUnchanged())) return 'rewritten';
    if (bytesRead === 0) return this.#atEnd(io);
    const { holeBytes } = this.#splitter;
    const lines = this.#splitter.push(this.#tracker.accept(bytesRead));
    if (this.#splitter.holeBytes === holeBytes) this.#reportHole(io);
    await this.#handIn(io, lines);
    this.#tracker.finishChunk();
    return 'more';
  }

  /** Hands in a last line without a line end. */
  async finish(io: SourceIo): Promise<void> {
    this.#reportHole(io);
    const lines = this.#splitter.end();
    await this.#handIn(io, lines);
    if (lines.length > 0) this.continuesLine = !this.#splitter.isSkipping;
  }

  /** The same open file from its beginning: what was read of it is there no more. */
  async restarted(): Promise<FileReading> {
    const { sizeBytes, mtimeMs } = await this.#bytes.facts();
    return fileReading({ ...this.file, sizeBytes, mtimeMs }, this.#plan, { from: 'beginning' });
  }

  close(): Promise<void> {
    return this.#bytes.close();
  }

  async #atEnd(io: SourceIo): Promise<ChunkOutcome> {
    if (this.#bytes.isCompressed) return 'end';
    const unread = this.#sizeBytes;
    const { sizeBytes, mtimeMs } = await this.#bytes.facts();
    if (sizeBytes < this.#tracker.offset) {
      this.#sizeBytes = unread;
      return 'rewritten';
    }
    this.#sizeBytes = sizeBytes;
    if (mtimeMs !== this.#tracker.mtimeMs) this.#tracker.mtimeMs = mtimeMs;
    this.#reportHole(io);
    return 'end';
  }

  async #isUnchanged(): Promise<boolean> {
    if (this.#bytes.isCompressed) return true;
    const { tail, head } = this.#tracker.expected;
    if (tail.length === 0) return true;
    const [block, first] = await Promise.all([
      readBytes(this.#bytes, this.#tracker.offset - tail.length, tail.length),
      head.length === 0 ? head : readBytes(this.#bytes, 0, head.length),
    ]);
    return block.equals(tail) && first.equals(head);
  }

  async #handIn(io: SourceIo, lines: readonly Line[]): Promise<void> {
    for (const line of lines) {
      if (!this.#hasRoom) await io.room();
      if (io.signal.aborted) return;
      if (line.overlong && line.isOverlongEnd !== true) {
        this.#reportTooLong(io, line);
        continue;
      }
      if (this.#tracker.isBehind(line.endOffset)) {
        this.#tracker.advance(line.endOffset, line.nextNumber, await this.#tailBefore(line.endOffset));
      } else {
        this.#tracker.advance(line.endOffset, line.nextNumber);
      }
      this.#hasRoom = this.#handInLine(io, line);
    }
  }

  #handInLine(io: SourceIo, line: Line): boolean {
    if (!this.#rows.ready) {
      decodeColumns(line, this.#rows, this.file.path, this.#plan.lineBytesMax);
      return true;
    }
    const isRest = this.continuesLine;
    this.continuesLine = false;
    // A later run goes on behind a line that was left out. A line end that comes late belongs to no record.
    if (line.overlong || (isRest && line.bytes.length === 0)) return io.emitAll([], this.#meta());
    if (isRest) return this.#rejectRest(io, line);
    let values: readonly unknown[];
    try {
      values = this.#rows.decode(line);
    } catch (error) {
      const problem = asDecodeError(error, line.number);
      return this.#plan.rejections.reject(io, line.bytes, problem, this.#meta());
    }
    return values.length === 0 || io.emitAll(values, this.#meta());
  }

  /** No record: with the beginning of its line it would have been another one. */
  #rejectRest(io: SourceIo, line: Line): boolean {
    const { path } = this.file;
    const meta = this.#meta();
    const message =
      `"${path}" got more of line ${line.number} after its beginning had been taken for the whole line; ` +
      'the rest is a dead letter, and the record before it is cut';
    io.alert('FILE_LINE_TORN', message, { path, offset: this.#tracker.lineOffset, line: line.number });
    const problem = new HeadgateError(
      'HG_DECODE_FAILED',
      `is the rest of line ${line.number}, which was cut`,
    );
    return this.#plan.rejections.reject(io, line.bytes, problem, meta);
  }

  /** Of what is handed in now: the file is blank no more. */
  #meta(): RecordMeta {
    this.#tracker.isBlank = false;
    return { cursor: this.toCursor(this.#tracker.text) };
  }

  /** Of a line that ended in an earlier chunk: rows with a quote that is never closed are found out late.
   *  */
  async #tailBefore(offset: number): Promise<Tail> {
    if (this.#bytes.isCompressed) return { from: offset, crc: 0 };
    const from = Math.max(offset - TAIL_BYTES_MAX, 0);
    return { from, crc: crc32(await readBytes(this.#bytes, from, offset - from)) };
  }

  #reportTooLong(io: SourceIo, line: Line): void {
    if (!this.#rows.ready) decodeColumns(line, this.#rows, this.file.path, this.#plan.lineBytesMax);
    const { path } = this.file;
    const error = tooLong(line, path, this.#plan.lineBytesMax);
    const offset = this.#tracker.lineOffset;
    io.readFailed(error);
    io.alert('FILE_LINE_SKIPPED', error.message, { path, offset, line: line.number });
  }

  #reportHole(io: SourceIo): void {
    const bytes = this.#splitter.holeBytes - this.#holeBytesSeen;
    if (bytes === 0) return;
    this.#holeBytesSeen = this.#splitter.holeBytes;
    const { path } = this.file;
    const { offset } = this.#tracker;
    const message = `"${path}" holds ${bytes} bytes of zero before offset ${offset}; they are skipped`;
    io.alert('FILE_HOLE', message, { path, offset, bytes });
  }
}
