/** A row with a quote that is not closed holds up the rows behind it until it is, or until they are more than
 *  a line may hold. Nothing shows that, so it is an alert after a while. */

import { LIMITS } from '../../../src/domain/limits.ts';
import type { SourceIo } from '../../../src/domain/source.ts';
import type { FileReading } from './reading.ts';

export class OpenRowWatch {
  #row = '';
  #sinceMonoMs = 0;
  #isTold = false;

  /** At the end of what there is. */
  look(io: SourceIo, reading: FileReading): void {
    if (!reading.hasOpenQuotes) {
      this.#row = '';
      return;
    }
    const { offset, line } = reading.place;
    const { path } = reading.file;
    const row = `${reading.inode} ${offset}`;
    const monoMs = io.clock.monotonicMs();
    if (row !== this.#row) {
      this.#row = row;
      this.#sinceMonoMs = monoMs;
      this.#isTold = false;
    }
    if (this.#isTold || monoMs - this.#sinceMonoMs < LIMITS.openQuotesMs) return;
    this.#isTold = true;
    const message =
      `"${path}" has a quote in line ${line} that is not closed; the rows behind it wait for its end, ` +
      'or until they are longer than lineBytesMax together';
    io.alert('FILE_ROW_OPEN', message, { path, offset, line });
  }
}
