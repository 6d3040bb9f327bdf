/** Files that outlive a power cut. */

import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/** Makes what was created, renamed or deleted in the folder of `file` durable. */
export function syncFolderOf(file: string): void {
  const folder = openSync(dirname(file), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** Replaces a file as a whole: after a crash there is the old one or the new one. */
export function replaceFile(file: string, text: string): void {
  const next = `${file}.new`;
  const handle = openSync(next, 'w');
  try {
    writeSync(handle, text);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(next, file);
  syncFolderOf(file);
}
