/** How the database is: whose it is, whether its pages are sound, who holds it, and what its log says of the
 *  clock. Nothing is written to it. */

import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { engineLockHolder } from '../../storage/file/engine-lock.ts';
import { inspectDatabase } from '../../storage/file/inspect-database.ts';
import { lossHint } from '../../storage/file/mark-file.ts';
import { readPendingRestore } from '../../storage/file/pending-restore.ts';
import { openTimelineReader } from '../../storage/reading/open-timeline-reader.ts';
import type { Clock } from '../domain/clock.ts';
import { HeadgateError, messageOf } from '../domain/errors.ts';
import { ok, problem, warning, type Check, type Verdict } from './check.ts';
import { shownBytes } from './shown-bytes.ts';

/** Every page of a file up to this size is read; that takes about a second per gigabyte. */
const READ_BYTES_MAX = 256 * 1024 * 1024;
const WAL_BYTES_WARNING = 256 * 1024 * 1024;
const DAY_MS = 86_400_000;
/** A row may be this much newer than the clock, for clocks are set. */
const FUTURE_MS_MAX = 5_000;
const JUMPS_WARNING = 10;

export function databaseChecks(path: string, clock: Clock): Check[] {
  const file = resolve(path);
  const local = (subject: string, run: () => Verdict): Check => ({ subject, isService: false, run });
  const itself = local('database', () => fileVerdict(file));
  if (statSync(file, { throwIfNoEntry: false }) === undefined) return [itself];
  return [
    itself,
    local('database access', () => accessVerdict(file)),
    local('database log', () => walVerdict(file)),
    local('database lock', () => lockVerdict(file)),
    local('database clock', () => clockVerdict(file, clock)),
  ];
}

function fileVerdict(file: string): Verdict {
  if (readPendingRestore(file) !== null) {
    return warning(
      `a restore of ${file} was cut off`,
      'start the gateway, or restore again: it is finished then',
    );
  }
  const bytes = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  const isReadWhole = bytes <= READ_BYTES_MAX;
  try {
    const found = inspectDatabase(file, { checkPages: isReadWhole });
    switch (found) {
      case 'absent':
      case 'blank': {
        const hint = lossHint(file);
        if (hint !== null) {
          return problem(
            `${file} is ${found === 'absent' ? 'not there' : 'empty'}; ${hint}`,
            'the next start begins a fresh one and raises STORAGE_GONE',
          );
        }
        if (found === 'blank') return ok(`${file} is empty: the first start fills it`);
        return ok(`there is no ${file} yet: the first start makes it`);
      }
      case 'foreign':
        return problem(`${file} is a database of another program`, 'name another path');
      case 'unreadable':
        return problem(`${file} is no SQLite database`, 'name another path');
      case 'damaged':
        return problem(
          `${file} is damaged`,
          'the next start moves it aside and begins a fresh one; restore a backup if you have one',
        );
      case 'ours': {
        const read = isReadWhole ? 'every page is sound' : '`headgate verify` reads all of it';
        return ok(`${file}, ${shownBytes(bytes)}: ${read}`);
      }
    }
  } catch (error) {
    return problem(messageOf(error), remedyFor(error));
  }
}

function remedyFor(error: unknown): string {
  const code = error instanceof HeadgateError ? error.code : null;
  if (code === 'HG_STORAGE_VERSION') return 'run the Headgate that wrote it, or a newer one';
  if (code === 'HG_STORAGE_BUSY') return 'end what holds it locked';
  return 'see that the user who runs the gateway may read and write it';
}

/** Files that hold data, by what comes after the name of the database. */
const DATA_SUFFIXES = ['', '-wal', '-shm', '-mark', '-lock'] as const;

/** Files of older versions, and those that somebody made, keep their mode. */
function accessVerdict(file: string): Verdict {
  const open = DATA_SUFFIXES.map((suffix) => file + suffix).filter((name) => {
    const mode = statSync(name, { throwIfNoEntry: false })?.mode ?? 0;
    return (mode & 0o007) !== 0;
  });
  if (open.length === 0) return ok('no other user may read or write its files');
  return warning(`other users may read or write ${open.join(', ')}`, `chmod 600 ${open.join(' ')}`);
}

function walVerdict(file: string): Verdict {
  const bytes = statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  const is = `its write-ahead log has ${shownBytes(bytes)}`;
  if (bytes < WAL_BYTES_WARNING) return ok(is);
  return warning(is, 'something reads the database and never ends: close it, and the log shrinks by itself');
}

function lockVerdict(file: string): Verdict {
  const holder = engineLockHolder(file);
  if (holder === null) return ok('no engine holds it');
  if (holder.pid === null) return ok('an engine holds it');
  return ok(`an engine holds it: process ${holder.pid}${commandOf(holder.pid)}`);
}

/** The program and its script; further arguments may be secret. */
function commandOf(pid: number): string {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, 2);
    return ` (${words.filter((word) => word !== '').join(' ')})`;
  } catch {
    return '';
  }
}

/** The clock as the timeline saw it: whether it is behind the last row, and how often it jumped. */
function clockVerdict(file: string, clock: Clock): Verdict {
  if (statSync(file).size === 0) return ok('nothing was logged yet');
  const nowMs = clock.wallMs();
  const reader = openTimelineReader(file);
  try {
    const lastMs = reader.timeline({ limit: 1 })[0]?.['at_ms'];
    if (typeof lastMs === 'number' && lastMs > nowMs + FUTURE_MS_MAX) {
      return warning(
        `the clock is ${Math.round((lastMs - nowMs) / 1_000)} s behind the last row of the timeline`,
        'set it; where it has no battery, let the gateway start after time synchronisation',
      );
    }
    const jumps = reader.timeline({ kind: 'clock', sinceMs: nowMs - DAY_MS, limit: 1_000 }).length;
    const is = `the clock jumped ${jumps} times in the last 24 hours`;
    if (jumps < JUMPS_WARNING) return ok(is);
    return warning(is, 'use one time service that slews, not several that step: chrony or systemd-timesyncd');
  } finally {
    reader.close();
  }
}
