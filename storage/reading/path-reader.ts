/** A reader of whatever database stands at a path at the moment. An engine that finds its file damaged moves
 *  it aside and begins a fresh one of the same name; a restore puts another one there. The open connection
 *  goes on reading the old one, so each question first looks which file bears the name. */

import { statSync } from 'node:fs';
import { HeadgateError } from '../../src/domain/errors.ts';
import { openTimelineReader } from './open-timeline-reader.ts';
import { existingFile } from '../file/readable-database.ts';
import type { TimelineReader } from './timeline-reader.ts';

export interface PathReader {
  /** Opens the file unless it is open already. Throws what the reader throws. */
  ask<Result>(question: (reader: TimelineReader) => Result): Result;
  close(): void;
}

export function createPathReader(path: string): PathReader {
  let reader: TimelineReader | null = null;
  /** Which file is open. While it is, no other one can get its inode. */
  let openFile = '';
  const close = () => {
    reader?.close();
    reader = null;
  };
  const current = (): TimelineReader => {
    const found = identityOf(path);
    if (reader !== null && found === openFile) return reader;
    close();
    existingFile(path);
    // Were it replaced right now, the name would be of the one before, and the next question opens it anew.
    openFile = found;
    return (reader = openTimelineReader(path));
  };
  return {
    ask(question) {
      try {
        return question(current());
      } catch (error) {
        // What the connection has come to is not known; a bad filter or an unknown actor leaves it as it was.
        if (!(error instanceof HeadgateError) || error.code.startsWith('HG_STORAGE_')) close();
        throw error;
      }
    },
    close,
  };
}

/** Only its name is looked at: a file descriptor on it, once closed, would take away the locks of every
 *  connection that this process has to it. */
function identityOf(path: string): string {
  const stat = statSync(path.trim(), { bigint: true, throwIfNoEntry: false });
  return stat === undefined ? '' : `${stat.dev}:${stat.ino}`;
}
