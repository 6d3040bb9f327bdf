/** The high-water mark beside a database, `<file>-mark`: how far its logs had come.
 *
 *  A write-ahead log that was cut short opens as a sound database that lacks its last rows, and SQLite has no
 *  way to know. The mark has: it is written now and then after a commit, never before, so a database that
 *  knows less than its mark has lost rows. It is no journal: rows after the last mark are not its matter. */

import { readBoundedText } from './bounded-file.ts';
import { crc32 } from 'node:zlib';
import { replaceFile } from './durable-file.ts';

export interface Mark {
  /** The database it speaks of: a mark of another one means nothing. */
  readonly dbUuid: string;
  /** The last numbers given out. */
  readonly timelineSeq: number;
  readonly recordSeq: number;
  readonly incarnation: number;
  /** The last link of the timeline's chain; null where there is none. */
  readonly link: { readonly seq: number; readonly hash: string } | null;
}

/** A mark has a few hundred. */
const MARK_BYTES_MAX = 64 * 1024;

/** `null`: there is none. `unreadable`: there is one that cannot be trusted. */
export function readMark(file: string): Mark | null | 'unreadable' {
  let text: string;
  try {
    text = readBoundedText(markFileOf(file), { bytesMax: MARK_BYTES_MAX });
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? null : 'unreadable';
  }
  try {
    const { mark, crc } = JSON.parse(text) as { mark: Mark; crc: unknown };
    return crc === checksumOf(mark) ? mark : 'unreadable';
  } catch {
    return 'unreadable';
  }
}

/** Throws the errors of the file system; the mark that stood there stays then. */
export function writeMark(file: string, mark: Mark): void {
  replaceFile(markFileOf(file), `${JSON.stringify({ mark, crc: checksumOf(mark) })}\n`);
}

export function markFileOf(file: string): string {
  return `${file}-mark`;
}

/** A reader's message where there is no database: that one was there, and how far it had come. */
export function lossHint(file: string): string | null {
  const mark = readMark(file);
  if (mark === null) return null;
  if (mark === 'unreadable')
    return `${markFileOf(file)} says that a database stood there; it is lost or moved`;
  const { recordSeq, timelineSeq } = mark;
  return (
    `the mark beside it knows a database with ${recordSeq} records and ${timelineSeq} timeline rows ` +
    'that is lost or moved; put it back, or restore a backup'
  );
}

function checksumOf(mark: Mark): number {
  return crc32(JSON.stringify(mark));
}
