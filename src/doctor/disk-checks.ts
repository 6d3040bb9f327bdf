/** Whether the folder of a database can hold one: is there, can be written, has room, syncs in time, and lies
 *  on a file system whose locks and syncs mean something. */

import { open, readFile, realpath, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../domain/clock.ts';
import { messageOf } from '../domain/errors.ts';
import { ok, problem, warning, type Check, type Verdict } from './check.ts';
import { shownBytes } from './shown-bytes.ts';

const FREE_BYTES_PROBLEM = 64 * 1024 * 1024;
const FREE_BYTES_WARNING = 1024 * 1024 * 1024;
const FREE_SHARE_WARNING = 0.05;
const SYNCS = 15;
const SYNC_BYTES = 4_096;
const SYNC_MS_WARNING = 50;
const SYNC_MS_PROBLEM = 1_000;

/** File systems of other machines, where SQLite's locks or syncs do not hold. */
const REMOTE =
  /^(?:nfs\d?|cifs|smb\d?|smbfs|9p|afs|ceph|glusterfs|vboxsf|fuse\.(?:sshfs|s3fs|gcsfuse|rclone|glusterfs))$/;
const IN_MEMORY: ReadonlySet<string> = new Set(['tmpfs', 'ramfs', 'devtmpfs']);

/** @param mounts the system's table of mounts, as `/proc/self/mountinfo` has it; null: read it there */
export function diskChecks(folder: string, clock: Clock, mounts: string | null = null): Check[] {
  const local = (subject: string, run: Check['run']): Check => ({ subject, isService: false, run });
  return [
    local('disk space', () => spaceVerdict(folder)),
    local('disk writes', (signal) => writeVerdict(folder, clock, signal)),
    local('file system', () => kindVerdict(folder, mounts)),
  ];
}

async function spaceVerdict(folder: string): Promise<Verdict> {
  const missing = await missingFolder(folder);
  if (missing !== null) return missing;
  const { bsize, blocks, bavail } = await statfs(folder);
  const [free, size] = [bavail * bsize, blocks * bsize];
  const is = `${shownBytes(free)} of ${shownBytes(size)} are free in ${folder}`;
  const remedy = 'free space, choose another disk, or set storage.retention';
  if (free < FREE_BYTES_PROBLEM) return problem(is, remedy);
  return free < FREE_BYTES_WARNING || free < size * FREE_SHARE_WARNING ? warning(is, remedy) : ok(is);
}

async function missingFolder(folder: string): Promise<Verdict | null> {
  const found = await stat(folder).catch(() => null);
  if (found === null) return problem(`there is no folder ${folder}`, 'create it, or name another path');
  return found.isDirectory() ? null : problem(`${folder} is no folder`, 'name another path');
}

/** Writes a small file and syncs it, several times, as commits do. */
async function writeVerdict(folder: string, clock: Clock, signal: AbortSignal): Promise<Verdict> {
  const path = join(folder, `.headgate-doctor-${process.pid}-${Math.trunc(clock.monotonicMs())}`);
  const timesMs: number[] = [];
  try {
    const file = await open(path, 'wx', 0o600);
    try {
      const bytes = Buffer.alloc(SYNC_BYTES, 'headgate ');
      while (timesMs.length < SYNCS && !signal.aborted) {
        const beganMs = clock.monotonicMs();
        await file.write(bytes);
        await file.sync();
        timesMs.push(clock.monotonicMs() - beganMs);
      }
    } finally {
      await file.close();
    }
  } catch (error) {
    return problem(
      `${folder} cannot be written: ${messageOf(error)}`,
      'give it to the user that runs the gateway, or name another path',
    );
  } finally {
    await rm(path, { force: true });
  }
  const medianMs = timesMs.toSorted((a, b) => a - b)[timesMs.length >> 1] ?? 0;
  const median = `${medianMs.toFixed(1)} ms (median of ${timesMs.length})`;
  const is = `can be written; a write is on the disk after ${median}`;
  const remedy =
    'records wait for a sync before they are acknowledged: use a faster disk, or look for what keeps it busy';
  if (medianMs > SYNC_MS_PROBLEM) return problem(is, remedy);
  return medianMs > SYNC_MS_WARNING ? warning(is, remedy) : ok(is);
}

async function kindVerdict(folder: string, given: string | null): Promise<Verdict> {
  const mounts = given ?? (await readFile('/proc/self/mountinfo', 'utf8').catch(() => null));
  if (mounts === null) return ok('this system does not tell its kind');
  const place = await realpath(folder).catch(() => folder);
  const kind = kindOf(place, mounts);
  if (kind === null) return ok('its kind is not known');
  if (REMOTE.test(kind)) {
    return problem(
      `${folder} is on ${kind}, whose locks and syncs SQLite cannot rely on`,
      'keep the database on a disk of this machine',
    );
  }
  if (IN_MEMORY.has(kind)) {
    return warning(`${folder} is on ${kind}: in memory, and gone after a restart`, 'name a path on a disk');
  }
  if (kind === 'overlay') {
    return warning(
      `${folder} is on overlay: it belongs to the container and goes with it`,
      'mount a volume for the database',
    );
  }
  return ok(kind);
}

/** The kind of the file system with the longest mount point that holds the path. Where one was mounted over
 *  another, the later line counts. */
function kindOf(path: string, mounts: string): string | null {
  let best: { readonly point: string; readonly kind: string } | null = null;
  for (const line of mounts.split('\n')) {
    const [before = '', after = ''] = line.split(' - ');
    const point = unescaped(before.split(' ')[4] ?? '');
    const kind = after.split(' ')[0] ?? '';
    const holds =
      point !== '' && (path === point || path.startsWith(point.endsWith('/') ? point : `${point}/`));
    if (holds && point.length >= (best?.point.length ?? 0)) best = { point, kind };
  }
  return best?.kind ?? null;
}

/** Blanks and the like are octal there. */
function unescaped(text: string): string {
  return text.replaceAll(/\\(\d{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
