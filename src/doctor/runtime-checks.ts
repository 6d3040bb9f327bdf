/** Whether this Node can run the engine, and what it may take of the machine. */

import Database from 'better-sqlite3';
import { readFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { getHeapStatistics } from 'node:v8';
import { messageOf } from '../domain/errors.ts';
import { NODE_MAJOR_MIN } from '../node-version.ts';
import { VERSION } from '../version.ts';
import { ok, problem, warning, type Check, type Verdict } from './check.ts';
import { shownBytes } from './shown-bytes.ts';

const MEMORY_BYTES_MIN = 256 * 1024 * 1024;
/** Beside sources and sinks: the database's files, the log, threads, HTTP clients. */
const OTHER_FILES = 128;

/** What the system says of its limits; tests say it themselves. */
export interface MachineFacts {
  readonly nodeVersion: string;
  readonly memoryBytes: number;
  /** What the group of processes may take that this one belongs to; null where that is not bounded. */
  readonly groupMemoryBytes: number | null;
  readonly heapLimitBytes: number;
  readonly openFilesMax: number | null;
}

export function machineFacts(): MachineFacts {
  return {
    nodeVersion: process.versions.node,
    memoryBytes: totalmem(),
    groupMemoryBytes: groupMemory(),
    heapLimitBytes: getHeapStatistics().heap_size_limit,
    openFilesMax: openFiles(),
  };
}

/** @param links sources and sinks that are configured */
export function runtimeChecks(facts: MachineFacts, links: number): Check[] {
  const local = (subject: string, run: () => Verdict): Check => ({ subject, isService: false, run });
  return [
    local('node', () => nodeVerdict(facts)),
    local('sqlite', sqliteVerdict),
    local('memory', () => memoryVerdict(facts)),
    local('open files', () => openFilesVerdict(facts, links)),
  ];
}

function nodeVerdict({ nodeVersion }: MachineFacts): Verdict {
  const is = `Headgate ${VERSION} on Node.js ${nodeVersion}, ${availableParallelism()} processors`;
  if (Number.parseInt(nodeVersion, 10) >= NODE_MAJOR_MIN) return ok(is);
  return problem(is, `install Node.js ${NODE_MAJOR_MIN} or newer`);
}

function sqliteVerdict(): Verdict {
  try {
    const db = new Database(':memory:');
    const version = db.prepare('SELECT sqlite_version()').pluck().get() as string;
    db.close();
    return ok(`SQLite ${version} loads and answers`);
  } catch (error) {
    return problem(
      `SQLite does not load: ${messageOf(error)}`,
      'run `npm rebuild better-sqlite3`, or install again with the Node.js that runs the gateway',
    );
  }
}

function memoryVerdict({ memoryBytes, groupMemoryBytes, heapLimitBytes }: MachineFacts): Verdict {
  const bytes = Math.min(memoryBytes, groupMemoryBytes ?? Infinity);
  const is = `${shownBytes(bytes)} of memory, of which the heap may take ${shownBytes(heapLimitBytes)}`;
  if (bytes < MEMORY_BYTES_MIN) return warning(is, `give it ${shownBytes(MEMORY_BYTES_MIN)} at least`);
  if (heapLimitBytes <= bytes) return ok(is);
  const half = Math.floor(bytes / 2 / 1024 / 1024);
  return warning(
    `${is}: the system would end it before Node collects garbage in earnest`,
    `start it with NODE_OPTIONS=--max-old-space-size=${half}`,
  );
}

function openFilesVerdict({ openFilesMax }: MachineFacts, links: number): Verdict {
  if (openFilesMax === null) return ok('this system does not tell how many files may be open');
  const needed = OTHER_FILES + 2 * links;
  const is = `${openFilesMax} files and sockets may be open`;
  if (openFilesMax >= needed) return ok(is);
  return warning(
    `${is}; this configuration may need ${needed}`,
    `raise the limit: LimitNOFILE=${needed}, or ulimit -n`,
  );
}

function openFiles(): number | null {
  const limit = /^Max open files\s+(\d+)/m.exec(readOr('/proc/self/limits'))?.[1];
  return limit === undefined ? null : Number(limit);
}

/** Of cgroups 2 and 1. */
function groupMemory(): number | null {
  const text = readOr('/sys/fs/cgroup/memory.max') || readOr('/sys/fs/cgroup/memory/memory.limit_in_bytes');
  const bytes = Number(text.trim() || Number.NaN);
  return Number.isSafeInteger(bytes) ? bytes : null;
}

function readOr(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
