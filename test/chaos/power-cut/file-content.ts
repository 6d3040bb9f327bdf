/** The bytes of one file of the simulated disk. Writing many small pieces costs no copies of the whole. */

import type { DiskOperation } from './disk-operation.ts';

export type Change = Extract<DiskOperation, { kind: 'write' | 'truncate' }>;

export interface FileContent {
  apply(change: Change): void;
  /** A copy. */
  bytes(): Buffer;
}

export function createFileContent(initial: Uint8Array = Buffer.alloc(0)): FileContent {
  // All bytes from `size` up are zero.
  let room = Buffer.from(initial);
  let size = initial.length;
  const resize = (wanted: number) => {
    if (wanted < size) room.fill(0, wanted, size);
    if (wanted > room.length) room = Buffer.concat([room], Math.max(wanted, room.length * 2));
    size = wanted;
  };
  return {
    apply(change) {
      if (change.kind === 'truncate') resize(change.size);
      else {
        resize(Math.max(size, change.at + change.bytes.length));
        change.bytes.copy(room, change.at);
      }
    },
    bytes: () => Buffer.from(room.subarray(0, size)),
  };
}
