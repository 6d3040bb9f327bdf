/** The files that rotation has put aside, in their order: in the folder of the file, in that of the file it
 *  links to, and in the folders and globs of the option `rotated`. */

// Not all by name: an old Node, which has no glob, is to reach the check of its version.
import fs, { readdir, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { timeMs } from './file-bytes.ts';
import { inodeOf } from './open-file.ts';
import {
  compressionOf,
  inOrder,
  readName,
  rotatedName,
  type Ordered,
  type RotatedName,
} from './rotated-names.ts';
import { folderOf, isGlob } from './rotated-places.ts';

/** Where to look. */
export interface RotationPlan {
  readonly path: string;
  readonly rotated: readonly string[];
}

export interface RotatedFile extends Ordered {
  readonly path: string;
  readonly inode: string;
  readonly sizeBytes: number;
}

/** The files that rotation has put aside, oldest first. `alsoLike`: files whose names are of the family of
 *  this one count, too. */
export async function listRotated(plan: RotationPlan, alsoLike?: string): Promise<RotatedFile[]> {
  const current = await inodeOf(plan.path);
  const found = new Map<string, RotatedFile>();
  const target = await linkTarget(plan.path);
  let reached: RotatedFile | null = null;
  for (const [path, rotated] of await namesOf(plan, target, alsoLike)) {
    const file = await rotatedFile(path, rotated);
    if (file === null || found.has(file.inode)) continue;
    if (file.inode === current) reached = file;
    found.set(file.inode, file);
  }
  const ordered = withoutTwins(inOrder([...found.values()]));
  // A file younger than the target of the link was not rotated.
  if (reached === null) return ordered;
  const end = ordered.indexOf(reached);
  return target === null ? ordered.toSpliced(end, 1) : ordered.slice(0, end);
}

type Names = Map<string, RotatedName>;

async function namesOf(plan: RotationPlan, target: string | null, alsoLike?: string): Promise<Names> {
  const names: Names = new Map();
  const home = dirname(resolve(plan.path));
  const name = basename(plan.path);
  const like = alsoLike === undefined ? null : readName(basename(alsoLike));
  const add = async (folder: string, nameOf: (entry: string) => RotatedName | null) => {
    for (const entry of await readdir(folder).catch(() => [])) {
      const rotated = nameOf(entry);
      if (rotated !== null) names.set(join(folder, entry), rotated);
    }
  };
  const byFamily = (entry: string) => {
    const read = readName(entry);
    return like !== null && read.family === like.family && read.kind === like.kind ? read : null;
  };
  const byName = (entry: string) => rotatedName(entry, name) ?? byFamily(entry);
  await add(home, (entry) => (entry === name ? null : byName(entry)));
  if (target !== null) await add(dirname(target), sameFamily(basename(target)));
  if (like !== null)
    await add(dirname(resolve(alsoLike as string)), (entry) => (entry === name ? null : byName(entry)));
  for (const place of plan.rotated) {
    if (isGlob(place)) {
      for (const path of await matches(place))
        names.set(path, rotatedName(basename(path), name) ?? readName(path));
    } else {
      await add(resolve(place), (entry) => (entry === name ? readName(entry) : byName(entry)));
    }
  }
  names.delete(resolve(plan.path));
  return names;
}

function sameFamily(target: string): (entry: string) => RotatedName | null {
  const own = readName(target);
  return (entry) => {
    const read = readName(entry);
    return read.family === own.family && own.kind !== 'other' ? read : null;
  };
}

async function matches(pattern: string): Promise<string[]> {
  const paths: string[] = [];
  for await (const path of fs.glob(pattern)) paths.push(resolve(path));
  return paths;
}

/** The file that `path` is a link to, null where it is none. */
async function linkTarget(path: string): Promise<string | null> {
  try {
    const target = await realpath(path);
    return target === join(await realpath(dirname(resolve(path))), basename(path)) ? null : target;
  } catch {
    return null;
  }
}

async function rotatedFile(path: string, rotated: RotatedName): Promise<RotatedFile | null> {
  try {
    const facts = await stat(path, { bigint: true });
    if (!facts.isFile()) return null;
    return {
      ...{ path, rotated, inode: String(facts.ino), sizeBytes: Number(facts.size) },
      ...{ mtimeMs: timeMs(facts.mtimeNs), birthMs: timeMs(facts.birthtimeNs) },
    };
  } catch {
    // It has another name by now.
    return null;
  }
}

/** Of a file that is just being compressed, or moved to another file system, there are two: the plain one
 *  is whole. */
function withoutTwins(files: readonly RotatedFile[]): RotatedFile[] {
  const plain = new Set(
    files.filter(({ path }) => compressionOf(path) === '').map(({ rotated }) => rotated.plainName),
  );
  return files.filter(({ path, rotated }) => compressionOf(path) === '' || !plain.has(rotated.plainName));
}

/** The names of an inode in all folders, whatever they look like. */
export async function pathsOfInode(plan: RotationPlan, inode: string): Promise<string[]> {
  const target = await linkTarget(plan.path);
  const folders = new Set([dirname(resolve(plan.path)), ...plan.rotated.map(folderOf)]);
  if (target !== null) folders.add(dirname(target));
  const paths: string[] = [];
  for (const folder of folders) {
    for (const name of await readdir(folder).catch(() => [])) {
      const path = join(folder, name);
      if (path !== resolve(plan.path) && (await inodeOf(path)) === inode) paths.push(path);
    }
  }
  return paths;
}

/** Tells a file from a later one that was given the same inode. */
export function birthOf({ inode, birthMs }: Pick<RotatedFile, 'inode' | 'birthMs'>): string {
  return `${inode} ${birthMs}`;
}
