/** The last line of a file that was rotated may still be getting its end: the process that writes it opens
 *  the new file only then. The line is to come before the records of the next file, so that file waits. */

import type { FileReading } from './reading.ts';

/** A process that goes on writing parts of lines to a rotated file holds up the next file for so many polls.
 *  */
const POLLS_MAX = 8;

export class LineEndWait {
  #polls = 0;

  /** Whether the next file has to wait for a poll. `isQuiet`: nothing was written since the last one. */
  isNeeded(reading: FileReading, isQuiet: boolean): boolean {
    const isNeeded = reading.hasOpenLine && !isQuiet && this.#polls < POLLS_MAX;
    this.#polls = isNeeded ? this.#polls + 1 : 0;
    return isNeeded;
  }
}
