/** The files beside the one being written: `readings.000001.20200101T000000Z.ndjson` was `readings.ndjson`.
 *  Their order is that of their numbers; the time is for the reader. */

import { open, readdir, rename, unlink } from 'node:fs/promises';
import { dirname, extname, basename, join } from 'node:path';

export interface RotatedFile {
  readonly path: string;
  readonly number: number;
}

/** The rotated files of `path`, oldest first. */
export async function rotatedFiles(path: string): Promise<RotatedFile[]> {
  const { folder, stem, extension } = partsOf(path);
  const files: RotatedFile[] = [];
  for (const name of await readdir(folder)) {
    if (!name.startsWith(`${stem}.`) || !name.endsWith(extension)) continue;
    const middle = name.slice(stem.length, name.length - extension.length);
    const [, digits] = /^\.(\d{6,15})\.\d{8}T\d{6}Z$/.exec(middle) ?? [];
    if (digits !== undefined) files.push({ path: join(folder, name), number: Number(digits) });
  }
  return files.sort((a, b) => a.number - b.number);
}

/** Gives the file its lasting name and removes those that are too many. */
export async function rotate(path: string, nowMs: number, keepFiles: number | null): Promise<void> {
  const { folder, stem, extension } = partsOf(path);
  const before = await rotatedFiles(path);
  const number = String((before.at(-1)?.number ?? 0) + 1).padStart(6, '0');
  const time = new Date(nowMs).toISOString().replaceAll(/[-:]|\.\d+/g, '');
  await rename(path, join(folder, `${stem}.${number}.${time}${extension}`));
  const excess = keepFiles === null ? 0 : before.length + 1 - keepFiles;
  for (const file of before.slice(0, Math.max(excess, 0))) await unlink(file.path);
}

/** Makes names durable that were given or taken away in the folder of `path`. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function partsOf(path: string): { folder: string; stem: string; extension: string } {
  const extension = extname(path);
  return { folder: dirname(path), stem: basename(path, extension), extension };
}
