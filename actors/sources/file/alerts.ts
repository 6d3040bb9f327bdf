/** Alerts about content that could not be read. */

import type { SourceIo } from '../../../src/domain/source.ts';

/** The file at `path` no longer holds what it held after `offset`. `unreadBytes`: known to have been there.
 *  */
export function alertMissing(
  io: SourceIo,
  path: string,
  event: 'FILE_REWRITTEN' | 'FILE_LOST',
  offset: number,
  unreadBytes: number,
): void {
  const what =
    event === 'FILE_LOST' ? 'was removed, or moved where it is not found' : 'was rewritten in place';
  const known = unreadBytes === 0 ? '' : `, ${unreadBytes} bytes at least`;
  const message = `"${path}" ${what}; what it held after offset ${offset} may be missing${known}`;
  io.alert(event, message, { path, offset, ...(unreadBytes === 0 ? {} : { unreadBytes }) });
}

export function alertUnreadable(io: SourceIo, path: string, offset: number, reason: string): void {
  const problem = `cannot be read from offset ${offset} and is left out: ${reason}`;
  io.alert('FILE_UNREADABLE', `the rotated file "${path}" ${problem}`, { path, offset });
}
