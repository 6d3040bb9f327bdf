/** Where the reading goes on after a restart: the file of the last committed place, under whatever name it
 *  has now, or what came after it. */

import type { SourceIo } from '../../../src/domain/source.ts';
import { alertMissing, type UnreadableFiles } from './alerts.ts';
import { isBeingWritten, passDamaged } from './damaged-files.ts';
import { notThere, openFile, type OpenFile } from './open-file.ts';
import { HEAD_BYTES_MAX, holdsPlace, type FilePosition } from './file-position.ts';
import type { Start } from './reading.ts';
import type { FollowPlan } from './follow-plan.ts';
import { findPlace, nextFile, type Predecessor } from './rotation.ts';

export interface Resumption {
  readonly file: OpenFile;
  readonly start: Start;
  /** Whether the file has the name that is followed. */
  readonly isCurrent: boolean;
}

interface Context {
  readonly io: SourceIo;
  readonly plan: FollowPlan;
  readonly unreadable: UnreadableFiles;
}

/** `current`: the file that has the name. Null where the run is over before the place is found.
 *  @throws HeadgateError where no file can be read for now. */
export async function resumption(
  place: FilePosition,
  current: OpenFile | null,
  context: Context,
): Promise<Resumption | null> {
  const { io, plan, unreadable } = context;
  const here = (file: OpenFile) => ({ file, start: place, isCurrent: true });
  const isHere = current !== null && current.inode === place.inode;
  if (isHere && (await holdsPlace(current.bytes, place))) return here(current);
  const found = await findPlace(plan, place);
  if (found !== null) return { file: found, start: place, isCurrent: false };
  const isCopy = current !== null && !isHere && place.offset >= HEAD_BYTES_MAX;
  if (isCopy && (await holdsPlace(current.bytes, place))) return here(current);
  const lost: Predecessor = {
    ...{ place, mtimeMs: place.mtimeMs ?? Number.POSITIVE_INFINITY, older: new Set(), isLost: true },
  };
  const next = await passDamaged(
    () => nextFile(plan, lost, unreadable.inodes, unreadable.note),
    place,
    unreadable,
    (file) => isBeingWritten(io, file, plan.pollMs),
  );
  if (next === 'changed') return io.signal.aborted ? null : resumption(place, current, context);
  if (next === null) {
    // Tells why there is nothing.
    await (await openFile(plan.path)).bytes.close();
    throw notThere(plan.path);
  }
  if (!unreadable.tell(io, place.offset))
    alertMissing(io, plan.path, isHere ? 'FILE_REWRITTEN' : 'FILE_LOST', place.offset, 0);
  return { file: next.file, start: { from: 'beginning' }, isCurrent: next.isCurrent };
}
