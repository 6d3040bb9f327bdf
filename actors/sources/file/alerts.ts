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

/** The file at `path` is read from its beginning. */
export function alertRepeated(io: SourceIo, path: string, reason: string): void {
  const message = `"${path}" may have been read already: ${reason}; its lines are given from the beginning`;
  io.alert('FILE_REPEATED', message, { path, offset: 0, reason });
}

/** `offset`: how far its content was read before; 0: nothing of it was. */
export function alertUnreadable(io: SourceIo, path: string, offset: number, reason: string): void {
  const read = offset === 0 ? 'it is left out' : `what it holds after offset ${offset} is left out`;
  io.alert('FILE_UNREADABLE', `the rotated file "${path}" cannot be read: ${reason}; ${read}`, {
    ...{ path, offset, reason },
  });
}

/** Rotated files that cannot be read. They are met before it is known what comes after them: until then they
 *  wait to be reported, each once. */
export class UnreadableFiles {
  /** They are not looked at again. */
  readonly inodes = new Set<string>();
  #untold: { readonly path: string; readonly reason: string }[] = [];

  readonly note = (path: string, reason: string): void => {
    this.#untold.push({ path, reason });
  };

  /** Reports them. `offset`: where the reading of the file before the first of them ended, if that file is
   *  not found elsewhere: the first one is taken for it, under its new name. Returns whether there were any.
   *  */
  tell(io: SourceIo, offset: number): boolean {
    const untold = this.#untold;
    this.#untold = [];
    for (const [index, { path, reason }] of untold.entries()) {
      alertUnreadable(io, path, index === 0 ? offset : 0, reason);
    }
    return untold.length > 0;
  }
}
