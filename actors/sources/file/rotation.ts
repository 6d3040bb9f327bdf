/** Finds what rotation made of the file that a source reads: the file of a known position under its new
 *  name, and the file that was written after another.
 *
 *  A file is known by its inode and the checksums of its place. Where it was compressed or copied, the
 *  checksums alone must do; a file that was last written before the place was taken is not considered then.
 *  */

import { HeadgateError, messageOf } from '../../../src/domain/errors.ts';
import { inodeOf, isReadable, openIfThere, openRotated, type OpenFile } from './open-file.ts';
import { holdsPlace, type FilePosition } from './file-position.ts';
import { birthOf, listRotated, pathsOfInode, type RotatedFile, type RotationPlan } from './rotated-files.ts';
import { compressionOf } from './rotated-names.ts';

/** Listings that are compared before what one of them says is believed: a rotation may be under way. */
const TRIES_MAX = 10;

/** The file of `place` under another name than `path`, open; null where there is none. A file of that inode
 *  whose content is another one is not it. */
export async function findPlace(plan: RotationPlan, place: FilePosition): Promise<OpenFile | null> {
  for (let tries = 1; ; tries++) {
    const listed = await listRotated(plan);
    const found = (await findByInode(plan, place, listed)) ?? (await findByContent(place, listed));
    if (found !== null) return found;
    const again = await listRotated(plan);
    if (tries >= TRIES_MAX || sameFiles(listed, again)) return null;
  }
}

function sameFiles(before: readonly RotatedFile[], after: readonly RotatedFile[]): boolean {
  const text = (files: readonly RotatedFile[]) =>
    files.map(({ path, inode }) => `${inode} ${path}`).join('\n');
  return text(before) === text(after);
}

async function findByInode(
  plan: RotationPlan,
  place: FilePosition,
  listed: readonly RotatedFile[],
): Promise<OpenFile | null> {
  const known = listed.find(({ inode }) => inode === place.inode)?.path;
  for (const path of known === undefined ? await pathsOfInode(plan, place.inode) : [known]) {
    const file = await openIfHolds(path, place);
    if (file?.inode === place.inode) return file;
    await file?.bytes.close();
  }
  return null;
}

/** The file with the content of `place` that has another inode: a copy, or what was compressed. */
export async function findByContent(
  place: FilePosition,
  listed: readonly RotatedFile[],
): Promise<OpenFile | null> {
  const index = await indexByContent(place, listed);
  const path = listed[index]?.path;
  return path === undefined ? null : openIfHolds(path, place);
}

async function indexByContent(place: FilePosition, listed: readonly RotatedFile[]): Promise<number> {
  if (place.isBlank) return -1;
  // Some tools keep whole seconds only.
  const writtenAfterMs = place.mtimeMs === null ? 0 : Math.floor(place.mtimeMs / 1_000) * 1_000;
  for (const [index, { path, inode, mtimeMs, sizeBytes }] of listed.entries()) {
    if (inode === place.inode || mtimeMs < writtenAfterMs) continue;
    if (compressionOf(path) === '' && sizeBytes < place.offset) continue;
    const file = await openIfHolds(path, place);
    await file?.bytes.close();
    if (file !== null) return index;
  }
  return -1;
}

async function openIfHolds(path: string, place: FilePosition): Promise<OpenFile | null> {
  const file = await openRotated(path).catch(() => null);
  if (file === null) return null;
  // The content of an empty file identifies nothing: it must be the same file.
  const isOther = place.isBlank && file.birthMs !== place.birthMs;
  if (!isOther && (await holdsPlace(file.bytes, place).catch(() => false))) return file;
  await file.bytes.close();
  return null;
}

/** The file to read after another. */
export interface Successor {
  readonly file: OpenFile;
  readonly isCurrent: boolean;
  /** Whether the file before it was found, so that nothing between the two can be missing. */
  readonly isProven: boolean;
}

export interface Predecessor {
  readonly place: FilePosition;
  /** The time of its last writing. */
  readonly mtimeMs: number;
  /** Inodes and times of birth of files that are older than it. */
  readonly older: ReadonlySet<string>;
  /** Its content is gone. What has its inode now is another file, or was written over it. */
  readonly isLost: boolean;
}

/** Told of a file of the chain that cannot be read. */
export type OnUnreadable = (path: string, reason: string) => void;

/** The file that was written after `last`: the next one that was put aside, else the one that has the name
 *  now. Null while `last` itself has it, and while no file does.
 *  @throws HeadgateError HG_LINK_REFUSED (retry) where it cannot be opened for now. */
export async function nextFile(
  plan: RotationPlan,
  last: Predecessor,
  skipped: Set<string>,
  onUnreadable: OnUnreadable,
): Promise<Successor | null> {
  for (let tries = 1; ; tries++) {
    const chosen = await chooseNext(plan, last, skipped);
    if (chosen === null) return null;
    const file = await openChosen(chosen, skipped, onUnreadable);
    if (file === null && tries < TRIES_MAX) continue;
    if (file === null) return null;
    // A rotation during the search may have put another file between the two.
    const again = await chooseNext(plan, last, skipped);
    const isSame = again !== null && again.inode === file.inode;
    if (isSame || tries >= TRIES_MAX) {
      return { file, isCurrent: chosen.isCurrent, isProven: chosen.isProven };
    }
    await file.bytes.close();
  }
}

interface Choice {
  readonly path: string;
  readonly inode: string;
  readonly isCurrent: boolean;
  readonly isProven: boolean;
}

async function chooseNext(
  plan: RotationPlan,
  last: Predecessor,
  skipped: ReadonlySet<string>,
): Promise<Choice | null> {
  const current = await inodeOf(plan.path);
  if (current === last.place.inode && !last.isLost) return null;
  const { later, isProven } = await laterFiles(plan, last);
  const [next] = later.filter(({ inode }) => !skipped.has(inode));
  if (next !== undefined) return { path: next.path, inode: next.inode, isCurrent: false, isProven };
  return current === null ? null : { path: plan.path, inode: current, isCurrent: true, isProven };
}

interface Later {
  readonly later: RotatedFile[];
  readonly isProven: boolean;
}

/** The files put aside after `last`. */
async function laterFiles(plan: RotationPlan, last: Predecessor): Promise<Later> {
  const { place, isLost } = last;
  let listed = await listRotated(plan);
  if (isLost) return laterThanLost(listed, last);
  let index = listed.findIndex(({ inode }) => inode === place.inode);
  if (index < 0) {
    const [elsewhere] = await pathsOfInode(plan, place.inode);
    if (elsewhere !== undefined) {
      listed = await listRotated(plan, elsewhere);
      index = listed.findIndex(({ inode }) => inode === place.inode);
      if (index < 0) return { later: writtenAfter(listed, last), isProven: true };
    }
  }
  if (index < 0) index = await indexByContent(place, listed);
  if (index >= 0) return { later: listed.slice(index + 1), isProven: true };
  return laterThanLost(listed, last);
}

/** Where the file itself is gone, what was put aside after the one before it, or else what was written
 *  since. */
async function laterThanLost(listed: readonly RotatedFile[], last: Predecessor): Promise<Later> {
  const { isBlank } = last.place;
  for (let { before } = last.place; before !== null; before = before.before) {
    const index = await indexOf(before, listed);
    // A file without a record leaves nothing by which it could be found.
    if (index >= 0) return { later: listed.slice(index + 1), isProven: isBlank && !last.isLost };
  }
  return { later: writtenAfter(listed, last), isProven: false };
}

/** Where the file of `place` stands in the list, whatever has become of it; -1: nowhere. */
async function indexOf(place: FilePosition, listed: readonly RotatedFile[]): Promise<number> {
  const index = listed.findIndex(({ inode }) => inode === place.inode);
  const path = listed[index]?.path;
  const file = path === undefined ? null : await openIfHolds(path, place);
  await file?.bytes.close();
  return file === null ? indexByContent(place, listed) : index;
}

function writtenAfter(listed: readonly RotatedFile[], last: Predecessor): RotatedFile[] {
  const { mtimeMs, older, place, isLost } = last;
  // Some tools keep whole seconds only. A file that cannot be read brings no record again.
  const sinceMs = (path: string) => (isReadable(path) ? mtimeMs : Math.floor(mtimeMs / 1_000) * 1_000);
  const index = listed.findIndex(
    (file) =>
      (isLost && file.inode === place.inode) ||
      (file.mtimeMs >= sinceMs(file.path) && !older.has(birthOf(file))),
  );
  return index < 0 ? [] : listed.slice(index);
}

/** Null where the file cannot be read, or has another name by now. */
async function openChosen(
  { path, inode, isCurrent }: Choice,
  skipped: Set<string>,
  onUnreadable: OnUnreadable,
): Promise<OpenFile | null> {
  try {
    if (isCurrent) return await openIfThere(path);
    const file = await openRotated(path);
    if (file.inode === inode) return file;
    await file.bytes.close();
    return null;
  } catch (error) {
    const reason = error instanceof HeadgateError ? error.details['reason'] : undefined;
    if (reason === 'ENOENT' || reason === 'ENOTDIR') return null;
    if (isCurrent || !(isDenied(reason) || isNoFormat(error))) throw error;
    skipped.add(inode);
    onUnreadable(path, messageOf(error));
    return null;
  }
}

function isDenied(reason: unknown): boolean {
  return reason === 'EACCES' || reason === 'EPERM';
}

function isNoFormat(error: unknown): boolean {
  return error instanceof HeadgateError && error.code === 'HG_OPTION_INVALID';
}
