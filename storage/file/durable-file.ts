/** Files that outlive a power cut. */

import {
  closeSync,
  fchmodSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';

/** Files that hold data are for their owner alone, unless somebody has given them another mode. */
export const PRIVATE_MODE = 0o600;

/** The mode of what stands at this name, or of a file that is to be made there. */
export function modeFor(file: string): number {
  const stat = statSync(file, { throwIfNoEntry: false });
  return stat === undefined ? PRIVATE_MODE : stat.mode & 0o777;
}

/** Makes an empty file for its owner alone, unless there is one. SQLite gives a database's log and shared
 *  memory the mode of the database. Never throws: where the file cannot be made, opening it says why. */
export function makePrivate(file: string): void {
  try {
    closeSync(openSync(file, 'wx', PRIVATE_MODE));
  } catch {
    // It is there, or cannot be made.
  }
}

/** Makes what was created, renamed or deleted in the folder of `file` durable. */
export function syncFolderOf(file: string): void {
  const folder = openSync(dirname(file), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** Forces a file to the disk. No connection of this process may be open to it. */
export function syncFile(file: string): void {
  const descriptor = openSync(file, 'r+');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Makes this folder, with those above it, unless it is there. That it is there is durable either way. */
export function makeFolder(folder: string): void {
  const topmost = mkdirSync(folder, { recursive: true }) ?? folder;
  const top = resolve(topmost);
  for (let made = resolve(folder); made !== top; made = dirname(made)) syncFolderOf(made);
  syncFolderOf(top);
}

/** Makes a file or replaces it as a whole: after a crash there is the old one or the new one, and perhaps an
 *  unfinished one whose name ends in `suffix`. It keeps its mode; a new one is for its owner alone. */
export function replaceFile(file: string, text: string, suffix = '.new'): void {
  const unfinished = `${file}${suffix}`;
  const bytes = Buffer.from(text);
  const mode = modeFor(file);
  const descriptor = openSync(unfinished, 'w', PRIVATE_MODE);
  try {
    fchmodSync(descriptor, mode);
    // A write may take less than it was given, as on a disk that is nearly full.
    for (let written = 0; written < bytes.length;) written += writeSync(descriptor, bytes, written);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(unfinished, file);
  syncFolderOf(file);
}
