/** The file that was read before the present one. A process may write to it until it opens the new one, and
 *  the last line may still get its end. */

import { HeadgateError, messageOf } from '../../../src/domain/errors.ts';
import type { SourceIo } from '../../../src/domain/source.ts';
import { alertUnreadable } from './alerts.ts';
import type { LineEndWait } from './line-end-wait.ts';
import type { ChunkOutcome, FileReading } from './reading.ts';

export class PreviousFile {
  readonly reading: FileReading;
  #isFinished: boolean;
  readonly #lineEnd: LineEndWait;

  constructor(reading: FileReading, isFinished: boolean, lineEnd: LineEndWait) {
    this.reading = reading;
    this.#isFinished = isFinished;
    this.#lineEnd = lineEnd;
  }

  /** Hands in what was written to it since. Returns whether it is to be looked at again. */
  async readOn(io: SourceIo): Promise<boolean> {
    const { changed, isLinked } = await this.reading.hasChanged();
    if (!changed) {
      const lastLine = this.#lineEnd.look(this.reading, io.clock.monotonicMs(), Number.NEGATIVE_INFINITY);
      if (lastLine === 'ended') await this.finish(io);
    } else if (!(await this.#readLate(io))) return false;
    // Held open, a removed file would take up the disk.
    return isLinked;
  }

  /** Hands in its last line, if that has no line end. */
  async finish(io: SourceIo): Promise<void> {
    if (this.#isFinished) return;
    this.#isFinished = true;
    await this.reading.finish(io);
  }

  async #readLate(io: SourceIo): Promise<boolean> {
    for (;;) {
      const outcome = await this.#readChunk(io);
      if (io.signal.aborted) return true;
      if (outcome === 'more') continue;
      if (outcome === 'end') return !this.reading.file.bytes.isCompressed;
      // Its present content is not the content that was rotated.
      this.#isFinished = true;
      return false;
    }
  }

  async #readChunk(io: SourceIo): Promise<ChunkOutcome> {
    const { file } = this.reading;
    try {
      return await this.reading.readChunk(io);
    } catch (error) {
      if (!(error instanceof HeadgateError) || !file.bytes.isCompressed) throw error;
      alertUnreadable(io, file.path, this.reading.place.offset, messageOf(error));
      return 'end';
    }
  }
}
