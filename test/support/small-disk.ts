/** A small disk of its own (tmpfs), to be filled or made read-only. Mounting needs root. */

import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';

export interface SmallDisk {
  readonly folder: string;
  /** Writes a file until nothing more fits. */
  fill(): void;
  /** Deletes that file. */
  free(): void;
  remount(option: 'ro' | 'rw'): void;
  unmount(): void;
}

/** Why no disk can be mounted here; undefined where one can. */
export function whyNoSmallDisk(): string | undefined {
  if (process.platform !== 'linux') return 'tmpfs is of Linux';
  // A mount in a namespace of its own: tried without leaving a trace.
  const probe = spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', '/mnt']);
  return probe.status === 0 ? undefined : 'mounting is refused here';
}

/** Makes the folder and mounts the disk on it. */
export function mountDiskAt(folder: string, megabytes: number): SmallDisk {
  mkdirSync(folder);
  mount('-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', folder);
  const ballast = `${folder}/ballast`;
  return {
    folder,
    fill: () => fillWith(ballast),
    free: () => rmSync(ballast),
    remount: (option) => mount('-o', `remount,${option}`, folder),
    unmount: () => void spawnSync('umount', ['--lazy', folder]),
  };
}

function mount(...parameters: string[]): void {
  const { status, stderr } = spawnSync('mount', parameters, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`mount ${parameters.join(' ')}: ${stderr}`);
}

function fillWith(path: string): void {
  const handle = openSync(path, 'a');
  try {
    for (;;) writeSync(handle, Buffer.alloc(4_096));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  } finally {
    closeSync(handle);
  }
}
