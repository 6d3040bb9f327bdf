/** What the operating system and Node say of this process. */

import { readdirSync, readFileSync } from 'node:fs';
import { getHeapStatistics } from 'node:v8';
import type { Clock } from '../domain/clock.ts';

export interface ProcessFacts {
  readonly nodeVersion: string;
  readonly startTimeSeconds: number;
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  readonly heapUsedBytes: number;
  readonly heapTotalBytes: number;
  readonly heapLimitBytes: number;
  readonly externalBytes: number;
  /** Null where the system does not tell. */
  readonly openFds: number | null;
  readonly maxFds: number | null;
}

/** Reads the facts anew with each call. */
export function processFactsReader(clock: Clock): () => ProcessFacts {
  const startTimeSeconds = clock.wallMs() / 1_000 - process.uptime();
  const maxFds = readMaxFds();
  const heapLimitBytes = getHeapStatistics().heap_size_limit;
  return () => {
    const { rss, heapUsed, heapTotal, external } = process.memoryUsage();
    const { user, system } = process.cpuUsage();
    return {
      nodeVersion: process.versions.node,
      startTimeSeconds,
      cpuSeconds: (user + system) / 1_000_000,
      residentBytes: rss,
      heapUsedBytes: heapUsed,
      heapTotalBytes: heapTotal,
      heapLimitBytes,
      externalBytes: external,
      openFds: countOpenFds(),
      maxFds,
    };
  };
}

function countOpenFds(): number | null {
  try {
    // One of them is that of the listing.
    return readdirSync('/proc/self/fd').length - 1;
  } catch {
    return null;
  }
}

function readMaxFds(): number | null {
  try {
    const limit = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1];
    return limit === undefined ? null : Number(limit);
  } catch {
    return null;
  }
}
