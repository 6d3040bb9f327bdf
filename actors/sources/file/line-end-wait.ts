/** The last line of a file that was rotated may still be getting its end: the process that writes it opens
 *  the new file only then. The line comes before the records of the next file, so that file waits; and what
 *  was written of the line is no record before it is known that no more will come. */

import { LIMITS } from '../../../src/domain/limits.ts';
import type { FileReading } from './reading.ts';

/** `ended`: the last line has its end, or will not get one. `waiting`: it may get one. `growing`: it has been
 *  getting more for so long that the next file waits no longer. */
export type LastLine = 'ended' | 'waiting' | 'growing';

export class LineEndWait {
  #offset = -1;
  /** Since when the line has been open, and since when nothing has come. */
  #openMonoMs = 0;
  #quietMonoMs = 0;

  /** `nextMtimeMs`: when the next file was last written to. */
  look(reading: FileReading, monoMs: number, nextMtimeMs: number): LastLine {
    if (!reading.hasOpenLine) {
      this.#offset = -1;
      return 'ended';
    }
    const { readOffset } = reading;
    if (this.#offset < 0) this.#openMonoMs = monoMs;
    if (this.#offset !== readOffset) this.#quietMonoMs = monoMs;
    this.#offset = readOffset;
    // A process that has been writing to the next file for so long writes to this one no more.
    const quietMs = Math.max(monoMs - this.#quietMonoMs, nextMtimeMs - reading.mtimeMs);
    if (quietMs >= LIMITS.lineEndMs) return 'ended';
    return monoMs - this.#openMonoMs < LIMITS.lineEndMsMax ? 'waiting' : 'growing';
  }
}
