/** Files that were read, and how far: a link may be turned back to one of them, or one may be renamed back.
 *  Its lines are not to be given again. */

import type { SourceIo } from '../../../src/domain/source.ts';
import { alertRepeated } from './alerts.ts';
import type { OpenFile } from './open-file.ts';
import { HEAD_BYTES_MAX, holdsPlace, type FilePosition } from './file-position.ts';
import type { Start } from './reading.ts';
import { birthOf } from './rotated-files.ts';

/** Of so many files the place is known at most, the latest ones. After a restart it is that of the file
 *  before the present one. */
const READ_FILES_MAX = 64;

export class ReadFiles {
  readonly #places = new Map<string, FilePosition>();

  add(place: FilePosition): void {
    if (place.isBlank || place.birthMs === null) return;
    const key = birthOf({ inode: place.inode, birthMs: place.birthMs });
    this.#places.delete(key);
    this.#places.set(key, { ...place, before: null });
    const [oldest] = this.#places.keys();
    if (this.#places.size > READ_FILES_MAX && oldest !== undefined) this.#places.delete(oldest);
  }

  /** Where the reading of `file` is to begin: behind what was read of it at an earlier time, if it was not
   *  written over since. An alert where it may have been read, and it is not known how far. */
  async startIn(io: SourceIo, file: OpenFile, start: Start, isCurrent: boolean): Promise<Start> {
    if ('offset' in start) return start;
    const known = this.#places.get(birthOf(file));
    if (known !== undefined && (await holdsPlace(file.bytes, known).catch(() => false))) return known;
    const reason = isCurrent ? await this.#repeats(file) : null;
    if (reason !== null) alertRepeated(io, file.path, reason);
    return start;
  }

  /** Why lines of `file`, which has the name now, may have been given already though its place is not known;
   *  null: nothing says so. */
  async #repeats(file: OpenFile): Promise<string | null> {
    if (file.sizeBytes === 0) return null;
    const last = [...this.#places.values()].at(-1);
    if (last !== undefined && isOlder(file, last)) {
      return 'it is older than the file that was read before it';
    }
    for (const place of this.#places.values()) {
      // A few lines alone are no sign of a copy.
      if (place.offset < HEAD_BYTES_MAX || place.offset > file.sizeBytes) continue;
      if (await holdsPlace(file.bytes, place)) return 'it begins as a file that was read before it';
    }
    return null;
  }
}

/** A file may be made before it is used, and one that was put aside may be written to late: birth and last
 *  writing must agree. A file that was last written to before it was made was copied or compressed. */
function isOlder(file: OpenFile, { birthMs, mtimeMs }: FilePosition): boolean {
  if (birthMs === null || mtimeMs === null || mtimeMs < birthMs) return false;
  return file.birthMs < birthMs && file.mtimeMs < mtimeMs;
}
