/** When the mark beside the file is written: never on behalf of one commit, but after many of them, at each
 *  maintenance and at the close. A mark that cannot be written is no reason to stop: the one before stays,
 *  and is true, if of less. */

import type { StoreTail } from '../commit-writer.ts';
import { writeMark } from '../file/mark-file.ts';

/** Writing a mark costs about what two commits cost. */
const COMMITS_PER_MARK = 256;

export interface MarkWriter {
  /** After each commit. */
  committed(): void;
  /** Writes the mark unless nothing was committed since the last one. */
  write(): void;
}

/** `file` is null for a database without one. */
export function createMarkWriter(file: string | null, dbUuid: string, tail: () => StoreTail): MarkWriter {
  // A store that was only opened has a mark to write too: its first one.
  let commits = 1;
  const write = () => {
    if (file === null || commits === 0) return;
    try {
      writeMark(file, { dbUuid, ...tail() });
      commits = 0;
    } catch {
      // Tried again after as many commits, or at the close.
      commits = 1;
    }
  };
  return {
    committed() {
      commits++;
      if (commits > COMMITS_PER_MARK) write();
    },
    write,
  };
}
