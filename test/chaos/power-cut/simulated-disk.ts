/** A disk as bad as POSIX allows: what a sync covered is there after a power cut; of all else any part may
 *  be, in sectors, in any order, and none of it must. So too for names: only a sync of the folder makes them
 *  last. */

import { dirname } from 'node:path';
import type { Random } from '../../../src/domain/random.ts';
import type { DiskOperation } from './disk-operation.ts';
import { createFileContent, type Change, type FileContent } from './file-content.ts';

/** What becomes of that which no sync covered. `drop`: nothing of it is there. `keep`: all of it is. `some`:
 *  each write whole or not at all. `torn`: each sector by itself. */
export type CutMode = 'drop' | 'keep' | 'some' | 'torn';
export const CUT_MODES: readonly CutMode[] = ['drop', 'keep', 'some', 'torn'];

const SECTOR_BYTES = 512;

type NameChange = { readonly path: string; readonly file: File | null };

interface File {
  readonly durable: FileContent;
  pending: Change[];
}

export interface SimulatedDisk {
  apply(operation: DiskOperation): void;
  /** The files as they are found after a cut of the power at this moment. Changes nothing. */
  afterCut(mode: CutMode, random: Random): Map<string, Buffer>;
}

export function createSimulatedDisk(): SimulatedDisk {
  const visible = new Map<string, File>();
  const durableNames = new Map<string, File>();
  let pendingNames: NameChange[] = [];

  const rename = (path: string, file: File | null) => {
    if (file === null) visible.delete(path);
    else visible.set(path, file);
    pendingNames.push({ path, file });
  };
  const sync = (path: string) => {
    const file = visible.get(path);
    if (file !== undefined) {
      for (const change of file.pending) file.durable.apply(change);
      file.pending = [];
      return;
    }
    for (const change of pendingNames.filter((one) => dirname(one.path) === path))
      setName(durableNames, change);
    pendingNames = pendingNames.filter((one) => dirname(one.path) !== path);
  };
  return {
    apply(operation) {
      switch (operation.kind) {
        case 'create':
          rename(operation.path, { durable: createFileContent(), pending: [] });
          break;
        case 'write':
        case 'truncate':
          visible.get(operation.path)?.pending.push(operation);
          break;
        case 'rename': {
          const file = visible.get(operation.path);
          if (file === undefined) break;
          rename(operation.to, file);
          rename(operation.path, null);
          break;
        }
        case 'unlink':
          rename(operation.path, null);
          break;
        case 'sync':
          sync(operation.path);
          break;
        case 'note':
          break;
      }
    },
    afterCut(mode, random) {
      const names = new Map(durableNames);
      // The journal of a file system keeps the order of names.
      const kept =
        mode === 'drop' ? 0 : mode === 'keep' ? pendingNames.length : random.integer(0, pendingNames.length);
      for (const change of pendingNames.slice(0, kept)) setName(names, change);
      const contents = new Map<File, Buffer>();
      return new Map(
        [...names].map(([path, file]) => {
          const content = contents.get(file) ?? contentAfterCut(file, mode, random);
          contents.set(file, content);
          return [path, content];
        }),
      );
    },
  };
}

function setName(names: Map<string, File>, { path, file }: NameChange): void {
  if (file === null) names.delete(path);
  else names.set(path, file);
}

function contentAfterCut(file: File, mode: CutMode, random: Random): Buffer {
  const content = createFileContent(file.durable.bytes());
  const isLucky = () => mode === 'keep' || (mode !== 'drop' && random.next() < 0.5);
  for (const change of file.pending) {
    const pieces = mode === 'torn' && change.kind === 'write' ? sectorsOf(change) : [change];
    for (const piece of pieces) if (isLucky()) content.apply(piece);
  }
  return content.bytes();
}

function sectorsOf({ path, at, bytes }: Extract<Change, { kind: 'write' }>): Change[] {
  const pieces: Change[] = [];
  for (let from = at; from < at + bytes.length;) {
    const to = Math.min((Math.floor(from / SECTOR_BYTES) + 1) * SECTOR_BYTES, at + bytes.length);
    pieces.push({ kind: 'write', path, at: from, bytes: bytes.subarray(from - at, to - at) });
    from = to;
  }
  return pieces;
}
