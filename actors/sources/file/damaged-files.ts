/** Rotated files in which nothing new can be read: compressed, and damaged before the place up to which they
 *  were read under another name. */

import { crc32 } from 'node:zlib';
import { messageOf } from '../../../src/domain/errors.ts';
import type { SourceIo } from '../../../src/domain/source.ts';
import type { UnreadableFiles } from './alerts.ts';
import type { OpenFile } from './open-file.ts';
import { HEAD_BYTES_MAX, holdsPlace, readBytes, type FilePlace } from './place.ts';
import type { Successor } from './rotation.ts';

/** The next file that is not the one of `place`, compressed and damaged before that place: nothing of such a
 *  file can be read that was not read already. */
export async function passDamaged(
  find: () => Promise<Successor | null>,
  place: FilePlace,
  unreadable: UnreadableFiles,
): Promise<Successor | null> {
  for (;;) {
    const next = await find();
    const reason = next === null || next.isCurrent ? null : await damageBefore(next.file, place);
    if (next === null || reason === null) return next;
    unreadable.inodes.add(next.file.inode);
    unreadable.note(next.file.path, reason);
    await next.file.bytes.close();
  }
}

/** Why the content of a compressed file that begins as that of `place` cannot be read up to it; null: it can,
 *  or it is another content. */
async function damageBefore({ bytes }: OpenFile, place: FilePlace): Promise<string | null> {
  if (!bytes.isCompressed) return null;
  try {
    const head = await readBytes(bytes, 0, Math.min(place.offset, HEAD_BYTES_MAX));
    if (crc32(head) === place.headCrc) await holdsPlace(bytes, place);
    return null;
  } catch (error) {
    return messageOf(error);
  }
}

/** Whether a compressed file changes within `pollMs`: then it is being written, and not damaged. */
export async function isBeingWritten(
  { clock, signal }: Pick<SourceIo, 'clock' | 'signal'>,
  { bytes }: OpenFile,
  pollMs: number,
): Promise<boolean> {
  const before = await bytes.facts();
  await clock.sleep(pollMs, signal);
  const after = await bytes.facts();
  return before.sizeBytes !== after.sizeBytes || before.mtimeMs !== after.mtimeMs;
}
