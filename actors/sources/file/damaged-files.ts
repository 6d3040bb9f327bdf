/** Rotated files in which nothing new can be read: compressed, and damaged before the place up to which they
 *  were read under another name. */

import { crc32 } from 'node:zlib';
import { LIMITS } from '../../../src/domain/limits.ts';
import { messageOf } from '../../../src/domain/errors.ts';
import type { SourceIo } from '../../../src/domain/source.ts';
import type { UnreadableFiles } from './alerts.ts';
import type { OpenFile } from './open-file.ts';
import { HEAD_BYTES_MAX, holdsPlace, readBytes, type FilePosition } from './file-position.ts';
import type { Successor } from './rotation.ts';

/** The next file that is not the one of `place`, compressed and damaged before that place: nothing of such a
 *  file can be read that was not read already. `changed`: there was one that is still being written. */
export async function passDamaged(
  find: () => Promise<Successor | null>,
  place: FilePosition,
  unreadable: UnreadableFiles,
  isWritten: (file: OpenFile) => Promise<boolean>,
): Promise<Successor | null | 'changed'> {
  for (;;) {
    const next = await find();
    const reason = next === null || next.isCurrent ? null : await damageBefore(next.file, place);
    if (next === null || reason === null) return next;
    const { file } = next;
    const hasChanged = await isWritten(file);
    await file.bytes.close();
    if (hasChanged) return 'changed';
    unreadable.inodes.add(file.inode);
    unreadable.note(file.path, reason);
  }
}

/** Why the content of a compressed file that begins as that of `place` cannot be read up to it; null: it can,
 *  or it is another content. */
async function damageBefore({ bytes }: OpenFile, place: FilePosition): Promise<string | null> {
  if (!bytes.isCompressed) return null;
  try {
    const head = await readBytes(bytes, 0, Math.min(place.offset, HEAD_BYTES_MAX));
    if (crc32(head) === place.headCrc) await holdsPlace(bytes, place);
    return null;
  } catch (error) {
    return messageOf(error);
  }
}

/** Waits until a compressed file changes, which then is being written and not damaged. Returns false where it
 *  does not for a while, or was last written to long ago; true where the run ends meanwhile. */
export async function isBeingWritten(
  { clock, signal }: Pick<SourceIo, 'clock' | 'signal'>,
  { bytes, sizeBytes, mtimeMs }: OpenFile,
  pollMs: number,
): Promise<boolean> {
  const ageMs = clock.wallMs() - mtimeMs;
  const quietMs = ageMs < LIMITS.compressedOldMs ? LIMITS.compressedQuietMs : pollMs;
  const endMonoMs = clock.monotonicMs() + quietMs;
  for (;;) {
    const now = await bytes.facts();
    if (signal.aborted || now.sizeBytes !== sizeBytes || now.mtimeMs !== mtimeMs) return true;
    if (clock.monotonicMs() >= endMonoMs) return false;
    await clock.sleep(Math.min(pollMs, endMonoMs - clock.monotonicMs()), signal);
  }
}
